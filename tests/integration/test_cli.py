"""The command line as a user meets it: careless inputs get one clear line and exit code 2, and lose nothing."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from raysearch import __version__
from raysearch.cli import app
from raysearch.config.load import load_study
from raysearch.ledger.record import ProposalRecord
from raysearch.ledger.run_folder import RunFolder
from raysearch.pipeline.attempt import attempt
from raysearch.pipeline.preflight import anchors, check
from raysearch.pipeline.runtime import Runtime
from raysearch.search.recorder import Ending, Recorder
from raysearch.study.confirm import on_test
from tests.small_tables import WRITERS
from tests.studies import TEXT
from tests.unit.test_described import write as describe_table
from tests.unit.test_ledger import STUDY, record


def call(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, list(arguments))
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def study(tmp_path: Path, tiny_model: Path) -> Path:
    table = WRITERS["acs_employment_atlanta"](tmp_path / "table")
    path = tmp_path / "small.yaml"
    path.write_text(TEXT.format(model=tiny_model, table=table))
    return path


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    folder = RunFolder.create(tmp_path / "run", STUDY + "objectives: {accuracy: maximize}\n", {"overrides": []})
    folder.ledger.append(record(0, kind="anchor", params={}))
    folder.ledger.append(record(1, objectives={"accuracy": 0.7}))
    folder.ledger.append(record(2, state="failed", reason="out of memory", feasible=None, objectives={}, metrics={}))
    return folder


def shorten(table: Path, keep) -> None:
    for name in ("persons.csv", "households.csv"):
        keep(pd.read_csv(table / name), name).to_csv(table / name, index=False)


def empty(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    return frame.head(0)


def without_sex(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    return frame.drop(columns="sex", errors="ignore")


def one_woman(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    if "sex" not in frame:
        return frame
    return frame[(frame["sex"] == 1) | (frame.index == frame.index[frame["sex"] == 2][0])]


@pytest.mark.parametrize(
    ("spoil", "words"),
    [(empty, "no rows"), (without_sex, "sex"), (one_woman, "min_group_rows")],
    ids=["an empty table", "no sensitive column", "a group of one row"],
)
def test_a_table_that_cannot_serve(study: Path, tmp_path: Path, spoil, words: str) -> None:
    shorten(tmp_path / "table", spoil)
    code, _, error = call("run", str(study), "--out", str(tmp_path / "out"))
    assert code == 2
    assert words in error
    assert "Traceback" not in error
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("unlearning.stepz=3", "unknown key. Did you mean 'steps'?"),
        ("unlearning.steps=many", "unlearning.steps"),
        ("model.source=./no/such/model", "no such folder"),
        ("unlearning.losses.kl.options={beta: 2}", "kl has no option 'beta'"),
        ("data.sensitive=gender", "no sensitive attribute 'gender'"),
        ("data.train_rows=100000", "Lower one of them"),
        ("workers.workers_per_group=7", "each of 7 parts (workers of a group x micro-batches) needs at least one"),
        ("workers.gpus_per_worker=8", "GPUs"),
        ("unlearning.losses={kl: {weight: 0}}", "every loss has weight 0"),
        ("text.include_sensitive=false", "would be the same text"),
        ("search.sampler.options={foo: 1}", "search.sampler.options.foo: TPESampler has no such option"),
        ("search.early_stopping={rungs: [4, 2]}", "rungs must rise"),
        ("search.early_stopping={rung: [4, 2]}", "Did you mean 'rungs'?"),
        ("search.points=[{unlearning.lrr: 1e-3}]", "Did you mean 'unlearning.lr'?"),
        ("search.points=[{unlearning.lr: 5}]", "is not real in"),
        ("search.replicates={share: 1.5}", "must be below 1"),
        ("reference_point={perplexity_ratio: 2}", "is not an objective"),
    ],
)
def test_a_setting_that_cannot_serve(study: Path, tmp_path: Path, setting: str, words: str) -> None:
    code, _, error = call("run", str(study), "--out", str(tmp_path / "out"), "--set", setting)
    assert code == 2, error
    assert words in error
    assert "Traceback" not in error
    assert not (tmp_path / "out" / "ledger").exists() or not list((tmp_path / "out" / "ledger").iterdir())


def test_results_are_never_overwritten(study: Path, run: RunFolder) -> None:
    before = sorted(path.read_bytes() for path in run.path.rglob("*") if path.is_file())
    code, _, error = call("run", str(study), "--out", str(run.path))
    assert code == 2
    assert "is not empty; results are never overwritten" in error
    assert before == sorted(path.read_bytes() for path in run.path.rglob("*") if path.is_file())


def test_a_place_that_cannot_be_written(study: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    code, _, error = call("run", str(study), "--out", str(tmp_path / "file" / "run"))
    assert code == 2
    assert "cannot be made or written" in error


def test_an_address_where_no_cluster_is(study: Path, tmp_path: Path) -> None:
    code, _, error = call("run", str(study), "--out", str(tmp_path / "out"), "--address", "127.0.0.1:9")
    assert code == 2
    assert "--address 127.0.0.1:9: nothing answers there" in error
    assert not (tmp_path / "out").exists()


def test_workers_that_do_not_divide_into_groups(study: Path) -> None:
    code, _, error = call("run", str(study), "--workers", "3", "--set", "workers.workers_per_group=2")
    assert code == 2
    assert "--workers 3: a trial needs 2 workers" in error


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("unlearning.losses.kl.options={beta: 2}", "kl has no option 'beta'"),
        ("search.sampler.options={foo: 1}", "small.yaml: search.sampler.options.foo"),
        ("data.sensitive=gender", "no sensitive attribute 'gender'"),
    ],
)
def test_validate_finds_what_needs_the_code_of_components(study: Path, setting: str, words: str) -> None:
    code, _, error = call("validate", str(study), "--set", setting)
    assert code == 2
    assert words in error


def test_an_address_that_is_none(study: Path, tmp_path: Path) -> None:
    code, _, error = call("run", str(study), "--out", str(tmp_path / "out"), "--address", "foo")
    assert code == 2, error
    assert "--address foo" in error and "Traceback" not in error
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("verb", ["front", "status", "watch", "dashboard", "resume", "confirm", "simulate"])
def test_a_folder_that_is_no_run(tmp_path: Path, verb: str) -> None:
    code, _, error = call(verb, str(tmp_path / "nowhere"))
    assert code == 2
    assert "no such folder" in error


def test_a_trial_that_is_not_recorded(run: RunFolder) -> None:
    code, _, error = call("replay", str(run.path), "77")
    assert code == 2
    assert "no trial 77; recorded: 0 to 2" in error


def test_front_and_status_for_programs(run: RunFolder) -> None:
    code, out, _ = call("front", str(run.path), "--json")
    assert code == 0
    assert {row["trial"] for row in json.loads(out)["front"]} == {0, 1}
    code, out, _ = call("status", str(run.path), "--json")
    found = json.loads(out)
    assert (found["recorded"], found["complete"], found["failed"]) == (3, 2, {"out of memory": 1})
    assert (found["best_feasible"], found["best_feasible_trial"]) == ({"accuracy": 0.7}, {"accuracy": 0})
    assert (found["hypervolume"], found["reference_point"]) == (pytest.approx(0.7), {"accuracy": 0.0})
    assert (found["running"], found["done"], found["left"]) == (False, False, found["trials"] - 3)
    assert "resume" in found["standing"]


@pytest.mark.parametrize("verb", [("status",), ("watch", "--once")])
def test_a_run_is_shown_in_one_screen(run: RunFolder, verb: tuple[str, ...], capfd: pytest.CaptureFixture[str]) -> None:
    assert call(*verb, str(run.path))[0] == 0
    lines = capfd.readouterr().out.splitlines()
    assert len(lines) <= 24 and max(map(len, lines)) <= 80
    text = "\n".join(lines)
    found = ("3/23, 1 anchor", "complete 2", "failed 1", "accuracy ↑ 0.700 (trial 0)", "0.7000 from (0)", "resume with")
    for words in found:
        assert words in text, text


@pytest.mark.parametrize("verb", [("status",), ("status", "--json"), ("watch",), ("dashboard", "--port", "0")])
def test_a_ledger_of_a_newer_version_is_one_line(run: RunFolder, verb: tuple[str, ...]) -> None:
    newer = record(9).model_dump(mode="json") | {"schema_version": 99}
    (run.path / "ledger" / "000009.jsonl").write_text(json.dumps(newer))
    code, out, error = call(*verb, str(run.path))
    assert (code, out) == (2, "")
    assert "written by a newer raysearch" in error and "Upgrade" in error and len(error.splitlines()) == 1


def test_without_optuna_dashboard_the_remedy_is_named(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    code, _, error = call("dashboard", str(run.path))
    assert (code, error.count("\n")) == (2, 1)
    assert 'pip install "raysearch[dashboard]"' in error


def test_a_port_that_is_taken(run: RunFolder) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, _, error = call("dashboard", str(run.path), "--no-open", "--port", str(port))
    assert (code, error.count("\n")) == (2, 1)
    assert f"--port {port}: cannot be had" in error


def test_front_of_a_run_without_trials(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run", STUDY, {"overrides": []})
    assert call("front", str(folder.path))[0] == 0
    assert call("status", str(folder.path))[0] == 0


def test_validate_says_what_is_searched(study: Path) -> None:
    code, _, _ = call("validate", str(study))
    assert code == 0
    code, _, error = call("validate", "no_such_study")
    assert code == 2
    assert "no such file" in error


def test_debug_shows_each_stage(study: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "raysearch.cli",
        "debug",
        str(study),
        "--stage",
        "combined",
        "--set",
        "unlearning.steps=2",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    for words in (
        "The sex is",
        "counterfactual:",
        "pair:",
        "step 1/2",
        "probability_gap",
        "demographic_parity_difference",
        "true negatives",
        "seconds",
    ):
        assert words in done.stdout, words
    assert "ray" not in done.stderr.lower()


def test_a_run_with_paths_of_its_own_goes_on_from_any_folder(
    tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The description lies beside the study, the model below the folder that the command is given in."""
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    home.mkdir()
    elsewhere.mkdir()
    describe_table(home / "studies")
    shutil.copytree(tiny_model, home / "model")
    text = TEXT.format(model="nobody/nothing", table="null").replace("acs_employment_atlanta", "./loans.yaml")
    (home / "studies" / "own.yaml").write_text(text.replace("path: null", "sensitive: origin"))

    monkeypatch.chdir(home)
    study = load_study("studies/own.yaml", ["model.source=./model"])
    run = RunFolder.create(Path("out"), study.text, {"overrides": list(study.overrides)})
    recorder = Recorder(study, run)
    for number, anchor in enumerate(anchors(study)):
        config = anchor.config.model_dump(mode="json")
        proposal = ProposalRecord(trial=number, kind="anchor", config=config, anchor=anchor.stage)
        recorder.finish(proposal, Ending(attempt(anchor.config, Runtime())))
    recorded = run.ledger.get(2).config
    assert recorded["data"]["table"] == str(home / "studies" / "loans.yaml")
    assert recorded["model"]["source"] == str(home / "model")

    monkeypatch.chdir(elsewhere)
    run = RunFolder.open("../home/out")
    check(run.study(), anchors(run.study()), lambda line: None)  # what resuming begins with
    assert [anchor.config.model_dump(mode="json") for anchor in anchors(run.study())][2] == recorded
    assert call("replay", "../home/out", "2")[0] == 0
    assert attempt(on_test(run.ledger.get(2)), Runtime()).outcome is not None  # what confirming does
    assert call("export", "../home/out", "2", "exported")[0] == 0
    assert "rows of\n`loans.yaml` and judged" in (elsewhere / "exported" / "README.md").read_text()


