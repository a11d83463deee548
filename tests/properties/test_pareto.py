"""What must hold of dominance and hypervolume whatever the trials are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from raysearch.pareto.front import hypervolume, non_dominated, ranks, to_minimise

Values = NDArray[np.float64]
WORST = 1.0
"""Every coordinate of the reference point."""

values_of = arrays(np.float64, st.tuples(st.integers(1, 12), st.just(4)), elements=st.floats(-1.0, 2.0, width=32))
row_of = arrays(np.float64, 4, elements=st.floats(-1.0, 2.0, width=32))


def volume(values: Values) -> float:
    return hypervolume(values, [WORST] * values.shape[1])


@given(values_of, row_of)
def test_one_more_trial_never_lowers_the_hypervolume(values: Values, row: Values) -> None:
    assert volume(np.vstack([values, row])) >= volume(values) - 1e-9


@given(values_of, st.randoms(use_true_random=False))
def test_the_order_of_trials_changes_neither_front_nor_ranks_nor_hypervolume(values: Values, random: object) -> None:
    order = list(range(len(values)))
    random.shuffle(order)  # type: ignore[attr-defined]
    assert volume(values[order]) == pytest.approx(volume(values), rel=1e-9, abs=1e-12)
    np.testing.assert_array_equal(non_dominated(values[order]), non_dominated(values)[order])
    np.testing.assert_array_equal(ranks(values[order]), ranks(values)[order])


@given(values_of)
def test_dominated_trials_add_nothing_to_the_hypervolume(values: Values) -> None:
    assert volume(values[non_dominated(values)]) == pytest.approx(volume(values), rel=1e-9, abs=1e-12)


@given(values_of, st.integers(0, 3), st.floats(0.125, 0.5, width=32))
def test_a_better_trial_strictly_within_the_reference_point_raises_the_hypervolume(
    values: Values, column: int, step: float
) -> None:
    best = np.minimum(values.min(axis=0), WORST - 0.125)
    assert volume(np.vstack([values, best])) > 0.0
    better = best.copy()
    better[column] -= step
    assert volume(np.vstack([values, better])) > volume(np.vstack([values, best]))


@given(values_of)
def test_the_front_is_rank_zero_and_of_its_own_front_nothing_is_lost(values: Values) -> None:
    front = non_dominated(values)
    assert front.any()
    np.testing.assert_array_equal(front, ranks(values) == 0)
    assert non_dominated(values[front]).all()


@given(values_of)
def test_turning_the_signs_twice_gives_back_the_values(values: Values) -> None:
    directions = ["minimize", "maximize", "maximize", "minimize"]
    turned = to_minimise(values, directions)
    np.testing.assert_array_equal(to_minimise(turned, directions), values)
    np.testing.assert_array_equal(turned[:, [1, 2]], -values[:, [1, 2]])
