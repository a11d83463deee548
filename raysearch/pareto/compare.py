"""One front held against another, and what many fronts have in common. Plain arrays, all minimised."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations

import moocore
import numpy as np

from raysearch.pareto.front import Values


def epsilon(values: Values, reference: Values) -> float:
    """Additive epsilon: by how much a front must be moved, in every objective, to be as good as another everywhere.

    max over rows r of the reference, min over rows v of the front, max over objectives j of v_j - r_j: in the
    objectives' own units, so that all should have about the same range, as rates have. At most 0: for every row of the
    reference there is one that is as good or better. Not symmetric: look at both ways round. Zitzler et al., 2003,
    doi:10.1109/TEVC.2003.810758. O(n r m).

    Args:
        values: [rows, objectives], minimised. Rows not finite are left out.
        reference: [rows, objectives] of the other front.

    Returns:
        Infinity where the front is empty, NaN where the reference is.
    """
    front, other = _finite(values), _finite(reference)
    if len(other) == 0 or len(front) == 0:
        return math.nan if len(other) == 0 else math.inf
    return float(moocore.epsilon_additive(front, ref=other))


def igd_plus(values: Values, reference: Values) -> float:
    """IGD+: how much worse a front is than another, as a mean over the other's rows.

    Mean over rows r of the reference of min over rows v of the front of the length of max(v - r, 0): what is better
    than the reference costs nothing, so a front that dominates it has 0. Ishibuchi et al., 2015,
    doi:10.1007/978-3-319-15892-1_8. O(n r m).

    Args:
        values: [rows, objectives], minimised. Rows not finite are left out.
        reference: [rows, objectives] of the other front.

    Returns:
        At least 0; infinity where the front is empty, NaN where the reference is.
    """
    front, other = _finite(values), _finite(reference)
    if len(other) == 0 or len(front) == 0:
        return math.nan if len(other) == 0 else math.inf
    return float(moocore.igd_plus(front, ref=other))


def attainment(sets: Sequence[Values], share: float) -> Values:
    """What a share of many fronts attains: the corners of the surface above which every point is attained.

    A set attains a point when one of its rows is as good or better in all objectives. With share 0.5 and the fronts of
    bootstrap draws this is the median front. Grunert da Fonseca, Fonseca and Hall, 2001,
    doi:10.1007/3-540-44719-9_15; algorithm Fonseca et al., 2011, doi:10.1007/978-3-642-19893-9_8.

    Args:
        sets: one array [rows, objectives] a front, minimised, of two or three objectives. Rows not finite are left out;
            a front without rows attains nothing, and counts.
        share: of the fronts, in (0, 1].

    Returns:
        [corners, objectives], by the first objective; no corner where so many fronts attain nothing.

    Raises:
        ValueError: other than two or three objectives, or a share outside (0, 1].
    """
    if not 0 < share <= 1:
        raise ValueError(f"share {share:g} is not in (0, 1]")
    if any(values.shape[1] not in (2, 3) for values in sets):
        raise ValueError("attainment needs two or three objectives; see pair_attainment")
    rows = [_finite(values) for values in sets]
    filled = [values for values in rows if len(values)]
    needed = math.ceil(share * len(sets) - 1e-9)
    if len(filled) < needed or not filled:
        return np.empty((0, sets[0].shape[1] if sets else 2))
    labels = np.repeat(np.arange(len(filled)) + 1, [len(values) for values in filled])
    level = 100.0 * (needed - 0.5) / len(filled)  # half a set lower, so that rounding up gives ``needed`` itself
    corners = np.asarray(moocore.eaf(np.concatenate(filled), labels, percentiles=[level]))[:, :-1]
    return corners[np.lexsort(corners.T[::-1])]


def pair_attainment(sets: Sequence[Values], share: float) -> dict[tuple[int, int], Values]:
    """Attainment surfaces of all pairs of objectives: projections of fronts with any number of them.

    A projection is more hopeful than the surface itself: each of its corners is attained in two objectives, whatever
    the others are there.

    Args:
        sets: one array [rows, objectives] a front, minimised.
        share: of the fronts, in (0, 1].

    Returns:
        (first, second objective) -> [corners, 2].
    """
    objectives = sets[0].shape[1] if sets else 0
    complete = [_finite(values) for values in sets]
    return {
        pair: attainment([values[:, list(pair)] for values in complete], share)
        for pair in combinations(range(objectives), 2)
    }


def _finite(values: Values) -> Values:
    return values[np.isfinite(values).all(axis=1)]
