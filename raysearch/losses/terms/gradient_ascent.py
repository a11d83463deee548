"""Gradient ascent on the stereotype answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from raysearch.losses.inputs import LossInputs
from raysearch.registry import register


@register("loss", "gradient_ascent")
@dataclass(frozen=True)
class GradientAscent:
    """Pushes the stereotype answer s away: minimising this term raises its cross-entropy.

    Formula: -CE(s) = (1/|s|) sum_t log p(s_t | prompt, s_<t), over answer tokens only.
    Unit: nats a token. Range: (-inf, 0]; unbounded below, so a large weight wrecks the model.
    Source: Jang et al., 2023, Knowledge Unlearning for Mitigating Privacy Risks in Language Models, arXiv:2210.01504.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"answers"})

    def per_example(self, inputs: LossInputs) -> Tensor:
        """[pairs]."""
        stereotype, _ = inputs.answers()
        return stereotype.mean
