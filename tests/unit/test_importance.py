"""Importance of parameters, where it is known what matters."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from raysearch.config.space import Choice, Float
from raysearch.errors import UserError
from raysearch.ledger.record import Estimate, TrialRecord
from raysearch.report.importance import LEAST_TRIALS, encoded, importance_frame, importances
from raysearch.report.importance_figure import draw_dependence, log_ticks
from raysearch.search.importance import PedAnova
from raysearch.uncertainty.configurations import Configuration, configurations

LR = Float(1e-4, 1e-1, log=True)
WIDTH = Float(0.0, 1.0)
SPACE = {
    "lr": LR,
    "width": WIDTH,
    "cda": Choice(({"mode": "none"}, {"mode": "replace", "fraction": Float(0.0, 1.0)})),
}
LEAVES = {"lr": LR, "width": WIDTH, "cda": SPACE["cda"], "cda.fraction": Float(0.0, 1.0)}
OBJECTIVES = {"slope": "minimize", "noise": "minimize", "share": "maximize"}


def study(count: int = 80) -> list[TrialRecord]:
    """``slope`` follows log10(lr) alone, ``share`` the fraction where there is one, ``noise`` nothing."""
    rng = np.random.default_rng(3)
    records = []
    for trial in range(count):
        params = {"lr": float(10 ** rng.uniform(-4, -1)), "width": float(rng.uniform()), "cda": "none"}
        if rng.uniform() < 0.5:
            params |= {"cda": "replace", "cda.fraction": float(rng.uniform())}
        values = {
            "slope": float(np.log10(params["lr"])),
            "noise": float(rng.normal()),
            "share": float(params.get("cda.fraction", 0.0)),
        }
        records.append(record(trial, params, values))
    return records


def record(trial: int, params: dict[str, object], values: dict[str, float], **changes: object) -> TrialRecord:
    metrics = {name: Estimate(value=value, low=value, high=value, n=1) for name, value in values.items()}
    fields = {
        "study": "s",
        "trial": trial,
        "kind": "search",
        "stage": "combined",
        "state": "complete",
        "params": params,
        "config": {},
        "seed": 0,
        "metrics": metrics,
    }
    return TrialRecord.model_validate(fields | changes)


@pytest.fixture(scope="module")
def found() -> list[Configuration]:
    return configurations(study())


def test_what_drives_an_objective_comes_first_by_both_and_what_does_not_stays_within_chance(
    found: list[Configuration],
) -> None:
    slope, noise, share = importances(found, OBJECTIVES, SPACE)
    assert slope.explained > 0.9 and slope.trials == 80
    first, *others = slope.parameters
    assert first.parameter == "lr" and first.ped_anova > first.chance and first.low > 0.5
    assert all(abs(row.permutation) < 0.05 and row.ped_anova < row.chance for row in others)
    assert noise.explained <= 0, "a forest must not claim to know what is drawn at random"
    assert {row.parameter for row in share.parameters[:2]} == {"cda", "cda.fraction"}
    fraction = next(row for row in share.parameters if row.parameter == "cda.fraction")
    assert fraction.ped_anova > fraction.chance, "a maximised objective is best where it is high"
    assert fraction.trials == sum("cda.fraction" in c.records[0].params for c in found) < 80
    table = importance_frame([slope, noise, share])
    assert len(table) == 3 * 4
    assert table.groupby("objective")["ped_anova"].sum().tolist() == pytest.approx([1.0] * 3)


def test_partial_dependence_is_the_known_function(found: list[Configuration]) -> None:
    (slope,) = importances(found, {"slope": "minimize"}, SPACE)
    curve = slope.parameters[0].dependence
    answer = curve.means.mean(axis=0)
    assert np.abs(answer - np.log10(curve.at)).max() < 0.25
    assert curve.means.shape == (5, 20)
    (choice,) = (row for row in slope.parameters if row.parameter == "cda")
    assert choice.dependence.at == ("none", "replace")
    assert np.ptp(choice.dependence.means.mean(axis=0)) < 0.1


def test_parameters_become_numbers_on_their_own_scale() -> None:
    table = encoded(
        [{"lr": 0.01, "width": 0.5, "cda": "none"}, {"lr": 0.1, "cda": "replace", "cda.fraction": 0.25}], LEAVES
    )
    assert table["lr"].tolist() == pytest.approx([-2, -1])
    assert table["cda"].tolist() == [0.0, 1.0]
    assert np.isnan(table["width"][1]) and np.isnan(table["cda.fraction"][0])
    assert table["cda.fraction"][1] == 0.25


def test_ped_anovas_shares_sum_to_one_and_are_those_of_the_best_end() -> None:
    params = [{"lr": 10**x, "width": 0.5, "cda": "none"} for x in np.linspace(-4, -1, 40)]
    shares = PedAnova(SPACE, params).shares(np.arange(40.0))
    assert sum(shares.values()) == pytest.approx(1) and shares["lr"] > 0.9


def test_anchors_are_left_out_and_replicates_count_once() -> None:
    records = study(30)
    anchor = record(90, {}, dict.fromkeys(OBJECTIVES, 0.0), kind="anchor")
    again = record(91, records[0].params, dict.fromkeys(OBJECTIVES, 0.0), kind="replicate", replicate_of=0, seed=1)
    (one,) = importances(configurations([*records, anchor, again]), {"slope": "minimize"}, SPACE)
    assert one.trials == 30


def test_what_cannot_be_judged_is_said_in_a_sentence() -> None:
    few = configurations(study(LEAST_TRIALS - 1))
    with pytest.raises(UserError, match="9 complete sampled configurations"):
        importances(few, OBJECTIVES, SPACE)
    with pytest.raises(UserError, match="no distribution"):
        importances(few, OBJECTIVES, {"lr": 0.1})
    same = [record(t, {"lr": 0.1, "width": 0.5, "cda": "none"}, {"slope": float(t)}) for t in range(12)]
    with pytest.raises(UserError, match="same parameters"):
        importances(configurations(same), {"slope": "minimize"}, SPACE)


def test_ticks_on_a_log_axis_are_few_and_round() -> None:
    assert log_ticks(0.0032, 0.0098) == pytest.approx([0.004, 0.006, 0.008])
    assert log_ticks(0.3, 3.0) == pytest.approx([0.3, 1, 3])
    assert log_ticks(1e-6, 1e-1) == pytest.approx([1e-6, 1e-4, 1e-2])
    assert all(0.0040 <= tick <= 0.0049 for tick in log_ticks(0.0040, 0.0049))


def test_a_constant_objective_has_no_importance_and_is_still_drawn(tmp_path: Path) -> None:
    records = [r.model_copy(update={"metrics": {"flat": Estimate(value=1, low=1, high=1, n=1)}}) for r in study(12)]
    found = configurations(records)
    (flat,) = importances(found, {"flat": "minimize"}, SPACE)
    assert flat.explained == 0 and all(row.permutation == 0 for row in flat.parameters)
    assert draw_dependence([flat], found, tmp_path / "d.png", "flat").stat().st_size > 10_000
