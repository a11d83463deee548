"""Teach a refusal in place of either answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from raysearch.losses.inputs import LossInputs
from raysearch.registry import register


@register("loss", "idk")
@dataclass(frozen=True)
class Refusal:
    """Makes the model say that it cannot tell, where the stereotype has an answer ready.

    The answer mass falls as the refusal's probability rises: read ``answer_mass_ratio`` with it, since a model that
    says nothing else has not been debiased.

    Formula: CE(r) = -(1/|r|) sum_t log p(r_t | prompt, r_<t), r the refusal, over its tokens only.
    Unit: nats a token. Range: [0, inf).
    Source: Maini et al., 2024, TOFU: A Task of Fictitious Unlearning for LLMs, arXiv:2401.06121 (the IDK variant).
    """

    needs: ClassVar[frozenset[str]] = frozenset({"refusal"})

    answer: str = " I don't know"
    """The refusal; it begins with the space that parts it from the prompt."""

    def __post_init__(self) -> None:
        if not (isinstance(self.answer, str) and self.answer.strip() and self.answer[0] == " "):
            raise ValueError(
                f'answer must be words that begin with a space, as in " I don\'t know"; got {self.answer!r}'
            )

    def per_example(self, inputs: LossInputs) -> Tensor:
        """[pairs]."""
        return -inputs.refusals().mean
