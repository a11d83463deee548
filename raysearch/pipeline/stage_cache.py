"""Results of stages under their content address, in memory and on disk: work that was done is never done twice.

The address of a result is a digest of exactly what determines it: the stage, the code of the packages that the stage
runs, its inputs, and the surroundings on which the last bits depend (library versions, device, threads, processes). So
a result can be shared by trials, by worker groups and by studies, a change of the code makes all of its results
unreachable, and a trial's numbers are the same with the cache empty, warm or off (tested).

On disk a result is one safetensors file; put the folder on shared storage, and the nodes of a cluster share it. A file
gets its name when it is whole, its content is checked by digest on reading, and the least recently used files are
removed beyond a size.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
import uuid
from collections import Counter, OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from raysearch.assets.cache import cache_dir
from raysearch.config.schema import StageCacheConfig
from raysearch.pipeline.claims import Claims

Tensors = dict[str, Tensor]

CODE = {
    "lower_states": ("models", "pipeline"),
    "scores": ("models", "pipeline"),
    "features": ("models", "pipeline"),
    "likelihood": ("models", "pipeline"),
    "reference_answers": ("models", "pipeline"),
    "column_order": ("text", "datasets", "pipeline"),
    "unlearning": ("models", "losses", "pipeline", "stereotypes", "text", "assets", "config"),
}
"""Stages whose results are kept, and the packages of raysearch whose files each runs or reads."""

_MOST_IN_MEMORY = 2**30
"""Bytes a process: the states of a small model's whole study. What no longer fits is read from disk, or made again."""
_MOST_OF_DISK = 1 / 50
"""A result larger than this share of the disk's limit (the weights of a fully trained model) is not written."""
_LEFT = 0.9
"""Share of the limit that is left after files were removed, so that not every result removes one."""


