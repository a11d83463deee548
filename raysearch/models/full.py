"""Training of a model's own weights, which are put back afterwards: full-parameter unlearning."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from raysearch.config.downstream import LoraConfig
from raysearch.errors import TrialError
from raysearch.models.blocks import BLOCK
from raysearch.models.language_model import LanguageModel
from raysearch.models.lora import ATTENTION
from raysearch.models.sharding import put


class FullUpdate(nn.Module):
    """A causal LM some of whose weights are in training; knows their original values.

    It answers to what an adapter's wrapper answers to (``get_base_model``, ``disable_adapter``), so the rest of the
    pipeline does not see which of the two it has. Costs a second copy of the trained weights.

    Args:
        base: the causal LM; changed in place.
        names: of its parameters to train.
    """

    def __init__(self, base: nn.Module, names: set[str]) -> None:
        super().__init__()
        self.model = base
        self._original: dict[str, Tensor] = {}
        for name, parameter in base.named_parameters():
            parameter.requires_grad_(name in names)
            if name in names:
                self._original[name] = parameter.detach().clone()

    def get_base_model(self) -> nn.Module:
        """The causal LM."""
        return self.model

    def get_input_embeddings(self) -> Any:
        """Its input embeddings."""
        return self.model.get_input_embeddings()  # type: ignore[operator]

    @contextmanager
    def disable_adapter(self) -> Iterator[None]:
        """Within the block the model has its original weights."""
        with self._with_weights(lambda original, current: original):
            yield

    @contextmanager
    def scaled(self, factor: float) -> Iterator[None]:
        """Within the block the learned change of the weights is ``factor`` times what it is."""
        with self._with_weights(lambda original, current: original + factor * (current - original)):
            yield

    @contextmanager
    def _with_weights(self, of: Any) -> Iterator[None]:
        parameters = dict(self.model.named_parameters())
        current = {name: parameters[name].data for name in self._original}
        if any(isinstance(value, DTensor) for value in current.values()):
            current = {name: value.clone() for name, value in current.items()}  # written over in place, see ``put``
        for name, original in self._original.items():
            put(parameters[name], of(original, current[name]))
        try:
            yield
        finally:
            for name, trained in current.items():
                put(parameters[name], trained)

    def restore(self) -> None:
        """Puts the original weights back for good."""
        with torch.no_grad():
            for name, parameter in self.model.named_parameters():
                if name in self._original:
                    parameter.copy_(self._original[name])


def trained_names(model: nn.Module, lora: LoraConfig) -> set[str]:
    """Parameters that ``target`` and ``last_layers`` mean; by default all of the model, embeddings and head too.

    Raises:
        TrialError: there are none.
    """
    of_blocks = {name: int(found[1]) for name, _ in model.named_parameters() if (found := BLOCK.search(name))}
    if lora.target == "attention":
        of_blocks = {name: block for name, block in of_blocks.items() if ATTENTION.search(name)}
    if not of_blocks:
        raise TrialError(f"{type(model).__name__} has no parameters for unlearning.lora.target '{lora.target}'")
    if lora.last_layers is None:
        return {name for name, _ in model.named_parameters()} if lora.target == "all_linear" else set(of_blocks)
    first = max(of_blocks.values()) + 1 - lora.last_layers
    return {name for name, block in of_blocks.items() if block >= first}


@contextmanager
def fully_trained(lm: LanguageModel, lora: LoraConfig) -> Iterator[FullUpdate]:
    """Lets the model's own weights be trained and puts them back, whatever happens inside.

    Yields:
        The model; only the chosen weights require gradients.
    """
    wrapped = FullUpdate(lm.model, trained_names(lm.model, lora))
    try:
        yield wrapped
    finally:
        wrapped.restore()
        lm.model.zero_grad(set_to_none=True)  # as large as the weights, and of no use to the next trial
        lm.model.requires_grad_(False).eval()
