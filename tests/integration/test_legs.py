"""A trial in legs: the same numbers as in one go, from any group, through damage; fidelities; the cheap gate."""

from __future__ import annotations

import asyncio
import pickle
from dataclasses import replace
from pathlib import Path

import pytest

from raysearch.config.metric_names import INTRINSIC_METRICS
from raysearch.config.schema import TrialConfig
from raysearch.pipeline.attempt import attempt
from raysearch.pipeline.leg import Bound, Leg, rungs_of
from raysearch.pipeline.runtime import Runtime, Silent
from raysearch.pipeline.trial import Outcome, run_trial
from raysearch.replay import at_stage
from raysearch.workers.dispatcher import Dispatcher, Work
from tests.studies import small_study


@pytest.fixture
def config(tmp_path: Path, tiny_model: Path) -> TrialConfig:
    return at_stage(small_study(tmp_path, tiny_model, "unlearning.steps=6").default_trial(), "combined")


def same(one: Outcome, other: Outcome) -> bool:
    return (one.metrics, one.curves, one.evidence) == (other.metrics, other.curves, other.evidence)


def test_a_trial_in_legs_is_bit_for_bit_the_trial_in_one_go(config: TrialConfig, tmp_path: Path) -> None:
    whole = run_trial(config, Runtime())
    shared = Runtime()
    legs = [Leg(until=2, folder=str(tmp_path / "a")), Leg(until=4, folder=str(tmp_path / "a"))]
    reached = [run_trial(config, shared, leg) for leg in legs]
    assert [(o.fidelity, o.final, len(o.curves)) for o in reached] == [(2, False, 2), (4, False, 4)]
    assert reached[1].curves == whole.curves[:4]
    last = run_trial(config, Runtime(), Leg(folder=str(tmp_path / "a")))  # another process takes it from here
    assert same(last, whole)
    assert (last.fidelity, last.final) == (6, True)


def test_a_saved_state_of_another_trial_or_a_damaged_one_is_never_used(config: TrialConfig, tmp_path: Path) -> None:
    folder = tmp_path / "a"
    run_trial(config, Runtime(), Leg(until=3, folder=str(folder)))
    (state,) = folder.iterdir()
    other = config.model_copy(update={"seed": 3})
    assert same(run_trial(other, Runtime(), Leg(folder=str(folder))), run_trial(other, Runtime()))
    run_trial(config, Runtime(), Leg(until=3, folder=str(tmp_path / "b")))
    (state,) = (tmp_path / "b").iterdir()
    state.write_bytes(state.read_bytes()[:-40])
    assert same(run_trial(config, Runtime(), Leg(folder=str(tmp_path / "b"))), run_trial(config, Runtime()))


def test_an_interrupted_leg_goes_on_from_its_last_state(config: TrialConfig, tmp_path: Path) -> None:
    class Killed(BaseException):
        pass

    class Killer:
        def stage(self, name: str) -> None: ...

        def show(self, title: str, value: object) -> None: ...

        def leaving(self) -> bool:
            return False

        def progress(self, done: int, total: int, values: dict[str, float]) -> None:
            if "loss" in values and done == 4:
                raise Killed

    leg = Leg(folder=str(tmp_path / "a"), checkpoint_every_s=1e-9)
    with pytest.raises(Killed):
        run_trial(config, Runtime(observer=Killer()), leg)
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["step-000004.safetensors"]
    steps: list[int] = []

    class Counter(Killer):
        def progress(self, done: int, total: int, values: dict[str, float]) -> None:
            steps.extend([done] if "loss" in values else [])

    again = run_trial(config, Runtime(observer=Counter()), leg)
    assert steps == [5, 6]
    assert same(again, run_trial(config, Runtime()))


def test_a_trial_that_loses_its_group_goes_on_in_another_from_its_last_rung(
    config: TrialConfig, tmp_path: Path
) -> None:
    leg = Leg(until=2, folder=str(tmp_path / "a"))
    steps: list[int] = []

    class Counter(Silent):
        def progress(self, done: int, total: int, values: dict[str, float]) -> None:
            steps.extend([done] if "loss" in values else [])

    async def scenario() -> Outcome | None:
        dispatcher = Dispatcher(["a", "b"])
        a, b = await dispatcher.join("a"), await dispatcher.join("b")
        work = Work(7, config.model_dump(mode="json"), leg)
        waiting = asyncio.create_task(dispatcher.submit(work))
        assert await dispatcher.take("a", a, 5) == work
        await dispatcher.finish("a", a, 7, pickle.dumps(attempt(config, Runtime(), leg)), final=False)
        assert await waiting is False
        rest = replace(work, leg=replace(leg, until=None))
        waiting = asyncio.create_task(dispatcher.submit(rest))
        assert await dispatcher.take("a", a, 5) == rest
        await dispatcher.leave("a", "its machine is gone")
        taken = await dispatcher.take("b", b, 5)
        assert taken == rest
        done = attempt(TrialConfig.model_validate(taken.config), Runtime(observer=Counter()), taken.leg)
        await dispatcher.finish("b", b, 7, pickle.dumps(done), done.final)
        assert await waiting is True
        result = await dispatcher.collect(7)
        assert result is not None and result.attempt is not None
        found: Outcome | None = pickle.loads(result.attempt).outcome
        return found

    outcome = asyncio.run(asyncio.wait_for(scenario(), 60))
    assert steps == [3, 4, 5, 6]
    assert outcome is not None and same(outcome, run_trial(config, Runtime()))


