"""Gradient ascent on the stereotype answer, with an end."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from raysearch.losses.inputs import LossInputs
from raysearch.registry import register


@register("loss", "clipped_ascent")
@dataclass(frozen=True)
class ClippedAscent:
    """Pushes the stereotype answer s away until its cross-entropy is ``ceiling``, and no further.

    Formula: -min(CE(s), ceiling), CE(s) over answer tokens only, mean over them.
    Unit: nats a token. Range: [-ceiling, 0]; beyond the ceiling the gradient is 0.
    Source: this project, after Jang et al., 2023, arXiv:2210.01504, whose ascent has no bound.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"answers"})

    ceiling: float = 8.0
    """Cross-entropy, in nats a token, from which an answer counts as forgotten."""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.ceiling) and self.ceiling > 0):
            raise ValueError(f"ceiling must be above 0 nats a token; got {self.ceiling}")

    def per_example(self, inputs: LossInputs) -> Tensor:
        """[pairs]."""
        stereotype, _ = inputs.answers()
        return stereotype.mean.clamp(min=-self.ceiling)
