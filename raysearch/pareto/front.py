"""Dominance and hypervolume on plain arrays. Signs are turned once, in ``to_minimise``; inside all is minimised.

Row a dominates row b when it is no worse in every objective and better in one.
"""

from __future__ import annotations

from collections.abc import Sequence

import moocore
import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
Mask = NDArray[np.bool_]
Ranks = NDArray[np.int64]


def to_minimise(values: Values, directions: Sequence[str]) -> Values:
    """Turns the sign of objectives that are maximised, so that less is better in every column.

    Args:
        values: [trials, objectives].
        directions: ``minimize`` or ``maximize``, one an objective.
    """
    return np.asarray(values, dtype=np.float64) * np.where(np.asarray(directions) == "maximize", -1.0, 1.0)


def non_dominated(values: Values, feasible: Mask | None = None) -> Mask:
    """Which rows are on the front: feasible, finite, and dominated by no other such row. Equal rows are all on it.

    To moocore a row with NaN may be non-dominated and may even remove a finite one, so such rows are taken out first.
    O(n log n) to 3-D, at worst O(n^2) above (Kung, Luccio and Preparata, 1975, doi:10.1145/321906.321910).

    Args:
        values: [trials, objectives], minimised.
        feasible: [trials]; None takes all as feasible.
    """
    eligible = _eligible(values, feasible)
    front = np.zeros(len(values), dtype=np.bool_)
    if eligible.any():
        front[eligible] = moocore.is_nondominated(values[eligible], keep_weakly=True)
    return front


def dominates_none(values: Values, feasible: Mask | None = None) -> Mask:
    """Which rows beat no other: the pessimistic front of a set that was chosen elsewhere.

    A front that was chosen on validation and is scored on test has two ends: its non-dominated rows there are what one
    gets with luck in the choice among them (optimistic), the rows that dominate no other what one gets without
    (pessimistic). Feurer et al., 2023, Mind the Gap: Measuring Generalization Performance Across Multiple Objectives.

    Args:
        values: [trials, objectives], minimised.
        feasible: [trials]; None takes all as feasible.
    """
    return non_dominated(-values, feasible)


def ranks(values: Values, feasible: Mask | None = None) -> Ranks:
    """Which front each row is on: 0 for those that nothing dominates, 1 for those only rank 0 dominates, and so on.

    Rows that are not eligible get the number of rows, one more than any rank can be, so that they sort last. Deb et
    al., 2002, doi:10.1109/4235.996017; O(n log n) in 2-D, else one pass a front.

    Args:
        values: [trials, objectives], minimised.
        feasible: [trials]; None takes all as feasible.
    """
    eligible = _eligible(values, feasible)
    found = np.full(len(values), len(values), dtype=np.int64)
    if eligible.any():
        found[eligible] = moocore.pareto_rank(values[eligible])
    return found


def hypervolume(values: Values, reference_point: Sequence[float]) -> float:
    """Volume that the rows dominate within the reference point; rows beyond it, and rows not finite, add nothing.

    Zitzler and Thiele, 1998, doi:10.1007/BFb0056872. O(n log n) to 3-D, O(n^2) in 4-D (Guerreiro and Fonseca, 2018,
    doi:10.1109/TEVC.2017.2729550), O(n^(m-2)) for m objectives.

    Args:
        values: [trials, objectives], minimised.
        reference_point: [objectives], fixed before the search.
    """
    finite = values[np.isfinite(values).all(axis=1)]
    if len(finite) == 0:
        return 0.0
    return float(moocore.hypervolume(finite, ref=np.asarray(reference_point, dtype=np.float64)))


def contributions(values: Values, reference_point: Sequence[float]) -> Values:
    """What each row alone adds to the front's hypervolume: the front's less the front's without it.

    Dominated rows add 0 and take nothing from those on the front; equal rows add 0 each.

    Args:
        values: [trials, objectives], minimised; two objectives or more. Rows not finite add 0.
        reference_point: [objectives].
    """
    found = np.zeros(len(values), dtype=np.float64)
    eligible = _eligible(values, None)
    if eligible.any():
        found[eligible] = moocore.hv_contributions(values[eligible], ref=np.asarray(reference_point, dtype=np.float64))
    return found


def _eligible(values: Values, feasible: Mask | None) -> Mask:
    finite: Mask = np.asarray(np.isfinite(values).all(axis=1), dtype=np.bool_)
    return finite if feasible is None else finite & feasible
