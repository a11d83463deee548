"""The gap of one stereotype set, and a group metric by a further attribute, as objective and constraint."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from raysearch.cli import app
from raysearch.config.load import Study
from raysearch.config.metric_names import INTRINSIC_METRICS, METRICS
from raysearch.config.schema import ConstraintConfig
from raysearch.ledger.run_folder import RunFolder
from raysearch.pipeline.leg import Leg
from raysearch.pipeline.runtime import Runtime
from raysearch.pipeline.trial import Outcome, run_trial
from raysearch.replay import at_stage, replay, run_here
from raysearch.report.front_table import pareto_front
from raysearch.search import constraints
from raysearch.simulation.surrogate import RecordedProblem
from raysearch.study import run_study
from raysearch.study.confirm import on_test
from raysearch.uncertainty.table import read_configurations
from tests.integration.test_study import Listener
from tests.small_tables import WRITERS
from tests.studies import small_study

OBJECTIVES = {
    "intrinsic_gap.race": "minimize",
    "intrinsic_gap": "minimize",
    "demographic_parity_difference.race": "minimize",
    "accuracy": "maximize",
}
BOUNDS = (
    "{metric: intrinsic_gap.poor_or_rich, at_most: 0.9, relative_to: baseline}",
    "{metric: equalized_odds_difference.sex x race, at_most: 1.0}",
)


def study_of(folder: Path, model: Path, *overrides: str) -> Study:
    """Two stereotype sets, and Adult's rows by sex, by race, and by both."""
    table = WRITERS["adult"](folder / "adult")
    return small_study(
        folder,
        model,
        "data.table=adult",
        f"data.path={table}",
        "data.also_by=[race, sex x race]",
        "data.validation_rows=120",
        "data.test_rows=120",
        "data.small_groups=leave_out",
        "stereotypes.also={race: {weight: 1.0}}",
        "unlearning.steps=2",
        f"objectives={json.dumps(OBJECTIVES)}",
        "reference_point={intrinsic_gap.race: 0.75}",
        f"constraints=[{', '.join(BOUNDS)}]",
        "workers.groups=1",
        *overrides,
    )


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Study:
    return study_of(tmp_path_factory.mktemp("parts"), tiny_model)


@pytest.fixture(scope="module")
def outcome(study: Study) -> Outcome:
    return run_trial(at_stage(study.default_trial(), "combined"), Runtime())


def test_a_trial_measures_what_its_configuration_says(study: Study, outcome: Outcome) -> None:
    assert tuple(outcome.metrics) == study.default_trial().measured
    assert {*OBJECTIVES, "intrinsic_signed_gap.race", "accuracy.race"} <= set(outcome.metrics)
    assert study.config.corner == (0.75, 1.0, 1.0, 0.0)
    for name in ("race", "poor_or_rich"):
        assert outcome.metrics[f"intrinsic_gap.{name}"] == outcome.breakdown[name]
        assert outcome.metrics[f"intrinsic_signed_gap.{name}"] == outcome.breakdown[f"{name}.signed"]
    assert at_stage(study.default_trial(), "baseline").measured == study.default_trial().measured


def test_one_set_and_no_further_attribute_have_no_parts(tmp_path: Path, tiny_model: Path) -> None:
    assert small_study(tmp_path, tiny_model).default_trial().measured == METRICS


def test_the_evidence_tells_sets_and_groups_apart(outcome: Outcome) -> None:
    evidence = outcome.evidence
    assert evidence.pair_sets == (("poor_or_rich", 16), ("race", 16))
    for metric, part in (("intrinsic_gap.poor_or_rich", slice(16)), ("intrinsic_gap.race", slice(16, None))):
        gap = np.abs(evidence.pair_gaps)[part].mean()
        assert outcome.metrics[metric].value == pytest.approx(gap, abs=1e-6)
    group, decided = np.asarray(evidence.also_by["race"]), np.asarray(evidence.decided)
    rates = [decided[group == place].mean() for place in sorted(set(group.tolist()) - {-1})]
    assert len(rates) > 2
    difference = outcome.metrics["demographic_parity_difference.race"].value
    assert max(rates) - min(rates) == pytest.approx(difference)


def test_a_bound_on_a_sets_gap_is_judged_before_the_downstream_stage(study: Study, outcome: Outcome) -> None:
    bounds = [
        ConstraintConfig(metric="intrinsic_gap.race", at_most=-1.0, relative_to="baseline"),
        ConstraintConfig(metric="accuracy.race", at_least=0.0),
    ]
    early = constraints.gate(bounds, {name: found.value for name, found in outcome.metrics.items()})
    assert [bound.name for bound in early] == ["intrinsic_gap.race <= baseline - 1"]
    gated = run_trial(at_stage(study.default_trial(), "combined"), Runtime(), Leg(gate=early))
    assert list(gated.gated) == ["intrinsic_gap.race <= baseline - 1"] and gated.cube is None
    sets = ("poor_or_rich", "race")
    parts = [f"{metric}.{name}" for name in sets for metric in ("intrinsic_gap", "intrinsic_signed_gap")]
    assert tuple(gated.metrics) == (*INTRINSIC_METRICS, *parts)


@pytest.mark.ray
@pytest.mark.slow
def test_a_search_for_them_ends_with_a_front_that_can_be_confirmed_replayed_and_simulated(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_study(study, tmp_path / "run", Listener())
    records = list(RunFolder.open(run.path).ledger)
    assert {record.state for record in records} == {"complete"}
    assert set(records[-1].objectives) == set(OBJECTIVES)
    assert set(records[-1].constraints) == {
        "intrinsic_gap.poor_or_rich <= baseline + 0.9",
        "equalized_odds_difference.sex x race <= 1",
    }
    shown = CliRunner().invoke(app, ["front", str(run.path), "--json"])
    assert shown.exit_code == 0
    assert all("metric.intrinsic_gap.race" in row for row in json.loads(shown.stdout)["front"])

    table = read_configurations(run.path)
    front = pareto_front(table, OBJECTIVES)
    assert front["p_front"].between(0, 1).all() and front["p_front"].max() > 0.05
    assert (table["low.intrinsic_gap.race"] <= table["high.intrinsic_gap.race"]).all()

    on_the_test_split = run_here(on_test(records[-1]), threads=1)
    assert set(OBJECTIVES) <= set(on_the_test_split.metrics)
    assert on_the_test_split.evidence.rows != records[-1].evidence.rows
    assert replay(run, records[-1].trial).same

    monkeypatch.setattr("raysearch.simulation.surrogate.LEAST_TRIALS", 3)
    problem = RecordedProblem(run)
    found = problem.outcome(records[-1].params, problem.full, 0)
    assert found.values is not None and 0 <= found.values[0] <= 1
    assert set(found.early) == {"intrinsic_gap.poor_or_rich <= baseline + 0.9"}
