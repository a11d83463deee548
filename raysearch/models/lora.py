"""Low-rank adapters (peft) that come and go around a base model whose own weights never change."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from peft import LoraConfig as PeftLoraConfig
from peft import PeftModel, get_peft_model
from peft.tuners.lora import LoraLayer
from torch import Tensor, nn

from raysearch.config.downstream import LoraConfig
from raysearch.errors import TrialError
from raysearch.models.blocks import BLOCK
from raysearch.models.language_model import LanguageModel
from raysearch.models.sharding import is_spread

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


@contextmanager
def folded(model: nn.Module) -> Iterator[None]:
    """Within the block adapters stand inside the weights that they adapt: a pass costs no more than the base model's.

    W + s B A in place of W x + s B (A x), which is the same up to rounding. After the block the weights are the very
    tensors that they were. Where weights have fewer digits than float32 their sum with a small change would be rounded
    away, and where they are spread over processes none has all of them: there nothing is folded.

    Args:
        model: any; without adapters, or with those switched off, nothing happens.
    """
    layers = [layer for layer in model.modules() if isinstance(layer, LoraLayer) and _foldable(layer)]
    before: list[tuple[Any, Tensor]] = []
    try:
        for layer in layers:
            weight: Any = layer.get_base_layer().weight
            names = [name for name in layer.active_adapters if name in layer.lora_A]
            before.append((layer, weight.data))
            with torch.no_grad():
                weight.data = weight.data + sum(layer.get_delta_weight(name) for name in names)  # type: ignore[operator]
            layer.merged_adapters = names
        yield
    finally:
        for layer, kept in before:
            layer.get_base_layer().weight.data = kept
            layer.merged_adapters = []


def _foldable(layer: LoraLayer) -> bool:
    weight: Any = layer.get_base_layer().weight
    plain = isinstance(layer.get_base_layer(), nn.Linear) and weight.dtype == torch.float32 and not is_spread(weight)
    return plain and not layer.merged and not layer.disable_adapters


def _peft_config(model: nn.Module, lora: LoraConfig) -> PeftLoraConfig:
    return PeftLoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,  # type: ignore[arg-type]
        lora_dropout=0.0,
        target_modules=target_modules(model, lora),
        task_type="CAUSAL_LM",
    )
