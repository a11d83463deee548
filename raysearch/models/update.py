"""The change of a model that unlearning trains: an adapter, or the weights themselves. Both come off again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from peft.helpers import rescale_adapter_scale
from torch import nn

from raysearch.config.unlearning import UnlearningConfig
from raysearch.models.full import FullUpdate, fully_trained
from raysearch.models.language_model import LanguageModel
from raysearch.models.lora import adapted


@contextmanager
def updatable(lm: LanguageModel, config: UnlearningConfig, seed: int) -> Iterator[nn.Module]:
    """The model with what is to be trained, which equals the base bit for bit until it is.

    Args:
        lm: the base model.
        config: which update, and of which layers.
        seed: of an adapter's first weights.

    Yields:
        A model with ``disable_adapter``; only what is to be trained requires gradients.
    """
    update: Any = fully_trained(lm, config.lora) if config.update == "full" else adapted(lm, config.lora, seed)
    with update as model:
        yield model


@contextmanager
def scaled(model: nn.Module, factor: float) -> Iterator[None]:
    """The learned change of the weights times ``factor`` within the block: task-vector arithmetic without training.

    Formula: W_0 + factor (W - W_0); of an adapter W_0 + factor (alpha / r) B A. Source: Ilharco et al., 2023, Editing
    Models with Task Arithmetic, arXiv:2212.04089.
    """
    if factor == 1.0:
        yield
    elif isinstance(model, FullUpdate):
        with model.scaled(factor):
            yield
    else:
        with rescale_adapter_scale(model, factor):
            yield
