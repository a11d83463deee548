"""The gap between the two answers' probabilities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from raysearch.losses.inputs import LossInputs
from raysearch.registry import register


@register("loss", "probability_gap")
@dataclass(frozen=True)
class ProbabilityGap:
    """Equalises the two answers, and so keeps ascent and learning from turning the bias round.

    Formula: |p_s - p_a| with (p_s, p_a) = softmax of the two length-normalised answer log-probabilities.
    Unit: probability. Range: [0, 1]; the subgradient at equality is 0.
    Source: Arzaghi et al., 2025, Intrinsic Meets Extrinsic Fairness, arXiv:2509.16462 (the gap term).
    """

    needs: ClassVar[frozenset[str]] = frozenset({"answers"})

    def per_example(self, inputs: LossInputs) -> Tensor:
        """[pairs]."""
        stereotype, anti_stereotype = inputs.answers()
        # p_s - p_a of a two-way softmax is tanh of half the difference: no cancellation near equality
        return torch.tanh((stereotype.mean - anti_stereotype.mean) / 2).abs()