class StageCache:
    """Results by address.

    Args:
        folder: of the files; None keeps results in memory alone.
        limit_bytes: of all files together.
        memory_bytes: of this process; 0 keeps nothing.
    """

    def __init__(
        self, folder: Path | None = None, limit_bytes: float = 20 * 2**30, memory_bytes: int = _MOST_IN_MEMORY
    ) -> None:
        self._folder = folder
        self._limit_bytes = limit_bytes
        self._memory_bytes = memory_bytes
        self._memory: OrderedDict[str, Tensors] = OrderedDict()
        self._held = 0
        self._unswept = limit_bytes
        self._claims = Claims()
        self._writes = True
        self._too_large: set[str] = set()
        self.counts: Counter[str] = Counter()
        """``STAGE found`` and ``STAGE made``, by ``Runtime``, and ``unwritten`` results that the disk did not take."""

    @classmethod
    def of(cls, config: StageCacheConfig) -> StageCache:
        """As a study's settings ask."""
        if config.limit_gib == 0:
            return cls()
        folder = cache_dir() / "stages" if config.folder is None else Path(config.folder).expanduser()
        return cls(folder, config.limit_gib * 2**30)

    @classmethod
    def off(cls) -> StageCache:
        """Keeps nothing: every result is made anew."""
        return cls(None, 0, 0)

    def find(self, address: str) -> Tensors | None:
        """A result, or None."""
        found = self._memory.get(address)
        if found is not None:
            self._memory.move_to_end(address)
        elif self._folder is not None and (found := self._read(address)) is not None:
            self._remember(address, found)
        return found

    def knows(self, address: str) -> bool:
        """Whether a result is there, without reading it."""
        return address in self._memory or (self._folder is not None and self._path(address).exists())

    def shares(self, stage: str) -> bool:
        """Whether other processes find what this one makes, as far as it knows."""
        return self._folder is not None and self._writes and stage not in self._too_large

    @contextmanager
    def turn(self, stage: str, address: str) -> Iterator[bool]:
        """Whether a result is this process's to make within the block; False: another process is at work on it.

        Look for the result again in the block: it may have come meanwhile.
        """
        if not self.shares(stage):  # what is not written nobody can wait for
            yield True
            return
        with self._claims.hold(self._path(address).with_name(f".{address}.claim")) as ours:
            yield ours

    def takes(self, size: int) -> bool:
        """Whether the disk would take a result of so many bytes."""
        return self._folder is not None and size <= _MOST_OF_DISK * self._limit_bytes

    def put(self, stage: str, address: str, tensors: Mapping[str, Tensor], in_memory: bool) -> None:
        """Keeps a result.

        Args:
            stage: named in the file.
            address: from ``address``.
            tensors: the result; never changed afterwards.
            in_memory: for results that later trials of this process are likely to ask for.
        """
        kept = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        if in_memory:
            self._remember(address, kept)
        if not self.takes(_size(kept)):
            self._too_large.add(stage)
        else:
            try:
                self._write(stage, address, kept)
                self._writes = True
            except (
                OSError,
                SafetensorError,
            ):  # a full or read-only disk: the numbers are the same, and the record says so
                self.counts["unwritten"] += 1
                self._writes = False

    def clear_memory(self) -> None:
        """Forgets what this process holds."""
        self._memory.clear()
        self._held = 0

    def _remember(self, address: str, tensors: Tensors) -> None:
        size = _size(tensors)
        if size > self._memory_bytes:
            return
        if address not in self._memory:
            self._held += size
        self._memory[address] = tensors
        self._memory.move_to_end(address)
        while self._held > self._memory_bytes:
            self._held -= _size(self._memory.popitem(last=False)[1])

    def _path(self, address: str) -> Path:
        assert self._folder is not None  # both callers looked
        return self._folder / address[:2] / f"{address}.safetensors"

    def _read(self, address: str) -> Tensors | None:
        path = self._path(address)
        try:
            with safe_open(path, framework="pt") as opened:
                # Copies: a mapped file that another node removes from shared storage would kill this process.
                tensors = {key: opened.get_tensor(key).clone() for key in opened.keys()}  # noqa: SIM118  # not a dict
                whole = (opened.metadata() or {}).get("sha256") == _digest(tensors)
        except FileNotFoundError:
            return None
        except (OSError, SafetensorError):
            whole = False
        if not whole:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
            return None
        with contextlib.suppress(OSError):
            os.utime(path)  # when it was last used; access times are off on most machines
        return tensors

    def _write(self, stage: str, address: str, tensors: Tensors) -> None:
        path = self._path(address)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")  # process ids of two nodes may be the same
        try:
            save_file(tensors, part, {"sha256": _digest(tensors), "stage": stage})
            part.rename(path)
        finally:
            part.unlink(missing_ok=True)
        self._unswept += _size(tensors)
        if self._unswept > (1 - _LEFT) * self._limit_bytes / 2:  # several processes write: look often enough
            self._unswept = 0
            self._sweep()

    def _sweep(self) -> None:
        """Removes the least recently used files beyond the limit, and what killed processes left."""
        assert self._folder is not None  # only ``_write`` sweeps
        files = []
        for path in self._folder.glob("*/*"):
            with contextlib.suppress(OSError):  # another process removed it
                facts = path.stat()
                if path.suffix == ".safetensors":
                    files.append((facts.st_mtime, facts.st_size, path))
                elif time.time() - facts.st_mtime > 3600:
                    path.unlink(missing_ok=True)
        total = sum(size for _, size, _ in files)
        if total <= self._limit_bytes:
            return
        for _, size, path in sorted(files):
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
            total -= size
            if total <= _LEFT * self._limit_bytes:
                return


_LIBRARIES = ("torch", "transformers", "tokenizers", "peft", "numpy", "scipy", "pandas", "scikit-learn")


def address(stage: str, key: tuple[Any, ...], device: torch.device, processes: int) -> str:
    """The content address of a result.

    Args:
        stage: one of ``CODE``.
        key: the stage's inputs, as values whose ``repr`` says all of them.
        device: where it runs.
        processes: that share the work.
    """
    text = repr((stage, _code(CODE[stage]), key, _surroundings(device, processes)))
    return hashlib.sha256(text.encode()).hexdigest()


@cache
def _code(packages: tuple[str, ...]) -> str:
    """Digest of the files of some packages of raysearch: source, and the texts and tables that they ship."""
    total = hashlib.sha256()
    for package in packages:
        for file in sorted((Path(__file__).parents[1] / package).rglob("*")):
            if file.is_file() and file.suffix != ".pyc":
                total.update(f"{file.name}\n".encode() + file.read_bytes())
    return total.hexdigest()


def _surroundings(device: torch.device, processes: int) -> tuple[Any, ...]:
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else torch.backends.cpu.get_cpu_capability()
    return (name, torch.get_num_threads(), torch.get_float32_matmul_precision(), processes, *_versions())


@cache
def _versions() -> tuple[str, ...]:
    return tuple(metadata.version(library) for library in _LIBRARIES)


def _size(tensors: Mapping[str, Tensor]) -> int:
    return sum(tensor.nbytes for tensor in tensors.values())


def _digest(tensors: Mapping[str, Tensor]) -> str:
    total = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].contiguous()
        total.update(repr((name, tensor.dtype, tuple(tensor.shape))).encode())
        if tensor.numel():
            total.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return total.hexdigest()
