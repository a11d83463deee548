"""Adapters, and the downstream models' settings."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from raysearch.config.block import Block, known


class LoraConfig(Block):
    rank: int = Field(default=16, ge=1)
    """Rank r of the update."""
    alpha: float = Field(default=32.0, gt=0.0)
    """Scale: the update is multiplied by alpha / rank."""
    target: Literal["all_linear", "attention"] = "all_linear"
    """Which linear layers carry an update: all of a block, or those of attention."""
    last_layers: int | None = Field(default=None, ge=1)
    """Only the last so many blocks carry an update (cheaper: nothing flows back below them); None is all."""


class ClassifierConfig(Block):
    """The fine-tuning of `lora_classifier`."""

    epochs: int = Field(default=3, ge=1)
    """Passes over the training rows; the best by accuracy on the rows set aside is used."""
    rows_per_step: int = Field(default=16, ge=1)
    """Rows in an optimiser step, over all workers."""
    lr: float = Field(default=2e-3, gt=0.0, lt=1.0)
    """Peak learning rate of AdamW; it falls linearly to zero."""
    held_out_share: float = Field(default=0.15, gt=0.0, lt=0.5)
    """Share of the original training rows that is set aside to choose the epoch: judged rows choose nothing."""
    lora: LoraConfig = LoraConfig(rank=8, alpha=16.0)


class DownstreamConfig(Block):
    kind: str = "feature_logistic"
    """feature_logistic: frozen LLM -> one vector a row -> logistic regression; lora_classifier: the LLM, fine-tuned to
    answer Yes or No; table_logistic: logistic regression on the raw table."""
    pooling: Literal["mean", "last"] = "mean"
    """mean over the text's tokens, or its last token."""
    layer: int | None = Field(default=None, ge=1)
    """Features are the hidden states after so many blocks of the model; None: at its end, after the last norm."""
    inverse_regularization: float = Field(default=0.1, gt=0.0)
    """C of scikit-learn's LogisticRegression, on standardised features."""
    classifier: ClassifierConfig = ClassifierConfig()
    threshold: float = Field(default=0.5, gt=0.0, lt=1.0)
    """Probability from which the decision is positive."""

    @field_validator("kind")
    @classmethod
    def _kindknown(cls, value: str) -> str:
        return known("downstream", value)
