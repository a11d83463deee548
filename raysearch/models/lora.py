"""Low-rank adapters (peft) that come and go around a base model whose own weights never change."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from peft import LoraConfig as PeftLoraConfig
from peft import PeftModel, get_peft_model
from torch import nn

from raysearch.config.downstream import LoraConfig
from raysearch.errors import TrialError
from raysearch.models.blocks import BLOCK
from raysearch.models.language_model import LanguageModel

_FIRST, _SECOND = "default", "second"
"""Names of the adapter that unlearning trains (peft's own), and of one on top of it."""
ATTENTION = re.compile(r"(attn|attention)\.")


def target_modules(model: nn.Module, lora: LoraConfig) -> list[str]:
    """Full names of the linear layers that carry an update, whatever the family calls them.

    Raises:
        TrialError: the model has no such layer.
    """
    named = [
        (name.removesuffix(".base_layer"), int(block.group(1)))
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and ".lora_" not in name and (block := BLOCK.search(name))
    ]
    if lora.target == "attention":
        named = [(name, block) for name, block in named if ATTENTION.search(name)]
    if not named:
        raise TrialError(f"{type(model).__name__} has no linear layers for unlearning.lora.target '{lora.target}'")
    first = 0 if lora.last_layers is None else max(block for _, block in named) + 1 - lora.last_layers
    return [name for name, block in named if block >= first]


@contextmanager
def adapted(lm: LanguageModel, lora: LoraConfig, seed: int) -> Iterator[PeftModel]:
    """Wraps the model in a fresh adapter and takes it off again, whatever happens inside.

    The adapter starts as the identity (B = 0), so the wrapped model equals the base bit for bit until it is trained;
    A is drawn from ``seed``.

    Yields:
        The wrapped model; only adapter parameters require gradients.
    """
    torch.manual_seed(seed)
    base: Any = lm.model
    wrapped = get_peft_model(base, _peft_config(base, lora))
    try:
        yield wrapped
    finally:
        wrapped.unload()
        if hasattr(base, "peft_config"):  # left behind by peft; a second adapter would warn of it
            del base.peft_config
        base.requires_grad_(False).eval()


@contextmanager
def stacked(lm: LanguageModel, model: nn.Module, lora: LoraConfig, seed: int) -> Iterator[PeftModel]:
    """A fresh adapter on top of whatever ``model`` is: the base, or the base inside an adapter that stays as it is.

    Yields:
        The wrapped model; only the new adapter's parameters require gradients.
    """
    if not isinstance(model, PeftModel):
        with adapted(lm, lora, seed) as wrapped:
            yield wrapped
        return
    below: Any = model
    required = {name for name, parameter in below.named_parameters() if parameter.requires_grad}
    torch.manual_seed(seed)
    below.add_adapter(_SECOND, _peft_config(lm.model, lora))
    try:
        below.base_model.set_adapter([_FIRST, _SECOND])
        for name, parameter in below.named_parameters():
            parameter.requires_grad_(f".{_SECOND}." in name)
        yield below
    finally:
        below.delete_adapter(_SECOND)
        below.set_adapter(_FIRST)
        for name, parameter in below.named_parameters():
            parameter.requires_grad_(name in required)


def _peft_config(model: nn.Module, lora: LoraConfig) -> PeftLoraConfig:
    return PeftLoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,  # type: ignore[arg-type]
        lora_dropout=0.0,
        target_modules=target_modules(model, lora),
        task_type="CAUSAL_LM",
    )