def test_debug_refuses_an_unknown_stage() -> None:
    code, _, error = call("debug", "demo", "--stage", "combind")
    assert code == 2
    assert "Did you mean 'combined'?" in error


def test_fetch_lists_names_and_refuses_others() -> None:
    assert call("fetch", "--list")[0] == 0
    code, _, error = call("fetch", "smollm3")
    assert code == 2
    assert "smollm" in error


def test_a_model_that_no_hub_gives_is_one_line() -> None:
    code, _, error = call("fetch", "nobody-at-all/no-such-model")
    assert code == 2
    assert "the hub does not give it" in error
    assert "Traceback" not in error


def test_fetch_takes_a_folder_as_it_is(tiny_model: Path) -> None:
    assert call("fetch", str(tiny_model))[0] == 0


def test_schema_and_version() -> None:
    code, out, _ = call("schema")
    assert code == 0
    assert json.loads(out)["properties"]["trial"]
    assert call("version")[1].strip() == __version__


@pytest.mark.parametrize(
    "verb",
    [
        "run",
        "resume",
        "front",
        "status",
        "watch",
        "dashboard",
        "confirm",
        "simulate",
        "debug",
        "replay",
        "fetch",
        "validate",
        "schema",
        "version",
    ],
)
def test_every_verb_has_help(verb: str) -> None:
    code, out, _ = call(verb, "--help")
    assert code == 0
    assert "raysearch" in out or verb in out


