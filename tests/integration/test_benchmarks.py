"""The benchmarks run, and compare the same things: tiny models, a small table, no network, no timing."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks import end_to_end, gpu, unlearning_step
from benchmarks.measuring import spread
from benchmarks.peers import by_hand
from raysearch.config.load import load_study
from raysearch.config.schema import TrialConfig
from raysearch.ledger.record import TrialRecord
from raysearch.ledger.run_folder import RunFolder
from raysearch.pipeline.runtime import Runtime
from raysearch.pipeline.trial import run_trial
from tests.small_tables import WRITERS

ROOT = Path(__file__).resolve().parents[2] / "benchmarks"
SCRIPTS = sorted(path.stem for path in ROOT.glob("*.py") if "__main__" in path.read_text())


@pytest.fixture
def changes(tmp_path: Path, tiny_model: Path) -> list[str]:
    """Overrides that make the demo small."""
    WRITERS["acs_employment_atlanta"](tmp_path)
    return [
        f"model.source={tiny_model}",
        f"data={{table: acs_employment_atlanta, path: {tmp_path}, train_rows: 60, validation_rows: 40, test_rows: 40, "
        "min_group_rows: 1}",
        "unlearning.pairs_per_step=6",
        "unlearning.lora={rank: 2, last_layers: 1}",
        "unlearning.neutral={source: built_in, texts: 8, texts_per_step: 2}",
        "stereotypes.evaluation_pairs=16",
        "evaluation={perplexity_source: built_in, perplexity_texts: 8, bootstrap_rounds: 100}",
    ]


class Here:
    """Stands in for a process of its own: runs at once, in this one."""

    def __init__(self, workers: int, place: Any, initializer: Any, initargs: tuple[Any, ...]) -> None:
        initializer(*initargs)

    def submit(self, run: Any) -> Here:
        self.found = run()
        return self

    def result(self) -> Any:
        return self.found

    def shutdown(self) -> None: ...


def last_line(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    return json.loads(capsys.readouterr().out.splitlines()[-1])


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_benchmark_says_how_it_is_called(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [name, "--help"])
    with pytest.raises(SystemExit) as end:
        importlib.import_module(f"benchmarks.{name}").main()
    assert end.value.code == 0
    assert f"python benchmarks/{name}.py" in capsys.readouterr().out


def test_the_unlearning_step_is_compared_with_a_trainer_of_the_same_losses(
    changes: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(unlearning_step, "ProcessPoolExecutor", Here)
    out = tmp_path / "out.json"
    words = ["unlearning_step", "--pairs", "1", "--steps", "3", "--threads", "1", "--out", str(out)]
    monkeypatch.setattr(sys, "argv", words + [word for change in changes for word in ("--set", change)])
    assert unlearning_step.main() == 0
    assert last_line(capsys).keys() >= {"ratio", "low", "high", "upper_quarter", "share_of_peak"}
    kept = json.loads(out.read_text())["settings"]
    assert {name: found["trained_blocks"] for name, found in kept.items()} == {"all_layers": 2, "upper_quarter": 1}
    for found in kept.values():
        assert 0 < found["largest_difference_of_a_loss"] < 1e-5
        assert found["distinct_tokens"] < found["tokens"]
        assert 0 < found["least_gflop"] < found["peer_gflop"]
        assert found["ours_gflop"] < found["peer_gflop"]


def test_other_losses_are_refused(changes: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unlearning_step, "ProcessPoolExecutor", Here)
    honest = by_hand.composite_loss
    monkeypatch.setattr("benchmarks.peers.trainer_step.composite_loss", lambda *given: honest(*given) * 1.1)
    words = ["unlearning_step", "--pairs", "1", "--steps", "1", "--settings", "all_layers", "--out", "/dev/null"]
    monkeypatch.setattr(sys, "argv", words + [word for change in changes for word in ("--set", change)])
    with pytest.raises(SystemExit, match="two different things"):
        unlearning_step.main()


@pytest.mark.parametrize("cda", ["{mode: none}", "{mode: replace, fraction: 0.5}"])
def test_a_trial_by_hand_has_our_values(changes: list[str], tiny_model: Path, cda: str) -> None:
    config = load_study("demo", [*changes, "unlearning.steps=4", f"cda={cda}"]).default_trial()
    ours = run_trial(config, Runtime()).metrics
    theirs = by_hand.run_trial(config.model_dump(mode="json"), str(tiny_model))
    untouched = run_trial(config.model_copy(update={"unlearning": None}), Runtime()).metrics
    compared = [*end_to_end.TOLERANCES, "accuracy", "demographic_parity_difference", "equalized_odds_difference"]
    assert {name: theirs[name] for name in compared} == pytest.approx(
        {name: ours[name].value for name in compared}, abs=1e-4
    )
    assert abs(ours["intrinsic_gap"].value - untouched["intrinsic_gap"].value) > 1e-3  # training did something


def recorded() -> list[TrialRecord]:
    return sorted(RunFolder.open(end_to_end.RECORDED).ledger, key=lambda record: record.trial)


def test_the_scripts_search_space_holds_every_recorded_configuration() -> None:
    shared = load_study("demo", ["data.train_rows=100"]).default_trial().model_dump(mode="json")
    for record in recorded():
        if record.kind != "replicate":
            proposed = by_hand.configuration(shared, end_to_end.point_of(record, shared))
            assert TrialConfig.model_validate(proposed) == TrialConfig.model_validate(record.config)


def test_the_points_are_those_of_the_recorded_study() -> None:
    points = end_to_end.recorded_points(3)
    study = load_study("demo", ["search.trials=3", f"search.points={json.dumps(points)}"])
    assert study.points == points
    assert points == [record.params for record in recorded()[3:6]]


def test_values_that_differ_by_more_than_rounding_end_the_comparison() -> None:
    records = recorded()[:4]
    trials = [{"metrics": {name: found.value for name, found in record.metrics.items()}} for record in records]
    assert set(end_to_end.check_values(records, trials).values()) == {0.0}
    trials[2]["metrics"]["accuracy"] += 3 / 160
    with pytest.raises(SystemExit, match="trial 2: accuracy"):
        end_to_end.check_values(records, trials)


def test_the_gpu_benchmark_runs_on_a_cpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "gpu.json"
    words = ["gpu", "--device", "cpu", "--size", "tiny", "--pairs", "1", "--steps", "2", "--out", str(out)]
    monkeypatch.setattr(sys, "argv", words)
    assert gpu.main() == 0
    line = last_line(capsys)
    assert 0 < line["low"] <= line["ratio"] <= line["high"] < 1
    tiny = json.loads(out.read_text())["sizes"]["tiny"]
    assert all(tiny[name][task]["tokens"] > 0 for name in gpu.VARIANTS for task in ("unlearning", "features"))
    assert tiny["sdpa"]["unlearning"]["done_tflop"] > 0


def test_a_variants_switches_are_put_back() -> None:
    size = gpu.SIZES["tiny"]
    lm = gpu.random_model(size, gpu.tokenizer_of(["some words"]), torch.device("cpu"), "float32")
    model: Any = lm.model
    ids = torch.arange(6).reshape(1, 6)
    before = model(input_ids=ids).logits
    with gpu.switched(lm, "eager", True):
        assert model.config._attn_implementation == "eager"
        assert "forward" in vars(model.model.layers[0])
        torch.testing.assert_close(model(input_ids=ids).logits, before)
    assert model.config._attn_implementation == "sdpa"
    assert "forward" not in vars(model.model.layers[0])


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_without_a_gpu_it_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["gpu"])
    assert gpu.main() == 2
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_the_spread_is_the_median_with_its_quartiles() -> None:
    assert spread([5.0, 1.0, 2.0, 4.0, 3.0]) == {"ratio": 3.0, "low": 2.0, "high": 4.0}
