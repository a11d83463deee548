"""The blocks of a language model, whatever its family calls them."""

from __future__ import annotations

import re

from torch import nn

from raysearch.errors import TrialError

BLOCK = re.compile(r"\.(\d+)\.")
"""Finds the number of the block in a module's or parameter's name."""


def blocks_of(model: nn.Module) -> nn.ModuleList:
    """The backbone's blocks, whatever the family calls them: its longest list of modules.

    Raises:
        TrialError: it has no list of modules.
    """
    lists = [module for module in model.modules() if isinstance(module, nn.ModuleList)]
    if not lists:
        raise TrialError(f"{type(model).__name__} has no list of blocks to checkpoint or shard")
    return max(lists, key=len)
