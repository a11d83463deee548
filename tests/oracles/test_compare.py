"""Comparison of fronts against the definitions, word for word, and against published examples."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from raysearch.pareto.compare import attainment, epsilon, igd_plus, pair_attainment

Values = NDArray[np.float64]
REFERENCE = np.array([[10.0, 0.0], [6.0, 1.0], [2.0, 2.0], [1.0, 6.0], [0.0, 10.0]])
NEAR, FAR = np.array([[4.0, 2.0], [3.0, 3.0], [2.0, 4.0]]), np.array([[8.0, 2.0], [4.0, 4.0], [2.0, 8.0]])


def rows(columns: int, least: int = 1) -> st.SearchStrategy[Values]:
    """Few distinct numbers, so that ties are common."""
    row = st.tuples(*[st.integers(0, 5)] * columns)
    return st.lists(row, min_size=least, max_size=6).map(lambda r: np.asarray(r, dtype=float).reshape(-1, columns))


@given(rows(3), rows(3))
def test_epsilon_and_igd_plus_are_their_definitions(values: Values, reference: Values) -> None:
    worse = values[None] - reference[:, None]  # [reference, values, objectives]
    assert epsilon(values, reference) == worse.max(axis=2).min(axis=1).max()
    lengths = np.linalg.norm(np.maximum(worse, 0.0), axis=2)
    assert igd_plus(values, reference) == pytest.approx(lengths.min(axis=1).mean())


def test_igd_plus_ranks_the_sources_example_right() -> None:
    """Every row of NEAR beats one of FAR; from (6, 1) to (4, 2) only the 1 counts, and so on."""
    assert igd_plus(NEAR, REFERENCE) == pytest.approx((2 + 1 + math.sqrt(2) + 1 + 2) / 5)
    assert igd_plus(NEAR, REFERENCE) < igd_plus(FAR, REFERENCE)


def test_a_front_that_beats_another_everywhere_has_epsilon_below_zero_and_no_igd_plus() -> None:
    assert (epsilon(NEAR, NEAR + 0.5), igd_plus(NEAR, NEAR + 0.5)) == (-0.5, 0.0)
    assert (epsilon(NEAR + 0.5, NEAR), epsilon(NEAR, NEAR)) == (0.5, 0.0)


@pytest.mark.parametrize("indicator", [epsilon, igd_plus])
def test_rows_that_are_not_finite_and_empty_fronts(indicator) -> None:
    holes = np.vstack([NEAR, [np.nan, -9.0], [-np.inf, 0.0]])
    assert indicator(holes, FAR) == indicator(NEAR, FAR)
    assert indicator(FAR, holes) == indicator(FAR, NEAR)
    none = np.empty((0, 2))
    assert indicator(none, NEAR) == math.inf
    assert math.isnan(indicator(NEAR, none))


@given(st.lists(rows(2, 0), min_size=1, max_size=6), st.sampled_from([0.05, 0.25, 1 / 3, 0.5, 0.9, 1.0]))
def test_a_surface_in_2d_parts_what_enough_fronts_attain_from_what_they_do_not(
    sets: list[Values], share: float
) -> None:
    holds_everywhere(sets, share, 2)


@given(st.lists(rows(3, 0), min_size=1, max_size=5), st.sampled_from([0.25, 0.5, 1.0]))
def test_a_surface_in_3d_does_so_too(sets: list[Values], share: float) -> None:
    holds_everywhere(sets, share, 3)


def holds_everywhere(sets: list[Values], share: float, columns: int) -> None:
    corners = attainment(sets, share)
    grid = np.stack(np.meshgrid(*[np.arange(-0.5, 6)] * columns, indexing="ij"), axis=-1).reshape(-1, columns)
    for point in grid:
        count = sum(bool((values <= point).all(axis=1).any()) for values in sets)
        assert (count >= share * len(sets) - 1e-9) == bool((corners <= point).all(axis=1).any())


def test_the_median_of_three_fronts_by_hand() -> None:
    sets = [np.array([[1.0, 1.0]]), np.array([[0.0, 3.0], [3.0, 0.0]]), np.array([[2.0, 2.0]])]
    assert attainment(sets, 1 / 3).tolist() == [[0.0, 3.0], [1.0, 1.0], [3.0, 0.0]]
    assert attainment(sets, 0.5).tolist() == [[1.0, 3.0], [2.0, 2.0], [3.0, 1.0]]
    assert attainment(sets, 1.0).tolist() == [[2.0, 3.0], [3.0, 2.0]]
    assert attainment([*sets, np.empty((0, 2))], 1.0).tolist() == []


def test_pairs_are_the_surfaces_of_the_projections() -> None:
    sets = [np.array([[1.0, 5.0, 2.0]]), np.array([[2.0, 4.0, 1.0], [np.nan, 0.0, 0.0]])]
    assert {pair: corners.tolist() for pair, corners in pair_attainment(sets, 1.0).items()} == {
        (0, 1): [[2.0, 5.0]],
        (0, 2): [[2.0, 2.0]],
        (1, 2): [[5.0, 2.0]],
    }
    assert pair_attainment([], 0.5) == {}


def test_questions_without_an_answer_are_refused() -> None:
    with pytest.raises(ValueError, match="pair_attainment"):
        attainment([np.ones((2, 4))], 0.5)
    for share in (0.0, 1.1, math.nan):
        with pytest.raises(ValueError, match="share"):
            attainment([NEAR], share)
