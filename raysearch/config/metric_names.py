"""Names of the metrics that every trial measures; objectives and constraints are of these."""

from __future__ import annotations

import math

INTRINSIC_METRICS = ("intrinsic_gap", "intrinsic_signed_gap", "answer_mass_ratio", "perplexity_ratio")
"""Known before the downstream stage runs."""

METRICS = (
    *INTRINSIC_METRICS,
    "accuracy",
    "accuracy_parity",
    "demographic_parity_difference",
    "equalized_odds_difference",
    "equalized_odds_mean_difference",
)
"""Metrics that every trial measures; objectives and constraints name them."""


WORST = {
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
"""The reference point of the hypervolume where a study gives none: the worst value that a metric can have; for the
perplexity ratio, which has no worst, twice the untouched model's."""

RANGES = {
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
"""Least and largest value that a metric can have."""
