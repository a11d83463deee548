"""Negative preference optimisation on the stereotype answer."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from torch.nn.functional import logsigmoid

from raysearch.losses.inputs import LossInputs
from raysearch.registry import register


@register("loss", "npo")
@dataclass(frozen=True)
class NegativePreference:
    """Ascent that weakens by itself: an answer that is already much less likely than at the start is left alone.

    Formula: -(2 / beta) log sigmoid(-beta (log P(s) - log P_ref(s))), P of the whole answer, prompt excluded; the
    sigmoid is taken a pair, not of the batch's mean.
    Unit: nats. Range: (0, inf); (2 / beta) log 2 at the start; tends to gradient ascent as beta tends to 0.
    Source: Zhang et al., 2024, Negative Preference Optimization, arXiv:2404.05868, eq. 3.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"answers", "reference_answers"})

    beta: float = 0.1
    """Inverse temperature: the larger, the sooner an answer is left alone."""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.beta) and self.beta > 0):
            raise ValueError(f"beta must be above 0; got {self.beta}")

    def per_example(self, inputs: LossInputs) -> Tensor:
        """[pairs]."""
        stereotype, _ = inputs.answers()
        reference, _ = inputs.reference_answers()
        return -2.0 / self.beta * logsigmoid(-self.beta * (stereotype.total - reference.total.detach()))
