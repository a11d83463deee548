"""Negative preference optimisation without a reference model."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from torch.nn.functional import logsigmoid

from raysearch.losses.inputs import LossInputs
from raysearch.registry import register


@register("loss", "sim_npo")
@dataclass(frozen=True)
class SimpleNegativePreference:
    """As ``npo``, but judged by the answer's own length-normalised likelihood: short and long answers count alike.

    Formula: -(2 / beta) log sigmoid(-(beta / |s|) log P(s) - gamma), the sigmoid a pair.
    Unit: nats a token. Range: (0, inf).
    Source: Fan et al., 2024, Simplicity Prevails: Rethinking Negative Preference Optimization for LLM Unlearning,
    arXiv:2410.07163, eq. 4.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"answers"})

    beta: float = 2.5
    """Inverse temperature."""
    gamma: float = 0.0
    """Margin: the larger, the longer an unlikely answer is still pushed away."""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.beta) and self.beta > 0):
            raise ValueError(f"beta must be above 0; got {self.beta}")
        if not math.isfinite(self.gamma):
            raise ValueError(f"gamma must be a finite number; got {self.gamma}")

    def per_example(self, inputs: LossInputs) -> Tensor:
        """[pairs]."""
        stereotype, _ = inputs.answers()
        return -2.0 / self.beta * logsigmoid(-self.beta * stereotype.mean - self.gamma)