def test_stages_are_compared_from_the_ledger(run: RunFolder, tmp_path: Path) -> None:
    script = Path(__file__).parents[2] / "analysis" / "compare_stages.py"
    csv, latex = tmp_path / "stages.csv", tmp_path / "stages.tex"
    written = ["--csv", str(csv), "--latex", str(latex)]
    command = [sys.executable, str(script), str(run.path), "--by", "cda.mode", *written]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "COLUMNS": "200"})
    assert done.returncode == 0, done.stderr
    assert "Table 1" in done.stdout and "Table 2" in done.stdout and "baseline" in done.stdout
    rows = pd.read_csv(csv)
    baseline = rows[rows["stage"] == "baseline"]
    assert len(baseline) == 1 and (baseline["change.accuracy"] == 0).all()
    assert "tabular" in latex.read_text()
    for wrong, words in (([str(tmp_path)], "error:"), ([str(run.path), "--by", "cda.mood"], "no 'mood'")):
        done = subprocess.run([sys.executable, str(script), *wrong], capture_output=True, text=True)
        assert (done.returncode, "Traceback" in done.stderr) == (2, False) and words in done.stderr


def test_the_analysis_script_reads_a_run_and_refuses_what_is_none(run: RunFolder, tmp_path: Path) -> None:
    script = Path(__file__).parents[2] / "analysis" / "pareto_front.py"
    out = tmp_path / "front.csv"
    done = subprocess.run(
        [sys.executable, str(script), str(run.path), "--csv", str(out)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert set(pd.read_csv(out)["trial"]) == {0, 1}
    done = subprocess.run([sys.executable, str(script), str(tmp_path)], capture_output=True, text=True)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    shutil.rmtree(run.path)
