"""What a loss term is. Terms give values an example; ``composite.py`` alone weighs and reduces them."""

from __future__ import annotations

from typing import ClassVar, Protocol

from torch import Tensor

from raysearch.losses.inputs import LossInputs

NEEDS = frozenset({"answers", "reference_answers", "neutral", "refusal"})
"""What a term may declare; each is one forward pass, made once however many terms need it."""


class LossTerm(Protocol):
    """A term of the composite loss: a frozen dataclass in ``terms/``, its fields are its options.

    Attributes:
        needs: which inputs it reads, of ``NEEDS``; one that reads ``refusal`` has its words in a field ``answer``.
    """

    needs: ClassVar[frozenset[str]]

    def per_example(self, inputs: LossInputs) -> Tensor:
        """[pairs] for terms on answers, [texts] for terms on neutral text; smaller is better."""
        ...
