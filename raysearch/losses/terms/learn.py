"""Gradient descent on the anti-stereotype answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from raysearch.losses.inputs import LossInputs
from raysearch.registry import register


@register("loss", "learn")
@dataclass(frozen=True)
class Learn:
    """Teaches the anti-stereotype answer a.

    Formula: CE(a) = -(1/|a|) sum_t log p(a_t | prompt, a_<t), over answer tokens only.
    Unit: nats a token. Range: [0, inf).
    Source: Arzaghi et al., 2025, Intrinsic Meets Extrinsic Fairness, arXiv:2509.16462 (the learning term).
    """

    needs: ClassVar[frozenset[str]] = frozenset({"answers"})

    def per_example(self, inputs: LossInputs) -> Tensor:
        """[pairs]."""
        _, anti_stereotype = inputs.answers()
        return -anti_stereotype.mean
