"""Versions of the metrics' definitions. A stored number is comparable only with numbers of the same version."""

from __future__ import annotations

DEFINITIONS = {
    "intrinsic_gap": "1",
    "intrinsic_signed_gap": "1",
    "answer_mass_ratio": "1",
    "perplexity_ratio": "1",
    "accuracy": "1",
    "accuracy_parity": "1",
    "demographic_parity_difference": "1",
    "equalized_odds_difference": "1",
    "equalized_odds_mean_difference": "1",
}
"""Raise a version whenever the same inputs would give another number. Stereotype sets have versions of their own."""
