"""How the processes of one trial talk: alone, or over a torch.distributed group that somebody else has set up.

The pipeline knows only this interface, so the same code runs in a debugger and in a Ray Train worker group.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray

T = TypeVar("T")


class Communicator(Protocol):
    """The processes that share a trial. Every process calls the same methods in the same order."""

    @property
    def rank(self) -> int: ...

    @property
    def size(self) -> int: ...

    def gather(self, part: Sequence[T]) -> list[T]:
        """The parts of all processes, in order of rank, joined; the same list on each."""

    def sum(self, values: NDArray[Any]) -> NDArray[Any]:
        """Elementwise sum over the processes, the same on each."""

    def broadcast(self, value: T) -> T:
        """Rank 0's value, on each."""


class Alone:
    """One process."""

    rank = 0
    size = 1

    def gather(self, part: Sequence[T]) -> list[T]:
        return list(part)

    def sum(self, values: NDArray[Any]) -> NDArray[Any]:
        return values

    def broadcast(self, value: T) -> T:
        return value


class ProcessGroup:
    """All processes of the default torch.distributed group (gloo on CPU, NCCL on GPU)."""

    def __init__(self, device: torch.device) -> None:
        self.rank = dist.get_rank()
        self.size = dist.get_world_size()
        self._device = device

    def gather(self, part: Sequence[T]) -> list[T]:
        parts: list[Any] = [None] * self.size
        dist.all_gather_object(parts, list(part))
        return [item for items in parts for item in items]

    def sum(self, values: NDArray[Any]) -> NDArray[Any]:
        tensor = torch.from_numpy(np.ascontiguousarray(values)).to(self._device)
        dist.all_reduce(tensor)
        return np.asarray(tensor.cpu().numpy())

    def broadcast(self, value: T) -> T:
        box: list[Any] = [value]
        dist.broadcast_object_list(box, src=0, device=self._device)
        return box[0]  # type: ignore[no-any-return]


def shard(count: int, communicator: Communicator) -> slice:
    """This process's consecutive share of ``count`` items; shares differ by at most one."""
    share, extra = divmod(count, communicator.size)
    start = communicator.rank * share + min(communicator.rank, extra)
    return slice(start, start + share + (communicator.rank < extra))
