"""Accuracy and group fairness from one count cube: counts of (group, true label, decision).

Counts of several workers add up; a bootstrap draws from them; rates with no denominator are errors, never NaN or 0.
Names and numbers are fairlearn's, which is the oracle in the tests.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from raysearch.errors import UndefinedRateError
from raysearch.metrics.measurement import Measurement, percentile_interval

Counts = NDArray[np.int64]
Values = NDArray[np.float64]


@dataclass(frozen=True)
class CountCube:
    """Counts by group, true label and decision.

    Attributes:
        groups: names, in order.
        counts: [groups, 2, 2] int64; ``counts[g, y, d]`` rows of group g with label y that were decided d.
    """

    groups: tuple[str, ...]
    counts: Counts

    @classmethod
    def from_predictions(
        cls, groups: NDArray[Any], target: NDArray[Any], decided: NDArray[Any], order: Sequence[str]
    ) -> CountCube:
        """Counts rows.

        Args:
            groups: [rows] group of each row.
            target: [rows] 0 or 1.
            decided: [rows] 0 or 1.
            order: all groups there are, also those without a row here.

        Raises:
            ValueError: a group that is not in ``order``.
        """
        position = {name: index for index, name in enumerate(order)}
        counts = np.zeros((len(order), 2, 2), dtype=np.int64)
        for group in np.unique(groups):
            if str(group) not in position:
                raise ValueError(f"group '{group}' is not one of {list(order)}")
        cells = np.asarray([position[str(g)] for g in groups], dtype=np.int64)
        np.add.at(counts, (cells, np.asarray(target, np.int64), np.asarray(decided, np.int64)), 1)
        return cls(tuple(order), counts)

    def __add__(self, other: CountCube) -> CountCube:
        if self.groups != other.groups:
            raise ValueError(f"cubes of different groups cannot be added: {self.groups} and {other.groups}")
        return CountCube(self.groups, self.counts + other.counts)


def _rate(part: NDArray[Any], whole: NDArray[Any]) -> Values:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(whole > 0, part / whole, np.nan)


def _spread(rates: Values) -> Values:
    return np.asarray(rates.max(axis=-1) - rates.min(axis=-1))


def accuracy(counts: Counts) -> Values:
    """Share of right decisions. Formula: (TP + TN) / n. Range [0, 1]. ``counts`` is [..., groups, 2, 2]."""
    right = counts[..., 0, 0] + counts[..., 1, 1]
    return _rate(right.sum(axis=-1), counts.sum(axis=(-3, -2, -1)))


def accuracy_parity(counts: Counts) -> Values:
    """AccP: largest difference of accuracy between two groups. Range [0, 1]; 0 is parity.

    Formula: max_g acc(g) - min_g acc(g). Source: fairlearn, MetricFrame(accuracy_score).difference().
    """
    right = counts[..., 0, 0] + counts[..., 1, 1]
    return _spread(_rate(right, counts.sum(axis=(-2, -1))))


def demographic_parity_difference(counts: Counts) -> Values:
    """DP: largest difference of the rate of positive decisions between two groups. Range [0, 1]; 0 is parity.

    Formula: max_g P(d=1 | g) - min_g P(d=1 | g). Source: Agarwal et al., 2018, arXiv:1803.02453; fairlearn.
    """
    return _spread(_rate(counts[..., 1].sum(axis=-1), counts.sum(axis=(-2, -1))))


def _odds(counts: Counts) -> tuple[Values, Values]:
    true_positive = _rate(counts[..., 1, 1], counts[..., 1, :].sum(axis=-1))
    false_positive = _rate(counts[..., 0, 1], counts[..., 0, :].sum(axis=-1))
    return _spread(true_positive), _spread(false_positive)


def equalized_odds_difference(counts: Counts) -> Values:
    """EqOdds: the larger of the differences of true- and false-positive rate between groups. Range [0, 1].

    Formula: max(max_g TPR - min_g TPR, max_g FPR - min_g FPR).
    Source: Hardt et al., 2016, arXiv:1610.02413; fairlearn with agg="worst_case".
    """
    return np.maximum(*_odds(counts))


def equalized_odds_mean_difference(counts: Counts) -> Values:
    """The mean of the differences of true- and false-positive rate. Range [0, 1]. fairlearn with agg="mean"."""
    true_positive, false_positive = _odds(counts)
    return np.asarray((true_positive + false_positive) / 2)


def majority_rate(cube: CountCube) -> float:
    """Accuracy of always giving the more frequent label. Range [0.5, 1]."""
    by_label = cube.counts.sum(axis=(0, 2))
    return float(by_label.max() / by_label.sum())


METRICS: dict[str, Callable[[Counts], Values]] = {
    "accuracy": accuracy,
    "accuracy_parity": accuracy_parity,
    "demographic_parity_difference": demographic_parity_difference,
    "equalized_odds_difference": equalized_odds_difference,
    "equalized_odds_mean_difference": equalized_odds_mean_difference,
}
"""By name; each takes [..., groups, 2, 2] counts and gives [...] values, NaN where a rate has no denominator."""


def check(cube: CountCube, min_group_rows: int) -> None:
    """Refuses a cube whose rates would be undefined or guesswork.

    Raises:
        UndefinedRateError: a single group, or a group with fewer rows, positives or negatives than the least.
    """
    if len(cube.groups) < 2:
        raise UndefinedRateError(f"there is one group, {list(cube.groups)}: differences between groups need two")
    for name, counts in zip(cube.groups, cube.counts, strict=True):
        negatives, positives = counts.sum(axis=1).tolist()
        if min(negatives, positives) < max(1, min_group_rows):
            raise UndefinedRateError(
                f"group '{name}' has {negatives + positives} judged rows, {positives} positive and {negatives} negative"
                f"; data.min_group_rows asks for {min_group_rows} of each. Judge more rows, or lower it."
            )


def measure(cube: CountCube, min_group_rows: int, rounds: int, confidence: float, seed: int) -> dict[str, Measurement]:
    """All group metrics with bootstrap intervals over rows.

    Rows are redrawn within each group (group sizes are the design's, not chance's), so a round is one multinomial draw
    a group. Rounds in which a rate has no denominator are left out of that metric's interval.

    Returns:
        name -> measurement, n the judged rows.

    Raises:
        UndefinedRateError: see ``check``.
    """
    check(cube, min_group_rows)
    rng = np.random.default_rng(seed)
    n = cube.counts.sum(axis=(1, 2))
    drawn = np.stack(
        [
            rng.multinomial(size, counts.ravel() / size, size=rounds)
            for size, counts in zip(n, cube.counts, strict=True)
        ],
        axis=1,
    ).reshape(rounds, len(cube.groups), 2, 2)
    found = {}
    for name, metric in METRICS.items():
        low, high = percentile_interval(metric(drawn), confidence)
        found[name] = Measurement(float(metric(cube.counts)), low, high, int(n.sum()))
    return found
