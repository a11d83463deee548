"""Theorems of the order that successive halving keeps, and of halving itself."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from raysearch.pareto.front import non_dominated, ranks
from raysearch.pareto.order import order
from raysearch.search.halving import Arrival, Rungs

VALUES = st.tuples(st.integers(1, 25), st.integers(1, 4)).flatmap(
    lambda shape: arrays(np.float64, shape, elements=st.integers(-4, 4).map(float))
)


def places(values: np.ndarray) -> np.ndarray:
    return order(values, np.zeros(len(values)))


@given(VALUES)
def test_it_is_a_permutation_and_a_better_front_comes_first(values: np.ndarray) -> None:
    found = places(values)
    assert sorted(found) == list(range(len(values)))
    by_place = ranks(values)[np.argsort(found)]
    assert (np.diff(by_place) >= 0).all()


@given(VALUES, st.randoms(use_true_random=False))
def test_the_order_in_which_trials_are_given_does_not_matter(values: np.ndarray, random) -> None:
    shuffled = list(range(len(values)))
    random.shuffle(shuffled)
    one, other = np.argsort(places(values)), np.argsort(places(values[shuffled]))
    assert np.array_equal(values[one], values[shuffled][other])


@given(VALUES)
def test_infeasible_come_after_feasible_by_violation_and_nan_last(values: np.ndarray) -> None:
    rng = np.random.default_rng(len(values))
    violations = rng.choice([0.0, 0.5, 2.0], len(values))
    values = values.copy()
    values[0, 0] = math.nan
    found = order(values, violations)
    assert found[0] == len(values) - 1
    rest = np.argsort(found)[:-1]
    assert (np.diff(violations[rest]) >= 0).all()


@pytest.mark.parametrize("count", [2, 5, 11])
def test_a_prefix_covers_a_front_within_twice_the_least_possible_distance(count: int) -> None:
    """Gonzalez's bound, against the even cover of a line, which is the best there is."""
    x = np.linspace(0, 1, 101)
    values = np.column_stack([x, 1 - x])
    kept = values[places(values) < count]
    reach = np.abs(values[:, None] - kept[None]).max(axis=2).min(axis=1).max()
    assert reach <= 2 * 0.5 / count + 0.01


def arrivals(values: np.ndarray) -> list[Arrival]:
    return [Arrival(number, 10, tuple(row)) for number, row in enumerate(values.tolist())]


@given(VALUES)
def test_a_newcomer_that_dominates_all_goes_on(values: np.ndarray) -> None:
    directions = ["minimize"] * values.shape[1]
    rungs = Rungs(directions, 3.0)
    rungs.remember(arrivals(values))
    assert rungs.goes_on(Arrival(999, 10, tuple(values.min(axis=0) - 1.0)))


@pytest.mark.parametrize(("eta", "many"), [(2.0, 200), (3.0, 300), (4.0, 400)])
def test_of_many_that_do_not_dominate_one_another_about_one_in_eta_goes_on(eta: float, many: int) -> None:
    rng = np.random.default_rng(7)
    points = np.abs(rng.normal(size=(many, 3)))
    points /= np.linalg.norm(points, axis=1, keepdims=True)  # on a sphere: maximising, none dominates another
    assert non_dominated(-points).all()
    rungs = Rungs(["maximize"] * 3, eta)
    share = sum(rungs.goes_on(arrival) for arrival in arrivals(points)) / many
    assert 0.6 / eta < share < 1.6 / eta


@given(VALUES, st.randoms(use_true_random=False))
def test_who_is_best_at_a_rung_does_not_depend_on_who_came_first(values: np.ndarray, random) -> None:
    values = np.unique(values, axis=0)  # equal trials are told apart by nothing but their order
    given_order = arrivals(values)
    shuffled = given_order[:]
    random.shuffle(shuffled)
    one, other = (Rungs(["minimize"] * values.shape[1], 3.0) for _ in range(2))
    one.remember(given_order)
    other.remember(shuffled)
    assert one.best(10) == other.best(10)
    assert len(one.best(10)) == math.ceil(len(values) / 3.0)


def test_directions_are_mixed() -> None:
    rungs = Rungs(["minimize", "maximize"], 2.0)
    rungs.remember([Arrival(n, 5, (0.5, 0.5)) for n in range(3)])
    assert not rungs.goes_on(Arrival(3, 5, (0.6, 0.4)))
    assert rungs.goes_on(Arrival(4, 5, (0.4, 0.6)))


def test_a_trial_that_is_not_finite_never_goes_on_and_an_infeasible_one_goes_after_feasible_ones() -> None:
    rungs = Rungs(["minimize"], 3.0)
    assert not rungs.goes_on(Arrival(0, 5, (math.nan,)))
    assert rungs.goes_on(Arrival(1, 5, (9.0,), (-1.0,)))
    assert not rungs.goes_on(Arrival(2, 5, (0.0,), (0.3,)))
    assert rungs.best(6) == frozenset()


def test_rungs_are_apart() -> None:
    rungs = Rungs(["minimize"], 2.0)
    rungs.remember([Arrival(n, 5, (0.0,)) for n in range(5)])
    assert rungs.goes_on(Arrival(9, 10, (1.0,)))
