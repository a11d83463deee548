"""Decision rules: which row of a front to take. Plain arrays, all minimised.

Every rule first scales each objective to the front's own range, z = (x - ideal) / (nadir - ideal), where ideal and
nadir are the best and the worst value on the front: 0 is the best that was reached and 1 the worst, so that a weight
means the same for each objective. An objective in which all rows are equal is 0 everywhere and decides nothing.

A score is better when it is higher; rows that are not finite score NaN and are never chosen. A rule is a preference, no
finding: ``recommend`` says how often it would have chosen the same row on other data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from raysearch.pareto.front import Values

AUGMENTATION = 0.01
"""Share of the sum in the augmented Chebyshev distance: enough to part rows whose largest losses are equal."""
_LEVEL = 1e-12
"""Scores this near are equal: rounding must not decide."""


class Rule(Protocol):
    """Scores the rows of a front."""

    def __call__(self, values: Values, weights: Sequence[float]) -> Values:
        """[rows] scores; see the rules below."""


def knee(values: Values, weights: Sequence[float] | None = None) -> Values:
    """Distance below the plane through the worst corners of the scaled front: where the front bends most.

    d = (1 - sum_j z_j) / sqrt(m), over the m objectives that vary. In 2-D the plane is the line between the front's two
    ends, and this is the knee of Das, 1999, On characterizing the "knee" of the Pareto curve, doi:10.1007/BF01195985.
    Positive where the front bulges towards the ideal point; 0 everywhere on a straight front, which has no knee. In
    more dimensions the plane cuts each axis at its nadir; the source takes the plane through the rows best in one.

    Args:
        values: [rows, objectives], minimised; rows that are on the front.
        weights: not used: a knee is where no weight is needed.

    Returns:
        [rows] in [(1 - m) / sqrt(m), 1 / sqrt(m)].
    """
    scaled = _scaled(values)
    with np.errstate(invalid="ignore"):
        varying = max(1, int((np.nan_to_num(scaled) > 0).any(axis=0).sum()))
    return np.asarray((1.0 - scaled.sum(axis=1)) / np.sqrt(varying))


def bends(values: Values) -> bool:
    """Whether a front has a knee: three different rows at least, one of which lies below the plane of the corners.

    Args:
        values: [rows, objectives], minimised; rows that are on the front.
    """
    finite = values[np.isfinite(values).all(axis=1)]
    return len(np.unique(finite, axis=0)) > 2 and bool(knee(finite).max() > _LEVEL)


def chebyshev(values: Values, weights: Sequence[float]) -> Values:
    """Minus the augmented weighted Chebyshev distance to the ideal point: the smallest worst loss.

    -(max_j w_j z_j + rho * sum_j w_j z_j), w scaled to sum 1, rho = 0.01. The sum keeps a row from winning that another
    beats in an objective that is not its worst. Steuer and Choo, 1983, doi:10.1007/BF02591870.

    Args:
        values: [rows, objectives], minimised; rows that are on the front.
        weights: [objectives] not negative, not all 0; the larger, the more a loss in it counts.

    Returns:
        [rows] at most 0.
    """
    lost = _scaled(values) * shares(weights, values.shape[1])
    return np.asarray(-(lost.max(axis=1, initial=-np.inf) + AUGMENTATION * lost.sum(axis=1)))


def topsis(values: Values, weights: Sequence[float]) -> Values:
    """Relative closeness to the ideal point, seen from the nadir.

    d- / (d+ + d-), with d+ and d- the Euclidean distances of w * z to the ideal (0) and to the nadir (w): 1 at the
    ideal, 0 at the nadir. Hwang and Yoon, 1981, Multiple Attribute Decision Making, doi:10.1007/978-3-642-48318-9; they
    divide each column by its length, which would let an objective that lies far from zero, such as accuracy, count for
    little: here it is the front's range.

    Args:
        values: [rows, objectives], minimised; rows that are on the front.
        weights: as in ``chebyshev``.

    Returns:
        [rows] in [0, 1]; 1 for all where nothing varies.
    """
    share = shares(weights, values.shape[1])
    scaled = _scaled(values)
    varies = np.nanmax(scaled, axis=0, initial=0.0) > 0
    to_ideal = np.linalg.norm(scaled * share, axis=1)
    to_nadir = np.linalg.norm(((1.0 - scaled) * share)[:, varies], axis=1)
    total = to_ideal + to_nadir
    closeness = np.divide(to_nadir, total, out=np.ones(len(values)), where=total > 0)
    return np.asarray(np.where(np.isfinite(to_ideal), closeness, np.nan))


RULES: Mapping[str, Rule] = {"knee": knee, "chebyshev": chebyshev, "topsis": topsis}
"""By the name under which a report shows them."""


def best(scores: Values, values: Values) -> int | None:
    """The row that a rule takes: the highest score; of equal ones the smallest worst loss, then the first row.

    Args:
        scores: [rows] of a rule; NaN is never taken.
        values: [rows, objectives] that they are of.

    Returns:
        None where no row has a score.
    """
    if not np.isfinite(scores).any():
        return None
    level = scores >= np.nanmax(scores) - _LEVEL
    worst = np.where(level, _scaled(values).max(axis=1, initial=0.0), np.inf)
    return int(np.flatnonzero(worst <= worst.min() + _LEVEL)[0])


def shares(weights: Sequence[float], objectives: int) -> Values:
    """Weights as shares that sum to 1.

    Raises:
        ValueError: not one weight an objective, or one that is negative or not finite, or all are 0.
    """
    given = np.asarray(weights, dtype=np.float64)
    if given.shape != (objectives,):
        raise ValueError(f"{given.size} weights for {objectives} objectives; give one for each")
    if not np.isfinite(given).all() or (given < 0).any() or given.sum() <= 0:
        raise ValueError(f"weights are finite, not negative and not all 0; came {given.tolist()}")
    return np.asarray(given / given.sum())


def _scaled(values: Values) -> Values:
    """[rows, objectives] in [0, 1]: 0 the best finite row, 1 the worst; rows that are not finite become NaN."""
    finite = np.isfinite(values).all(axis=1)
    scaled = np.full(values.shape, np.nan)
    if finite.any():
        low, high = values[finite].min(axis=0), values[finite].max(axis=0)
        scaled[finite] = (values[finite] - low) / np.where(high > low, high - low, 1.0)
    return scaled
