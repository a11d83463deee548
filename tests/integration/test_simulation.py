"""Simulated searches: deterministic, true to the recorded ledger, and driven by the real searcher and halving."""

from __future__ import annotations

import json
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from typer.testing import CliRunner

from raysearch.cli import app
from raysearch.config.schema import EarlyStoppingConfig, SamplerConfig
from raysearch.config.space import Float
from raysearch.ledger.run_folder import RunFolder
from raysearch.search.price import Price
from raysearch.simulation.play import hypervolume_over_cost
from raysearch.simulation.problem import Outcome
from raysearch.simulation.run import search
from raysearch.simulation.surrogate import RecordedProblem

RECORDED = Path(__file__).parents[2] / "benchmarks" / "data" / "demo-60"


class Toy:
    """Two objectives on a line; a constraint that is known early; some trials fail."""

    space: ClassVar = {"x": Float(0.0, 1.0)}
    objectives: ClassVar = {"a": "minimize", "b": "maximize"}
    corner = (2.0, -2.0)
    full = 9

    def outcome(self, params, fidelity: int, seed: int) -> Outcome:
        x = params["x"]
        if 0.30 < x < 0.35:
            return Outcome(None)
        rest = (self.full - fidelity) * 0.05
        return Outcome((x + rest, x**2 - rest), {"c": x - 0.9}, {"c": x - 0.9})

    def price(self, params, start: int, end: int, gated: bool) -> Price:
        return Price(float(end - start) * (0.5 if gated else 1.0), 0.0)


def play(sampler: str = "random", workers: int = 4, rungs=None, gate: bool = False, trials: int = 60, seed: int = 0):
    early = None if rungs is None else EarlyStoppingConfig(rungs=rungs)
    return search(Toy(), SamplerConfig(name=sampler, seed=seed), trials, workers, early, gate, seed)


def test_the_same_search_gives_the_same_trials() -> None:
    assert play("tpe", rungs=(1, 3)).played == play("tpe", rungs=(1, 3)).played
    assert play("tpe").played != play("tpe", seed=1).played


def test_without_rungs_every_trial_reaches_its_end_and_the_clock_knows_its_workers() -> None:
    one, four = play(workers=1), play(workers=4)
    assert {trial.state for trial in one.played} == {"complete", "failed"}
    assert one.simulated_s == pytest.approx(sum(trial.cost_s for trial in one.played))
    assert four.simulated_s == pytest.approx(one.simulated_s / 4, rel=0.1)
    assert len(one.played) == 60


def test_rungs_stop_about_two_of_three_and_cost_less() -> None:
    whole, halved = play(trials=200), play(trials=200, rungs=(1, 3))
    stopped = sum(trial.state == "stopped" for trial in halved.played)
    assert 0.4 < stopped / 200 < 0.95
    assert all(trial.fidelity in (1, 3) for trial in halved.played if trial.state == "stopped")
    assert halved.curve[-1][0] < whole.curve[-1][0] / 2


def test_the_gate_ends_broken_trials_for_half_the_cost() -> None:
    gated = [trial for trial in play(gate=True).played if trial.state == "gated"]
    assert gated and all(trial.cost_s == 4.5 and trial.params["x"] > 0.9 for trial in gated)


def test_only_feasible_complete_trials_count_to_the_hypervolume() -> None:
    report = play(trials=40)
    volumes = [volume for _, volume in report.curve]
    assert volumes == sorted(volumes)
    good = [t for t in report.played if t.state == "complete" and t.outcome.feasible]
    assert hypervolume_over_cost(good, Toy.objectives, Toy.corner)[-1][1] == pytest.approx(volumes[-1])


@pytest.fixture(scope="module")
def recorded() -> RecordedProblem:
    return RecordedProblem(RunFolder.open(RECORDED))


def test_the_recorded_ledger_has_sixty_trials_with_rungs_and_replicates() -> None:
    run = RunFolder.open(RECORDED)
    records = list(run.ledger)
    assert sum(record.kind != "anchor" for record in records) >= 60
    assert any(record.kind == "replicate" for record in records)
    assert run.ledger.rungs()
    assert {record.config["model"]["source"] for record in records} == {"smollm2-135m"}
    assert {record.config["data"]["table"] for record in records} == {"acs_employment_atlanta"}


def test_the_surrogate_follows_the_recorded_trials(recorded: RecordedProblem) -> None:
    """Closer to what was recorded than the mean of all trials is."""
    trials = [r for r in RunFolder.open(RECORDED).ledger if r.kind == "search" and r.state == "complete"]
    for position, name in enumerate(recorded.objectives):
        truth = np.asarray([trial.metrics[name].value for trial in trials])
        shown = np.asarray(
            [
                np.mean([recorded.outcome(t.params, recorded.full, seed).values[position] for seed in range(9)])
                for t in trials
            ]
        )
        assert np.abs(shown - truth).mean() <= np.abs(truth - truth.mean()).mean() + 1e-9, name


def test_simulate_is_a_command_that_repeats_itself(tmp_path: Path) -> None:
    line = ["simulate", str(RECORDED), "--trials", "40", "--sampler", "nsga2", "--rungs", "6", "--json"]
    first, second = (CliRunner().invoke(app, line) for _ in range(2))
    assert first.exit_code == 0, first.output
    assert first.stdout == second.stdout
    found = json.loads(first.stdout)
    assert found["trials"] == 40 and found["hypervolume"] > 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--sampler", "tpee"], "--sampler:"),
        (["--rungs", "9,3"], "--rungs:"),
        (["--rungs", "six"], "--rungs six: give rising whole numbers"),
    ],
)
def test_simulate_refuses_what_it_cannot_play(arguments: list[str], words: str) -> None:
    done = CliRunner().invoke(app, ["simulate", str(RECORDED), *arguments])
    assert done.exit_code == 2
    assert words in done.stderr
