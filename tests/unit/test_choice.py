"""Decision rules, computed by hand, and what each must do on fronts without a choice to make."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raysearch.pareto.choice import AUGMENTATION, RULES, bends, best, chebyshev, knee, shares, topsis
from raysearch.pareto.front import Values, non_dominated

BENT = np.array([[0.0, 10.0], [2.0, 3.0], [10.0, 0.0]])
"""Scaled: (0, 1), (0.2, 0.3), (1, 0)."""
EQUAL = (1.0, 1.0)


def take(name: str, values: Values, weights: tuple[float, ...]) -> int | None:
    return best(RULES[name](values, weights), values)


def test_a_straight_a_bulging_and_a_short_front() -> None:
    straight, inwards, outwards = ([[0.0, 1.0], [middle, middle], [1.0, 0.0]] for middle in (0.5, 0.2, 0.6))
    assert bends(np.array(inwards))
    assert not bends(np.array(straight)) and not bends(np.array(outwards))
    assert not bends(np.array([[0.0, 1.0], [1.0, 0.0]])) and not bends(np.array([[0.3, 0.3]]))
    assert not bends(np.array([[np.nan, 0.1]] * 4))


def test_the_knee_is_as_far_below_the_line_between_the_ends_as_geometry_says() -> None:
    assert knee(BENT).tolist() == pytest.approx([0.0, 0.5 / np.sqrt(2), 0.0])
    end, other, point = np.array([0.0, 1.0]), np.array([1.0, 0.0]), np.array([0.2, 0.3])
    along = (other - end) / np.linalg.norm(other - end)
    away = (point - end) - ((point - end) @ along) * along
    assert knee(BENT)[1] == pytest.approx(np.linalg.norm(away))


def test_the_chebyshev_distance_is_the_largest_weighted_loss_and_a_little_of_the_sum() -> None:
    expected = [-(0.75 * 1 + AUGMENTATION * 0.75), -(0.75 * 0.3 + AUGMENTATION * 0.275), -(0.25 + AUGMENTATION * 0.25)]
    assert chebyshev(BENT, (1.0, 3.0)).tolist() == pytest.approx(expected)


def test_the_sum_parts_rows_whose_largest_losses_are_equal() -> None:
    values = np.array([[0.0, 1.0, 0.0], [0.5, 0.0, 0.4], [0.5, 0.0, 0.3], [1.0, 0.0, 1.0]])
    assert take("chebyshev", values, (1.0, 1.0, 1.0)) == 2


def test_topsis_is_the_share_of_the_distance_to_the_nadir() -> None:
    to_ideal, to_nadir = np.hypot(0.2, 0.3), np.hypot(0.8, 0.7)
    assert topsis(BENT, EQUAL).tolist() == pytest.approx([0.5, to_nadir / (to_ideal + to_nadir), 0.5])
    heavy = topsis(BENT, (3.0, 1.0))
    assert heavy[0] == pytest.approx(0.75) and heavy[2] == pytest.approx(0.25)


@pytest.mark.parametrize("name", ["chebyshev", "topsis"])
def test_a_weight_moves_the_choice_towards_its_objective(name: str) -> None:
    assert [take(name, BENT, weights) for weights in ((1.0, 0.0), EQUAL, (0.0, 1.0))] == [0, 1, 2]


def test_knee_needs_no_weights_and_ignores_them() -> None:
    assert knee(BENT, (9.0, 1.0)).tolist() == knee(BENT).tolist()


@pytest.mark.parametrize("name", RULES)
def test_no_rule_chooses_a_row_that_is_not_finite_and_none_is_swayed_by_one(name: str) -> None:
    values = np.array([[np.nan, -99.0], *BENT, [-np.inf, -99.0]])
    scores = RULES[name](values, EQUAL)
    assert np.isnan(scores[[0, 4]]).all()
    assert scores[1:4].tolist() == RULES[name](BENT, EQUAL).tolist()
    assert best(scores, values) == 2
    nothing = np.full((2, 2), np.nan)
    assert take(name, nothing, EQUAL) is None
    assert take(name, np.empty((0, 2)), EQUAL) is None


@pytest.mark.parametrize("name", RULES)
def test_one_row_and_rows_that_are_all_equal_are_chosen_as_they_are(name: str) -> None:
    assert take(name, np.array([[3.0, 4.0]]), EQUAL) == 0
    same = np.array([[3.0, 4.0], [3.0, 4.0]])
    assert take(name, same, EQUAL) == 0
    assert np.isfinite(RULES[name](same, EQUAL)).all()


@pytest.mark.parametrize("name", RULES)
def test_an_objective_in_which_all_are_equal_decides_nothing(name: str) -> None:
    flat = np.column_stack([BENT, np.full(3, 7.0)])
    assert RULES[name](flat, (1.0, 1.0, 0.0)).tolist() == pytest.approx(RULES[name](BENT, EQUAL).tolist())
    assert take(name, flat, (1.0, 1.0, 1.0)) == 1


@pytest.mark.parametrize("name", ["knee", "chebyshev", "topsis"])
def test_a_straight_front_has_no_knee_and_its_middle_is_taken(name: str) -> None:
    across = np.array([0.0, 0.1, 0.5, 0.8, 1.0])
    assert take(name, np.column_stack([across, 1.0 - across]), EQUAL) == 2


def test_of_two_equal_rows_the_first_is_taken() -> None:
    assert take("topsis", BENT[[0, 1, 1, 2]], EQUAL) == 1


@pytest.mark.parametrize("wrong", [(1.0,), (1.0, -1.0), (0.0, 0.0), (np.nan, 1.0), (np.inf, 1.0)])
def test_weights_that_mean_nothing_are_refused(wrong: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="weights"):
        shares(wrong, 2)


@given(
    st.integers(2, 12).flatmap(
        lambda n: st.lists(st.tuples(*[st.integers(0, 20)] * 3), min_size=n, max_size=n, unique=True)
    ),
    st.tuples(*[st.floats(0.1, 10)] * 3),
    st.sampled_from(sorted(RULES)),
    st.tuples(*[st.integers(1, 9)] * 3),
)
def test_units_and_zero_points_of_objectives_do_not_matter_and_a_dominated_row_never_wins(
    rows: list[tuple[int, int, int]], weights: tuple[float, ...], name: str, units: tuple[int, ...]
) -> None:
    values = np.asarray(rows, dtype=np.float64)
    scores = RULES[name](values, weights)
    assert RULES[name](values * units - 5.0, weights).tolist() == pytest.approx(scores.tolist())
    chosen = best(scores, values)
    assert chosen is not None
    assert non_dominated(values)[chosen]
