"""Intrinsic bias and what it may not cost, from log-probabilities on held-out prompts and texts. NumPy only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from raysearch.metrics.measurement import Measurement, percentile_interval

__all__ = [
    "GapResult",
    "Measurement",
    "answer_mass_ratio",
    "gap",
    "mean_with_interval",
    "perplexity_ratio",
    "signed_gaps",
]

Values = NDArray[np.float64]


@dataclass(frozen=True)
class GapResult:
    """Gap with its sign and by group of prompts.

    Attributes:
        gap: mean |p_s - p_a|, in [0, 1].
        signed_gap: mean p_s - p_a, in [-1, 1]: above 0 the stereotype is preferred, below 0 its opposite. Read it by
            group: a model that prefers one gender whatever the wealth has a gap, and a signed gap near 0.
        by_group: gap and signed gap for each group, under ``NAME`` and ``NAME.signed``.
    """

    gap: Measurement
    signed_gap: Measurement
    by_group: dict[str, Measurement]


def signed_gaps(stereotype: Values, anti_stereotype: Values) -> Values:
    """[pairs] p_s - p_a of the two-way softmax over length-normalised log-probabilities. Range [-1, 1]."""
    return np.asarray(np.tanh((stereotype - anti_stereotype) / 2))


def gap(
    stereotype: Values, anti_stereotype: Values, groups: Sequence[str], rounds: int, confidence: float, seed: int
) -> GapResult:
    """The intrinsic gap.

    Formula: mean over pairs of |p_s - p_a|, (p_s, p_a) = softmax of the length-normalised answer log-probabilities.
    Intervals by bootstrap over pairs. Source: Arzaghi et al., 2025, arXiv:2509.16462 (probability gap).

    Args:
        stereotype: [pairs] length-normalised log-probability of the stereotype answer.
        anti_stereotype: [pairs] the same of the other answer.
        groups: [pairs] group of each pair (poor or rich).
        rounds: bootstrap rounds.
        confidence: level of the intervals.
        seed: of the bootstrap.
    """
    signed = signed_gaps(stereotype, anti_stereotype)
    names = np.asarray(groups)
    by_group: dict[str, Measurement] = {}
    for name in sorted(set(groups)):
        by_group[name] = mean_with_interval(np.abs(signed[names == name]), rounds, confidence, seed)
        by_group[f"{name}.signed"] = mean_with_interval(signed[names == name], rounds, confidence, seed)
    return GapResult(
        mean_with_interval(np.abs(signed), rounds, confidence, seed),
        mean_with_interval(signed, rounds, confidence, seed),
        by_group,
    )


def mean_with_interval(values: Values, rounds: int, confidence: float, seed: int) -> Measurement:
    """Mean of [items] values, with the percentile interval of a bootstrap over items."""
    drawn = values[np.random.default_rng(seed).integers(0, len(values), (rounds, len(values)))].mean(axis=1)
    low, high = percentile_interval(drawn, confidence)
    return Measurement(float(values.mean()), low, high, len(values))


def _ratio(over: Values, under: Values, rounds: int, confidence: float, seed: int) -> Measurement:
    rows = np.random.default_rng(seed).integers(0, len(over), (rounds, len(over)))
    low, high = percentile_interval(over[rows].mean(axis=1) / under[rows].mean(axis=1), confidence)
    return Measurement(float(over.mean() / under.mean()), low, high, len(over))


def answer_mass_ratio(
    stereotype: Values,
    anti_stereotype: Values,
    reference_stereotype: Values,
    reference_anti_stereotype: Values,
    rounds: int,
    confidence: float,
    seed: int,
) -> Measurement:
    """How much probability the model still gives to answering at all, against the untouched model.

    Formula: mean(P(s) + P(a)) / mean(P_ref(s) + P_ref(a)), P = exp of the answer's total log-probability. Range
    [0, inf); 1 for the untouched model. Far below 1 the model has learned not to answer, which is no debiasing.

    Args: total log-probabilities, each [pairs]; the rest as in ``gap``.
    """
    mass = np.exp(stereotype) + np.exp(anti_stereotype)
    reference = np.exp(reference_stereotype) + np.exp(reference_anti_stereotype)
    return _ratio(mass, reference, rounds, confidence, seed)


def perplexity_ratio(
    total_logp: Values, reference_logp: Values, tokens: NDArray[Any], rounds: int, confidence: float, seed: int
) -> Measurement:
    """Perplexity on held-out general text over the untouched model's, on the same tokens. Range (0, inf).

    Formula: exp((sum log p_ref - sum log p) / tokens); 1 for the untouched model. Bootstrap over texts.

    Args:
        total_logp: [texts] log-likelihood of each text.
        reference_logp: [texts] the same under the untouched model.
        tokens: [texts] predicted tokens.
        rounds: bootstrap rounds.
        confidence: level of the interval.
        seed: of the bootstrap.
    """
    lost = reference_logp - total_logp
    rows = np.random.default_rng(seed).integers(0, len(lost), (rounds, len(lost)))
    low, high = percentile_interval(np.exp(lost[rows].sum(axis=1) / tokens[rows].sum(axis=1)), confidence)
    return Measurement(float(np.exp(lost.sum() / tokens.sum())), low, high, len(lost))
