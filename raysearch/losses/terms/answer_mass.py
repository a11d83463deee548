"""Keeps the probability of answering at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from raysearch.losses.inputs import Answers, LossInputs
from raysearch.registry import register


def _log_mass(stereotype: Answers, anti_stereotype: Answers) -> Tensor:
    return torch.logaddexp(stereotype.total, anti_stereotype.total)


@register("loss", "answer_mass")
@dataclass(frozen=True)
class AnswerMass:
    """Holds P(s) + P(a) where the untouched model has it: a model that no longer answers has not been debiased.

    Formula: |log(P(s) + P(a)) - log(P_ref(s) + P_ref(a))|, P the un-normalised probability of the whole answer.
    Unit: nats. Range: [0, inf); exactly 0 at the start, where the subgradient is 0.
    Source: this project.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"answers", "reference_answers"})

    def per_example(self, inputs: LossInputs) -> Tensor:
        """[pairs]."""
        return (_log_mass(*inputs.answers()) - _log_mass(*inputs.reference_answers()).detach()).abs()
