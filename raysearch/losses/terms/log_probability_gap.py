"""The gap between the two answers' log-probabilities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from raysearch.losses.inputs import LossInputs
from raysearch.registry import register


@register("loss", "log_probability_gap")
@dataclass(frozen=True)
class LogProbabilityGap:
    """Equalises the two answers with a gradient that does not fade where the model is sure of one of them.

    Formula: |log p_s - log p_a|, both length-normalised over answer tokens.
    Unit: nats a token. Range: [0, inf); the subgradient at equality is 0.
    Source: this project; the logit form of the probability gap of Arzaghi et al., 2025, arXiv:2509.16462.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"answers"})

    def per_example(self, inputs: LossInputs) -> Tensor:
        """[pairs]."""
        stereotype, anti_stereotype = inputs.answers()
        return (stereotype.mean - anti_stereotype.mean).abs()
