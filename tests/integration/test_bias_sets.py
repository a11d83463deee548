"""`raysearch bias` as a user meets it, and the real model on the real files against figures measured before."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from raysearch.assets.archive import resolve
from raysearch.bias_sets.bias_set import BiasSet, Bootstrap, some_of_each
from raysearch.bias_sets.evaluate import evaluate
from raysearch.bias_sets.sets.bbq import BBQ
from raysearch.bias_sets.sets.crows_pairs import CrowsPairs
from raysearch.bias_sets.sets.stereoset import StereoSet
from raysearch.bias_sets.sets.winobias import WinoBias
from raysearch.cli import app
from raysearch.config.schema import ModelConfig
from raysearch.models.language_model import LanguageModel, load
from tests.small_bias_sets import WRITERS

REAL_SETS: tuple[tuple[type[BiasSet], str], ...] = ((BBQ, "SES"), (WinoBias, "type1"))


def call(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["bias", *arguments])
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder with the small files of all sets."""
    for write in WRITERS.values():
        write(tmp_path / "sets")
    return tmp_path / "sets"


def test_all_sets_for_programs(files: Path, tiny_model: Path) -> None:
    code, out, _ = call(str(tiny_model), "--path", str(files), "--json")
    assert code == 0
    found = json.loads(out)
    assert found["model"] == str(tiny_model) and found["limit"] is None
    rows = found["scores"]
    assert {row["set"] for row in rows} == set(WRITERS)
    assert {"gender", "race", "age", "type1", "type2", "SES", "Age", "overall"} == {row["category"] for row in rows}
    for row in rows:
        assert row["value"] is None or row["low"] <= row["high"]
        assert row["ideal"] in (0.0, 50.0, 100.0) and row["n"] > 0


def test_all_sets_for_people_fit_a_terminal(
    files: Path, tiny_model: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert call(str(tiny_model), "--path", str(files), "--limit", "1")[0] == 0
    shown = capfd.readouterr().out
    for words in ("|SS - 50|, inter", "|share - 50|", "accuracy anti", "s_AMB", "bootstrap over items", "with seed 0"):
        assert words in shown


def test_a_category_alone_leaves_out_the_sets_that_have_it_not(files: Path, tiny_model: Path) -> None:
    shutil.rmtree(files)
    WRITERS["bbq"](files)
    code, out, _ = call(str(tiny_model), "--path", str(files), "--category", "SES", "--json", "--limit", "2")
    assert code == 0
    assert {(row["set"], row["category"], row["n"]) for row in json.loads(out)["scores"]} == {("bbq", "SES", 2)}
    assert "after a shuffle with seed 0" in json.loads(out)["note"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--set", "stereo_set"], "no such bias set. Did you mean 'stereoset'"),
        (["--category", "gendr"], "no such category. Did you mean 'gender'"),
        (["--set", "bbq", "--category", "gender"], "no such category"),
        (["--dtype", "float23"], "no such precision. Did you mean 'float32'"),
        (["--path", "nowhere"], "nowhere: no such file or folder"),
        (["--set", "bbq", "--path", "."], "holds none of BBQ's files"),
        (["--set", "crows_pairs", "--category", "disability"], "no item of disability"),
    ],
)
def test_a_mistake_is_one_line_and_no_model_is_loaded(files: Path, arguments: list[str], words: str) -> None:
    given = arguments if "--path" in arguments else [*arguments, "--path", str(files)]
    code, out, err = call("no-such-model", *given)
    assert (code, out) == (2, "")
    assert words in err and "Traceback" not in err and len(err.strip().splitlines()) == 1


def test_a_model_that_is_not_there(files: Path) -> None:
    code, _, err = call("smollm2_135m", "--path", str(files))
    assert code == 2
    assert "Did you mean 'smollm2-135m'" in err


def test_help_shows_an_example() -> None:
    code, out, _ = call("--help")
    assert code == 0
    assert "raysearch bias smollm2-135m" in out


@pytest.fixture(scope="module")
def smollm2() -> LanguageModel:
    return load(ModelConfig(source="smollm2-135m"))


@pytest.mark.network
@pytest.mark.slow
def test_smollm2_gets_the_figures_that_were_measured_before(smollm2: LanguageModel) -> None:
    """Figures of another program on the same weights and files.

    Within 1 point: two to three items of about 260 may change sides where kernels round differently, and no more. The
    reference rates StereoSet by the sum over tokens; by token, as published, the same model prefers the stereotype too.
    """
    values: dict[str, float] = {}
    for chosen, categories in ((StereoSet(), ["gender"]), (CrowsPairs(), ["gender"])):
        items = [i for i in chosen.read(resolve(chosen.archive), categories) if i.condition in ("", "intrasentence")]
        for score in evaluate(smollm2, smollm2.model, chosen, items, Bootstrap(rounds=200)):
            values[f"{chosen.name}/{score.category}/{score.name}"] = score.measurement.value
            if score.name == "SS":
                assert score.measurement.low > 50.0
    known = {
        "stereoset/gender/SS, sum": 64.7,
        "stereoset/gender/LMS, sum": 89.0,
        "stereoset/gender/ICAT, sum": 62.8,
        "crows_pairs/gender/share": 56.9,
    }
    assert {name: values[name] for name in known} == pytest.approx(known, abs=1.0)


@pytest.mark.network
@pytest.mark.slow
@pytest.mark.parametrize(("kind", "category"), REAL_SETS)
def test_smollm2_answers_questions_of_the_real_files(
    smollm2: LanguageModel, kind: type[BiasSet], category: str
) -> None:
    chosen = kind()
    items = some_of_each(chosen.read(resolve(chosen.archive), [category]), 10)
    scores = evaluate(smollm2, smollm2.model, chosen, items, Bootstrap(rounds=50))
    assert {score.measurement.n for score in scores} == {10}
    assert all(-100.0 <= score.measurement.value <= 100.0 for score in scores)
