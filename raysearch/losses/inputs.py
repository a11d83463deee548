"""What loss terms see: log-probabilities of answers, and logits on neutral text. Shapes are checked under pytest."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Bool, Float
from torch import Tensor


@dataclass(frozen=True)
class Answers:
    """Log-probabilities of one answer a pair.

    Attributes:
        token_logps: [pairs, tokens] log P(token | prompt, earlier answer tokens), natural logarithm.
        mask: [pairs, tokens] True for real tokens; what stands elsewhere is never read.
    """

    token_logps: Float[Tensor, "pairs tokens"]
    mask: Bool[Tensor, "pairs tokens"]

    @property
    def total(self) -> Float[Tensor, " pairs"]:
        """log P(answer | prompt)."""
        return self.token_logps.masked_fill(~self.mask, 0.0).sum(dim=1)

    @property
    def mean(self) -> Float[Tensor, " pairs"]:
        """Length-normalised: log P(answer | prompt) / number of answer tokens."""
        return self.total / self.mask.sum(dim=1)


@dataclass(frozen=True)
class Neutral:
    """Logits on neutral text.

    Attributes:
        logits: [texts, tokens, vocabulary] of the model in training.
        reference_logits: the same of the untouched model; never given a gradient.
        mask: [texts, tokens] True for real tokens.
    """

    logits: Float[Tensor, "texts tokens vocabulary"]
    reference_logits: Float[Tensor, "texts tokens vocabulary"]
    mask: Bool[Tensor, "texts tokens"]


@dataclass(frozen=True)
class LossInputs:
    """All that a term may ask for by its ``needs``; what no term needs is None.

    ``stereotype`` and ``anti_stereotype`` are the two answers to the same prompts, row by row. ``pair_weights`` are
    read by the composite loss alone: how much each pair counts; None: all alike.
    """

    stereotype: Answers | None = None
    anti_stereotype: Answers | None = None
    neutral: Neutral | None = None
    reference_stereotype: Answers | None = None
    reference_anti_stereotype: Answers | None = None
    refusal: Answers | None = None
    pair_weights: Float[Tensor, " pairs"] | None = None

    def answers(self) -> tuple[Answers, Answers]:
        """(stereotype, anti-stereotype).

        Raises:
            ValueError: a term asks for them without having declared it.
        """
        if self.stereotype is None or self.anti_stereotype is None:
            raise ValueError("a loss term that reads answers must declare needs = {'answers'}")
        return self.stereotype, self.anti_stereotype

    def reference_answers(self) -> tuple[Answers, Answers]:
        """(stereotype, anti-stereotype) of the untouched model.

        Raises:
            ValueError: a term asks for them without having declared it.
        """
        if self.reference_stereotype is None or self.reference_anti_stereotype is None:
            raise ValueError("a loss term that reads the reference model's answers must declare 'reference_answers'")
        return self.reference_stereotype, self.reference_anti_stereotype

    def refusals(self) -> Answers:
        """The refusal as the answer to the same prompts.

        Raises:
            ValueError: a term asks for it without having declared it.
        """
        if self.refusal is None:
            raise ValueError("a loss term that reads the refusal must declare needs = {'refusal'}")
        return self.refusal

    def neutral_text(self) -> Neutral:
        """The neutral text.

        Raises:
            ValueError: a term asks for it without having declared it.
        """
        if self.neutral is None:
            raise ValueError("a loss term that reads neutral text must declare needs = {'neutral'}")
        return self.neutral
