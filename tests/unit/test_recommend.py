"""What is recommended, where the answer is known."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from raysearch.errors import RunFolderError, UserError
from raysearch.ledger.run_folder import RunFolder
from raysearch.pareto.choice import RULES
from raysearch.report.recommend import recommend, recommend_among
from raysearch.uncertainty.configurations import configurations
from tests.unit.test_uncertainty import OBJECTIVES, record

RECORDED = Path(__file__).parents[2] / "benchmarks" / "data" / "demo-60"


def test_a_trial_that_beats_all_others_is_recommended_by_all_rules_in_all_draws() -> None:
    found = configurations([record(4, 0.1, 0.9), record(5, 0.6, 0.6), record(6, 0.7, 0.5)])
    (one,) = recommend_among(found, OBJECTIVES)
    assert (one.trial, one.rules, one.stability, one.p_front) == (4, ("chebyshev", "topsis"), 1.0, 1.0), (
        "one point bends nowhere"
    )


def test_a_choice_between_neighbours_is_less_stable_than_one_between_far_points() -> None:
    far = recommend_among(configurations([record(0, 0.1, 0.5), record(1, 0.2, 0.8), record(2, 0.8, 0.9)]), OBJECTIVES)
    neighbours = [record(0, 0.1, 0.5), record(1, 0.2, 0.8), record(3, 0.21, 0.81, first=90), record(2, 0.8, 0.9)]
    near = recommend_among(configurations(neighbours), OBJECTIVES)
    assert far[0].trial == 1 and far[0].stability > 0.95
    assert near[0].trial in (1, 3) and near[0].stability < 0.95


def test_an_infeasible_configuration_is_never_recommended_and_nothing_comes_where_all_are() -> None:
    broken = record(0, 0.0, 1.0, constraints={"c": 0.5}, feasible=False)
    assert [one.trial for one in recommend_among(configurations([broken, record(1, 0.5, 0.6)]), OBJECTIVES)] == [1]
    assert recommend_among(configurations([broken]), OBJECTIVES) == []
    assert recommend_among([], OBJECTIVES) == []


def test_a_constraint_that_breaks_in_half_of_the_draws_takes_half_of_the_stability() -> None:
    edge = record(0, 0.1, 0.7, constraints={"accuracy >= 0.7": -0.001})
    sure = record(1, 0.5, 0.5, constraints={"accuracy >= 0.7": -0.2})
    (one,) = recommend_among(configurations([edge, sure]), OBJECTIVES)
    assert one.trial == 0 and 0.3 < one.stability < 0.7
    assert one.stability == pytest.approx(one.p_front)


def test_a_weight_moves_what_the_weighing_rules_take() -> None:
    found = configurations([record(0, 0.1, 0.5), record(1, 0.3, 0.7), record(2, 0.8, 0.9)])
    heavy = {rule: one.trial for one in recommend_among(found, OBJECTIVES, {"accuracy": 50.0}) for rule in one.rules}
    assert heavy == {"knee": 1, "chebyshev": 2, "topsis": 2}


def test_a_run_gives_three_at_most_and_each_rule_once() -> None:
    chosen = recommend(RECORDED)
    assert 1 <= len(chosen) <= 3
    rules = [rule for one in chosen for rule in one.rules]
    assert len(rules) == len(set(rules)) and {"chebyshev", "topsis"} <= set(rules) <= set(RULES)
    assert all(0 < one.stability <= 1 and 0 < one.p_front <= 1 for one in chosen)


def test_mistakes_are_errors_with_the_remedy_and_a_run_without_trials_gives_nothing(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="Did you mean 'accuracy'"):
        recommend(RECORDED, {"acuracy": 1.0})
    with pytest.raises(UserError, match="not negative"):
        recommend(RECORDED, {"accuracy": -1.0})
    with pytest.raises(RunFolderError, match="no such folder"):
        recommend(tmp_path / "none")
    empty = tmp_path / "empty"
    shutil.copytree(RECORDED, empty, ignore=shutil.ignore_patterns("*.jsonl"))
    assert list(RunFolder.open(empty).ledger) == []
    assert recommend(empty) == []
