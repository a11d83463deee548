"""A total order of trials with several objectives: what successive halving keeps first. Plain arrays, all minimised.

Feasible trials come before infeasible ones. Feasible ones go by front (non-dominated rank); within a front by
farthest-point order, so that a prefix of any length covers the front evenly. Infeasible ones go by their violation.
The order depends on the set of trials alone, not on the order in which they are given.

Sources: Deb et al., 2002, doi:10.1109/4235.996017 (ranks, constraint domination); Gonzalez, 1985,
doi:10.1016/0304-3975(85)90224-5 (farthest points); Schmucker et al., 2021, arXiv:2106.12639 (both for halving).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from raysearch.pareto.front import Ranks, Values, ranks


def order(values: Values, violations: Values) -> Ranks:
    """Place of each row, 0 for the first. Rows that are not finite come last.

    Args:
        values: [trials, objectives], minimised.
        violations: [trials] sum of violations; <= 0 is feasible.

    Returns:
        [trials] a permutation of 0 .. trials - 1.
    """
    finite = np.isfinite(values).all(axis=1) & np.isfinite(violations)
    feasible = finite & (violations <= 0)
    front = ranks(values, feasible)
    sequence: list[int] = []
    for rank in np.unique(front[feasible]):
        rows = np.flatnonzero(feasible & (front == rank))
        sequence += rows[_farthest_points(values[rows])].tolist()
    infeasible = np.flatnonzero(finite & ~feasible)
    sequence += infeasible[_lexicographic(np.column_stack([violations[infeasible], values[infeasible]]))].tolist()
    sequence += np.flatnonzero(~finite).tolist()
    places = np.empty(len(values), dtype=np.int64)
    places[sequence] = np.arange(len(values))
    return places


def _farthest_points(values: Values) -> NDArray[np.int64]:
    """Begins at the row that is nearest to the ideal point, then always takes the row farthest from those taken.

    Each prefix of length k is within twice the least possible distance that k rows can have to all others (Gonzalez).
    Distances are Euclidean on objectives scaled to the front's range; O(n^2 m). Ties go to the lexicographically
    smaller row, so that the order in which rows are given does not matter.
    """
    by_value = _lexicographic(values)
    low, high = values.min(axis=0), values.max(axis=0)
    scaled = (values[by_value] - low) / np.where(high > low, high - low, 1.0)
    taken = [int(np.argmin(np.linalg.norm(scaled, axis=1)))]
    distance = np.linalg.norm(scaled - scaled[taken[0]], axis=1)
    distance[taken[0]] = -1.0
    while len(taken) < len(values):
        following = int(np.argmax(distance))
        taken.append(following)
        distance = np.minimum(distance, np.linalg.norm(scaled - scaled[following], axis=1))
        distance[taken] = -1.0
    return np.asarray(by_value[taken], dtype=np.int64)


def _lexicographic(values: Values) -> NDArray[np.int64]:
    return np.asarray(np.lexsort(values.T[::-1]), dtype=np.int64)