def test_while_all_is_being_stopped_every_step_is_saved(config: TrialConfig, tmp_path: Path) -> None:
    seen: list[list[str]] = []

    class Leaving(Silent):
        def __init__(self) -> None:
            self.step = 0

        def progress(self, done: int, total: int, values: dict[str, float]) -> None:
            self.step = done if "loss" in values else self.step
            seen.append(sorted(path.name for path in tmp_path.glob("a/*")) if "loss" in values else [])

        def leaving(self) -> bool:
            return self.step in (2, 3)

    run_trial(config, Runtime(observer=Leaving()), Leg(folder=str(tmp_path / "a"), checkpoint_every_s=1e9))
    kept = ["step-000004.safetensors"]
    assert [names for names in seen if names] == [["step-000003.safetensors"], kept, kept, ["step-000006.safetensors"]]


def test_training_rows_as_fidelity_train_once_and_judge_the_same_rows(config: TrialConfig, tmp_path: Path) -> None:
    leg = Leg(until=30, fidelity="data.train_rows", folder=str(tmp_path / "a"))
    low = run_trial(config, Runtime(), leg)
    assert (low.fidelity, low.final, low.facts["train_rows"]) == (30, False, 30)
    full = run_trial(config, Runtime(), replace(leg, until=None))
    assert (full.fidelity, full.final, full.facts["train_rows"]) == (60, True, 60)
    assert low.curves == full.curves and low.evidence.rows == full.evidence.rows
    assert same(full, run_trial(config, Runtime()))


def test_epochs_as_fidelity_end_where_the_whole_passes_by(config: TrialConfig, tmp_path: Path) -> None:
    classifier = config.downstream.classifier.model_copy(update={"epochs": 3, "lr": 5e-3})
    downstream = config.downstream.model_copy(update={"kind": "lora_classifier", "classifier": classifier})
    chosen = config.model_copy(update={"downstream": downstream})
    leg = Leg(until=2, fidelity="downstream.classifier.epochs", folder=str(tmp_path / "a"))
    low = run_trial(chosen, Runtime(), leg)
    full = run_trial(chosen, Runtime(), replace(leg, until=None))
    assert ((low.fidelity, low.final), (full.fidelity, full.final)) == ((2, False), (3, True))
    epochs = full.facts["classifier_accuracy_by_epoch"]
    assert low.facts["classifier_accuracy_by_epoch"] == epochs[:2] and len(epochs) == 3
    assert same(full, run_trial(chosen, Runtime()))
    assert run_trial(config, Runtime(), leg).final  # another downstream model has no epochs


def test_the_gate_spares_the_downstream_stage_and_says_what_is_broken(config: TrialConfig) -> None:
    tight = Bound("answer_mass_ratio >= 9", "answer_mass_ratio", 0.0, 9.0, None)
    loose = Bound("perplexity_ratio <= 99", "perplexity_ratio", 0.0, None, 99.0)
    gated = run_trial(config, Runtime(), Leg(gate=(tight, loose)))
    assert gated.final and gated.cube is None
    assert tuple(gated.metrics) == INTRINSIC_METRICS
    assert gated.gated["answer_mass_ratio >= 9"] > 0 > gated.gated["perplexity_ratio <= 99"]
    assert "downstream" not in gated.costs_s
    assert not run_trial(config, Runtime(), Leg(gate=(loose,))).gated


def test_rungs_are_those_below_the_trials_own_full_fidelity(config: TrialConfig) -> None:
    plain = config.model_dump(mode="json")
    assert rungs_of(plain, "unlearning.steps", (2, 4, 6, 8)) == (2, 4)
    assert rungs_of({**plain, "unlearning": None}, "unlearning.steps", (2, 4)) == ()
    assert rungs_of(plain, "data.train_rows", (30, 60)) == (30,)


def test_the_evidence_counts_to_the_metrics(config: TrialConfig) -> None:
    import numpy as np

    outcome = run_trial(config, Runtime())
    evidence = outcome.evidence
    right = np.mean(np.asarray(evidence.target) == np.asarray(evidence.decided))
    assert right == pytest.approx(outcome.metrics["accuracy"].value)
    assert np.abs(evidence.pair_gaps).mean() == pytest.approx(outcome.metrics["intrinsic_gap"].value, abs=1e-6)
    assert len(evidence.group) == len(evidence.target) == len(evidence.decided) == 40
