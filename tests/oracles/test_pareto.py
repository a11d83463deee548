"""Dominance, ranks and hypervolume against brute force, and against moocore where it is right by itself."""

from __future__ import annotations

from itertools import combinations

import moocore
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from raysearch.pareto.front import contributions, hypervolume, non_dominated, ranks, to_minimise

Values = NDArray[np.float64]


@st.composite
def small_values(draw: st.DrawFn) -> Values:
    """Few distinct numbers, so that ties and equal rows are common."""
    rows, columns = draw(st.integers(1, 8)), draw(st.integers(2, 5))
    cells = draw(st.lists(st.integers(0, 4), min_size=rows * columns, max_size=rows * columns))
    return np.asarray(cells, dtype=np.float64).reshape(rows, columns)


def dominates(a: Values, b: Values) -> bool:
    """The definition, word for word."""
    return bool((a <= b).all() and (a < b).any())


def brute_front(values: Values) -> NDArray[np.bool_]:
    return np.array([not any(dominates(other, row) for other in values) for row in values], dtype=bool)


def brute_ranks(values: Values) -> list[int]:
    found = [-1] * len(values)
    for rank in range(len(values)):
        left = [i for i, known in enumerate(found) if known < 0]
        for i in left:
            if not any(dominates(values[j], values[i]) for j in left):
                found[i] = len(values) + rank
    return [rank - len(values) for rank in found]


def brute_hypervolume(values: Values, reference: Values) -> float:
    """Inclusion and exclusion over all subsets of boxes: exponential, and nothing but the definition."""
    total = 0.0
    for size in range(1, len(values) + 1):
        for rows in combinations(values, size):
            sides = np.clip(reference - np.max(rows, axis=0), 0.0, None)
            total += (-1) ** (size + 1) * float(np.prod(sides))
    return total


@given(small_values())
def test_a_row_is_on_the_front_when_none_dominates_it(values: Values) -> None:
    np.testing.assert_array_equal(non_dominated(values), brute_front(values))


@given(small_values(), st.data())
def test_only_feasible_rows_dominate_and_only_they_are_on_the_front(values: Values, data: st.DataObject) -> None:
    feasible = np.array(data.draw(st.lists(st.booleans(), min_size=len(values), max_size=len(values))), dtype=bool)
    expected = np.zeros(len(values), dtype=bool)
    expected[feasible] = brute_front(values[feasible])
    np.testing.assert_array_equal(non_dominated(values, feasible), expected)


@given(small_values())
def test_ranks_are_those_of_fronts_peeled_off_one_by_one(values: Values) -> None:
    assert ranks(values).tolist() == brute_ranks(values)


@given(small_values())
def test_hypervolume_is_the_union_of_boxes_also_with_rows_beyond_the_reference_point(values: Values) -> None:
    reference = np.full(values.shape[1], 3.5)
    assert hypervolume(values, reference) == pytest.approx(brute_hypervolume(values, reference), abs=1e-9)


@given(small_values())
def test_a_contribution_is_what_the_front_loses_without_the_row_and_dominated_rows_have_none(values: Values) -> None:
    reference = np.full(values.shape[1], 3.5)
    front = np.flatnonzero(brute_front(values))
    whole = brute_hypervolume(values, reference)
    expected = np.zeros(len(values))
    for row in front:
        expected[row] = whole - brute_hypervolume(values[front[front != row]], reference)
    assert contributions(values, reference).tolist() == pytest.approx(expected.tolist(), abs=1e-9)


@pytest.mark.parametrize("objectives", [2, 3, 4, 6])
def test_large_sets_agree_with_moocore_on_the_signs_that_the_study_gives(objectives: int) -> None:
    values = np.random.default_rng(objectives).normal(size=(200, objectives))
    directions = ["maximize" if i % 2 else "minimize" for i in range(objectives)]
    maximise = [direction == "maximize" for direction in directions]
    turned = to_minimise(values, directions)
    np.testing.assert_array_equal(non_dominated(turned), moocore.is_nondominated(values, maximise=maximise))
    np.testing.assert_array_equal(ranks(turned), moocore.pareto_rank(values, maximise=maximise))
    reference = np.where(maximise, -4.0, 4.0)
    assert hypervolume(turned, to_minimise(reference, directions)) == pytest.approx(
        moocore.hypervolume(values, ref=reference, maximise=maximise)
    )


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_row_that_is_not_finite_is_nowhere_and_hides_nothing(bad: float) -> None:
    values = np.array([[1.0, 2.0], [bad, 0.0], [2.0, 1.0]])
    assert non_dominated(values).tolist() == [True, False, True]
    assert ranks(values).tolist() == [0, 3, 0]
    assert hypervolume(values, [3.0, 3.0]) == hypervolume(values[[0, 2]], [3.0, 3.0]) == 3.0
    assert contributions(values, [3.0, 3.0]).tolist() == [1.0, 0.0, 1.0]


def test_moocore_alone_lets_a_row_with_nan_onto_the_front_and_remove_a_finite_one() -> None:
    """The reason for the filter; when this fails, the filter may go."""
    assert moocore.is_nondominated(np.array([[1.0, 1.0, 1.0, 1.0], [np.nan, 2.0, 2.0, 2.0]]))[1]
    assert not moocore.is_nondominated(np.array([[1.0, 1.0], [np.nan, 0.0]]))[0]


def test_no_rows_make_an_empty_front() -> None:
    none = np.empty((0, 3))
    assert non_dominated(none).tolist() == ranks(none).tolist() == contributions(none, [1.0] * 3).tolist() == []
    assert hypervolume(none, [1.0] * 3) == 0.0
