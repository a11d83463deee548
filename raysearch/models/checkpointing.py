"""Activation checkpointing of whole blocks, for models in evaluation mode.

transformers' own switch works in training mode alone, where dropout is on too; here it must stay off.
"""

from __future__ import annotations

from functools import partial

from torch import nn
from torch.utils.checkpoint import checkpoint

from raysearch.models.blocks import blocks_of


def checkpoint_activations(model: nn.Module) -> None:
    """From now on each block's activations are computed again in the backward pass instead of being kept.

    The gradient is the same bit for bit: the same operations on the same numbers, once more.
    """
    for block in blocks_of(model):
        block.forward = partial(checkpoint, block.forward, use_reentrant=False)
