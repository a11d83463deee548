"""Names of the metrics that a trial measures; objectives and constraints are of these.

A name may have a part after a dot: ``intrinsic_gap.race`` is the gap of one stereotype set of several,
``demographic_parity_difference.race`` a group metric by one of the attributes in ``data.also_by``.
"""

from __future__ import annotations

import math

BY_SET = ("intrinsic_gap", "intrinsic_signed_gap")
"""Measured for each stereotype set, too, where there are several."""

INTRINSIC_METRICS = (*BY_SET, "answer_mass_ratio", "perplexity_ratio")
"""Known before the downstream stage runs."""

BY_ATTRIBUTE = (
    "accuracy",
    "accuracy_parity",
    "demographic_parity_difference",
    "equalized_odds_difference",
    "equalized_odds_mean_difference",
)
"""Measured for each further sensitive attribute, too; then on the rows of its groups that are large enough."""

METRICS = (*INTRINSIC_METRICS, *BY_ATTRIBUTE)
"""Metrics that every trial measures."""

_WORST = {
    "intrinsic_gap": 1.0,
    "intrinsic_signed_gap": 1.0,
    "answer_mass_ratio": 0.0,
    "perplexity_ratio": 2.0,
    "accuracy": 0.0,
    "accuracy_parity": 1.0,
    "demographic_parity_difference": 1.0,
    "equalized_odds_difference": 1.0,
    "equalized_odds_mean_difference": 1.0,
}

_RANGES = {
    "intrinsic_gap": (0.0, 1.0),
    "intrinsic_signed_gap": (-1.0, 1.0),
    "answer_mass_ratio": (0.0, math.inf),
    "perplexity_ratio": (0.0, math.inf),
    "accuracy": (0.0, 1.0),
    "accuracy_parity": (0.0, 1.0),
    "demographic_parity_difference": (0.0, 1.0),
    "equalized_odds_difference": (0.0, 1.0),
    "equalized_odds_mean_difference": (0.0, 1.0),
}


def split(name: str) -> tuple[str, str]:
    """(metric, the set or attribute that it is of; empty where it has no such part)."""
    metric, _, part = name.partition(".")
    return metric, part


def is_intrinsic(name: str) -> bool:
    """Whether a metric is known before the downstream stage runs."""
    return split(name)[0] in INTRINSIC_METRICS


def worst(name: str) -> float:
    """The reference point of the hypervolume where a study gives none: the worst value that a metric can have; for the
    perplexity ratio, which has no worst, twice the untouched model's."""
    return _WORST[split(name)[0]]


def range_of(name: str) -> tuple[float, float]:
    """Least and largest value that a metric can have; no bounds for what is none, a made-up problem's objective."""
    return _RANGES.get(split(name)[0], (-math.inf, math.inf))
