"""Results by content address: found again, checked on reading, the least recently used removed, safe to lose."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError

from raysearch.config.schema import StageCacheConfig
from raysearch.pipeline import stage_cache
from raysearch.pipeline.runtime import Runtime
from raysearch.pipeline.stage_cache import StageCache, address

CPU = torch.device("cpu")


def made(seed: int = 0, size: int = 1000) -> dict[str, torch.Tensor]:
    values = torch.randn(size, generator=torch.Generator().manual_seed(seed))
    return {"values": values, "scalar": torch.tensor(3), "none": torch.zeros(0), "half": values.bfloat16()}


def of(name: str) -> str:
    return address("scores", (name,), CPU, 1)


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*/*"))


def test_a_result_is_found_in_memory_and_by_another_process_on_disk(tmp_path: Path) -> None:
    first = StageCache(tmp_path)
    first.put("scores", of("a"), made(), in_memory=True)
    for cache in (first, StageCache(tmp_path)):
        found = cache.find(of("a"))
        assert found is not None and set(found) == set(made())
        assert all(torch.equal(found[name], tensor) for name, tensor in made().items())
        assert cache.find(of("b")) is None
    assert StageCache().find(of("a")) is None


def test_the_address_is_of_all_that_determines_the_result() -> None:
    plain = address("scores", ("a", 1), CPU, 1)
    assert plain == address("scores", ("a", 1), CPU, 1)
    others = [
        address("scores", ("a", 2), CPU, 1),
        address("likelihood", ("a", 1), CPU, 1),
        address("scores", ("a", 1), CPU, 2),
    ]
    threads = torch.get_num_threads()
    torch.set_num_threads(threads + 1)
    others.append(address("scores", ("a", 1), CPU, 1))
    torch.set_num_threads(threads)
    assert len({plain, *others}) == 5


def test_other_code_gives_other_addresses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "models").mkdir()
    monkeypatch.setattr(stage_cache, "__file__", str(tmp_path / "pipeline" / "stage_cache.py"))
    found = []
    for code in ("a = 1\n", "a = 2\n"):
        (tmp_path / "models" / "one.py").write_text(code)
        stage_cache._code.cache_clear()
        found.append(of("a"))
    stage_cache._code.cache_clear()
    assert found[0] != found[1]


@pytest.mark.parametrize("damage", ["cut", "one byte", "not a result"])
def test_a_damaged_file_is_removed_and_its_result_made_anew(tmp_path: Path, damage: str) -> None:
    StageCache(tmp_path).put("scores", of("a"), made(), in_memory=False)
    (file,) = files(tmp_path)
    content = bytearray(file.read_bytes())
    if damage == "cut":
        content = content[:-100]
    elif damage == "one byte":
        content[-5] ^= 1
    else:
        content = bytearray(b"nonsense")
    file.write_bytes(content)
    assert StageCache(tmp_path).find(of("a")) is None
    assert files(tmp_path) == []


def test_the_least_recently_used_files_are_removed_beyond_the_limit(tmp_path: Path) -> None:
    size = sum(tensor.nbytes for tensor in made().values())
    cache = StageCache(tmp_path, limit_bytes=100 * size, memory_bytes=0)
    for number in range(80):
        cache.put("scores", of(str(number)), made(number), in_memory=False)
        os.utime(cache._path(of(str(number))), (number, number))
    assert cache.find(of("0")) is not None  # the oldest is now the latest used
    for number in range(80, 120):
        cache.put("scores", of(str(number)), made(number), in_memory=False)
    assert sum(file.stat().st_size for file in files(tmp_path)) <= 105 * size * 1.2
    assert cache.find(of("0")) is not None and cache.find(of("119")) is not None
    assert cache.find(of("1")) is None


def test_memory_has_a_limit_too_and_large_results_are_not_written(tmp_path: Path) -> None:
    size = sum(tensor.nbytes for tensor in made().values())
    cache = StageCache(None, memory_bytes=3 * size)
    for name in "abcd":
        cache.put("scores", of(name), made(), in_memory=True)
    assert [cache.find(of(name)) is not None for name in "abcd"] == [False, True, True, True]
    small = StageCache(tmp_path, limit_bytes=10 * size)
    small.put("scores", of("a"), made(), in_memory=False)
    assert files(tmp_path) == []


def test_a_folder_that_cannot_be_written_costs_nothing_but_the_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    cache = StageCache(tmp_path / "file")
    cache.put("scores", of("a"), made(), in_memory=False)
    assert cache.find(of("a")) is None
    assert cache.counts["unwritten"] == 1


def test_a_full_disk_costs_nothing_but_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(tensors: object, part: Path, metadata: object) -> None:
        part.write_bytes(b"half")
        raise SafetensorError("I/O error: No space left on device")

    monkeypatch.setattr(stage_cache, "save_file", full)
    cache = StageCache(tmp_path)
    cache.put("scores", of("a"), made(), in_memory=False)
    assert cache.counts["unwritten"] == 1 and files(tmp_path) == []


def test_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAYSEARCH_CACHE", str(tmp_path))
    StageCache.of(StageCacheConfig()).put("scores", of("a"), made(), in_memory=False)
    assert len(files(tmp_path / "stages")) == 1
    given = StageCacheConfig(folder=str(tmp_path / "other"))
    StageCache.of(given).put("scores", of("a"), made(), in_memory=False)
    assert len(files(tmp_path / "other")) == 1
    assert StageCache.of(StageCacheConfig(limit_gib=0)).find(of("a")) is None


def test_off_makes_every_result_anew() -> None:
    runtime, calls = Runtime(cache=StageCache.off()), []

    def make() -> dict[str, torch.Tensor]:
        calls.append(1)
        return made()

    for _ in range(2):
        runtime.tensors("scores", ("a",), make, together=True)
    assert len(calls) == 2


class Pair:
    """Two processes, as two threads: both wait where they gather."""

    size = 2

    def __init__(self, rank: int, parts: list[object], barrier: threading.Barrier) -> None:
        self.rank, self._parts, self._barrier = rank, parts, barrier

    def gather(self, part):
        self._parts[self.rank] = list(part)
        self._barrier.wait(10)
        joined = [item for items in self._parts for item in items]
        self._barrier.wait(10)
        return joined


@pytest.mark.parametrize(("known", "made"), [((), [0, 1]), ((0,), [0, 1]), ((0, 1), [])])
def test_all_processes_find_a_result_or_all_make_it(known: tuple[int, ...], made: list[int]) -> None:
    """With weights spread over the processes one that found its result would leave the other waiting in the pass."""
    parts, barrier, makers = [None, None], threading.Barrier(2), []
    runtimes = [Runtime(communicator=Pair(rank, parts, barrier)) for rank in range(2)]

    def ask(rank: int, note: list[int]):
        def make():
            note.append(rank)
            return {"x": torch.full((2,), 7.0)}

        return runtimes[rank].tensors("reference_answers", ("key",), make, together=True)

    for rank in known:
        place = address("reference_answers", ("key",), runtimes[rank].device, 2)
        runtimes[rank].cache.put("reference_answers", place, {"x": torch.full((2,), 7.0)}, True)
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda rank: ask(rank, makers), range(2)))
    assert sorted(makers) == made
    assert all(torch.equal(tensors["x"], torch.full((2,), 7.0)) for tensors in found)
