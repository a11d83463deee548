"""Settings of unlearning, and of the paired prompts that it trains on and that the intrinsic gap is measured on."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from raysearch.config.block import Block, known
from raysearch.config.downstream import LoraConfig


class LossTermConfig(Block):
    weight: float = Field(ge=0.0)
    """Weight (lambda) of the term in the composite loss; 0 switches it off."""
    options: dict[str, bool | int | float | str] = Field(default_factory=dict)
    """Options of the term's own, checked against its class."""
    at_most: float | None = None
    """Makes the term a constraint with a primal-dual weight: the weight begins at `weight`, rises while the term's
    value is above this, and falls while it is below. None keeps the weight as it is."""
    dual_lr: float = Field(default=0.1, gt=0.0)
    """How fast a primal-dual weight moves: by this times (value - at_most) a step."""

    @property
    def used(self) -> bool:
        """Whether the term has, or may come to have, a weight above 0."""
        return self.weight > 0 or self.at_most is not None


class NeutralTextConfig(Block):
    """Reference text for the KL term."""

    source: Literal["wikipedia_summaries", "built_in", "socioeconomic"] = "wikipedia_summaries"
    """General text: wikipedia_summaries is fetched, built_in is a small set of sentences that ships with raysearch.
    Bias-targeted: socioeconomic, sentences on work, wages and wealth in which nobody has a gender or an origin."""
    texts: int = Field(default=32, ge=2)
    """Size of the pool that the steps cycle through."""
    texts_per_step: int = Field(default=4, ge=1)
    max_length_tokens: int = Field(default=32, ge=4)


class GuardsConfig(Block):
    """What ends an unlearning that has gone wrong, on the mean of the last steps' training batches."""

    window: int = Field(default=10, ge=1)
    """Steps over which is averaged; before so many were made nothing is judged."""
    least_answer_mass_ratio: float | None = Field(default=1e-4, gt=0.0, lt=1.0)
    """Collapse: P(s) + P(a), geometric mean, against the first step's. None switches it off."""
    least_signed_gap: float | None = Field(default=-0.8, ge=-1.0, le=0.0)
    """Inversion: mean of p_s - p_a; below it the bias was turned round. None switches it off."""


LossName = Annotated[str, AfterValidator(lambda name: known("loss", name))]
"""Checked key by key, so that an error names the key."""

StereotypeSetName = Annotated[str, AfterValidator(lambda name: known("stereotype_set", name))]


class UnlearningConfig(Block):
    steps: int = Field(default=40, ge=1)
    """Optimiser steps."""
    pairs_per_step: int = Field(default=16, ge=1)
    """Stereotype/anti-stereotype pairs in a step, over all workers."""
    micro_batches: int = Field(default=1, ge=1)
    """A step's batch is forwarded in so many parts and the gradients added: less memory, the same step."""
    lr: float = Field(default=5e-4, gt=0.0, lt=1.0)
    """Peak learning rate of AdamW."""
    warmup_fraction: float = Field(default=0.1, ge=0.0, le=1.0)
    """Share of the steps with rising learning rate; it then falls linearly to zero."""
    max_grad_norm: float = Field(default=1.0, gt=0.0)
    """Gradients are clipped to this norm."""
    losses: dict[LossName, LossTermConfig] = Field(
        default={
            "gradient_ascent": LossTermConfig(weight=0.02),
            "learn": LossTermConfig(weight=0.02),
            "probability_gap": LossTermConfig(weight=1.0),
            "kl": LossTermConfig(weight=1.0),
            "answer_mass": LossTermConfig(weight=0.3),
        },
        min_length=1,
    )
    """Terms of the composite loss by name; the parameter `unlearning.losses.kl.weight` is the lambda of KL."""
    task_vector_scale: float = Field(default=1.0, ge=0.0, le=4.0)
    """The learned change of the weights times this, after training: below 1 forgets less, 0 is the untouched model."""
    update: Literal["lora", "full"] = "lora"
    """lora: a low-rank adapter; full: the weights themselves, of the layers that `lora.target` and `lora.last_layers`
    name (by default all of the model), at a much smaller learning rate."""
    lora: LoraConfig = LoraConfig()
    neutral: NeutralTextConfig = NeutralTextConfig()
    guards: GuardsConfig = GuardsConfig()

    @field_validator("losses")
    @classmethod
    def _something_to_train_on(cls, value: dict[str, LossTermConfig]) -> dict[str, LossTermConfig]:
        if not any(term.used for term in value.values()):
            raise ValueError("every loss has weight 0: give one of them a weight above 0")
        return value


class MoreStereotypesConfig(Block):
    """A further stereotype set."""

    weight: float = Field(default=1.0, ge=0.0)
    """Its pairs count so much in the loss, against 1 of the main set; 0 measures it without training on it."""


class StereotypeConfig(Block):
    """The paired prompts that unlearning trains on and that the intrinsic gap is measured on."""

    set: StereotypeSetName = "poor_or_rich"
    """The main set: poor_or_rich (gender), race, religion, poor_or_rich_es (gender, in Spanish)."""
    also: dict[StereotypeSetName, MoreStereotypesConfig] = Field(default_factory=dict)
    """More sets, each with a weight, unlearned at once: `race: {weight: 0.5}`. A step's pairs come from all sets in
    equal parts, and so do the pairs on which the gap is measured; the gap of each set is recorded beside it."""
    split_seed: int = Field(default=0, ge=0)
    """Seed of the split of templates, words and terms into train, validation and test."""
    terms: Literal["held_out", "seen"] = "held_out"
    """Terms (man, woman, ...) of the pairs that are measured: never trained, or those of training. Templates and words
    are always held out."""
    evaluation_pairs: int | None = Field(default=192, ge=8)
    """Pairs on which the gap is measured, drawn evenly from the held-out sets; None takes all."""

    @model_validator(mode="after")
    def _each_set_once(self) -> StereotypeConfig:
        if self.set in self.also:
            raise ValueError(f"'{self.set}' is the main set already: take it out of `also`")
        return self

    @property
    def weights(self) -> dict[str, float]:
        """Weight of each set in the loss."""
        return {self.set: 1.0, **{name: more.weight for name, more in self.also.items()}}
