"""Worker groups that want the same at the same time: one makes it, the others do something else or wait."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from raysearch.pipeline import claims
from raysearch.pipeline.claims import Claims
from raysearch.pipeline.runtime import WAITING, Result, Runtime, Silent, Stopwatch
from raysearch.pipeline.stage_cache import StageCache

LONG_S = 20.0
"""Nothing here takes as long, unless it is stuck."""


class Listening(Silent):
    def __init__(self) -> None:
        self.waits = threading.Event()
        self.stages: list[str] = []

    def stage(self, name: str) -> None:
        self.stages.append(name)
        if name == WAITING:
            self.waits.set()


class Group:
    """A worker group of one process, here a thread: it shares nothing with another but the folder."""

    def __init__(self, name: str, folder: Path, made: list[str]) -> None:
        self.name = name
        self.heard = Listening()
        self.runtime = Runtime(cache=StageCache(folder), observer=self.heard)
        self._made = made

    def wants(self, key: str, during: Callable[[], object] = lambda: None) -> Result:
        def make() -> dict[str, torch.Tensor]:
            during()
            self._made.append(f"{self.name} {key}")
            return {"of": torch.tensor([ord(letter) for letter in key])}

        return Result("scores", (key,), make)

    def gets(self, *wanted: Result) -> list[list[int]]:
        return [tensors["of"].tolist() for tensors in self.runtime.all_of(wanted)]


def groups(folder: Path) -> tuple[Group, Group, list[str]]:
    made: list[str] = []
    return Group("a", folder, made), Group("b", folder, made), made


def claims_in(folder: Path) -> list[Path]:
    return list(folder.glob("*/.*.claim"))


def test_what_another_group_is_at_work_on_is_waited_for(tmp_path: Path) -> None:
    a, b, made = groups(tmp_path)
    with ThreadPoolExecutor(2) as pool:
        begun, go = threading.Event(), threading.Event()
        one = pool.submit(a.gets, a.wants("x", lambda: (begun.set(), go.wait(LONG_S))))
        assert begun.wait(LONG_S)
        b.runtime.stage = "intrinsic"
        other = pool.submit(b.gets, b.wants("x"))
        assert b.heard.waits.wait(LONG_S) and claims_in(tmp_path)
        go.set()
        assert one.result(LONG_S) == other.result(LONG_S) == [[ord("x")]]
    assert made == ["a x"] and b.heard.stages == [WAITING, "intrinsic"] and claims_in(tmp_path) == []
    assert a.runtime.cache.counts == {"scores made": 1} and b.runtime.cache.counts == {"scores found": 1}
    assert b.runtime.waited_s > 0 == a.runtime.waited_s


def test_groups_that_want_several_results_share_them_out(tmp_path: Path) -> None:
    a, b, made = groups(tmp_path)
    with ThreadPoolExecutor(2) as pool:
        begun, go = threading.Event(), threading.Event()
        one = pool.submit(a.gets, a.wants("x", lambda: (begun.set(), go.wait(LONG_S))), a.wants("y"))
        assert begun.wait(LONG_S)
        other = pool.submit(b.gets, b.wants("x"), b.wants("y"))
        assert b.heard.waits.wait(LONG_S)
        assert made == ["b y"]
        go.set()
        assert one.result(LONG_S) == other.result(LONG_S) == [[ord("x")], [ord("y")]]
    assert made == ["b y", "a x"]


def test_a_group_that_fails_leaves_the_work_to_the_next(tmp_path: Path) -> None:
    a, b, made = groups(tmp_path)

    def breaks() -> None:
        raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError, match="out of memory"):
        a.gets(a.wants("x", breaks))
    assert b.gets(b.wants("x")) == [[ord("x")]] and made == ["b x"]


def test_seconds_of_waiting_are_no_seconds_of_the_stage(tmp_path: Path) -> None:
    a, b, _ = groups(tmp_path)
    with ThreadPoolExecutor(2) as pool:
        begun = threading.Event()
        one = pool.submit(a.gets, a.wants("x", lambda: (begun.set(), b.heard.waits.wait(LONG_S), time.sleep(0.3))))
        assert begun.wait(LONG_S)
        watch = Stopwatch(b.runtime)
        with watch.stage("intrinsic"):
            b.gets(b.wants("x"))
        costs = watch.costs_s()
        one.result(LONG_S)
    assert costs[WAITING] == b.runtime.waited_s > 0.1
    assert 0 < costs["intrinsic"] <= costs["total"] - costs[WAITING]


def test_what_is_made_ahead_is_made_once(tmp_path: Path) -> None:
    a, b, made = groups(tmp_path)
    a.runtime.ahead(a.wants("x"))
    a.runtime.ahead(a.wants("x"))
    b.runtime.ahead(b.wants("x"))
    with b.runtime.cache.turn("scores", b.runtime._address(b.wants("y"))) as ours:
        assert ours
        a.runtime.ahead(a.wants("y"))  # comes back at once: another group is at work on it
    assert made == ["a x"]
    assert b.gets(b.wants("x")) == [[ord("x")]] and made == ["a x"]


def test_without_a_folder_or_a_disk_that_takes_it_nobody_waits(tmp_path: Path) -> None:
    alone = Runtime()
    alone.ahead(Result("scores", ("x",), lambda: pytest.fail("nobody else would find it")))
    (tmp_path / "file").write_text("")
    a, b, made = groups(tmp_path / "file")
    for group in (a, b, a):
        group.gets(group.wants("x"))
        with group.runtime.cache.turn("scores", group.runtime._address(group.wants("x"))) as ours:
            assert ours
    assert made == ["a x", "b x"], "a keeps it in memory"


def test_a_place_where_no_claim_can_be_made_or_freed_holds_nobody_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with Claims().hold(tmp_path / "link" / "ab" / ".result.claim") as ours:
        assert ours
    path = tmp_path / ".result.claim"
    path.write_text(f"999999999 {platform.node()}\n")

    def read_only(self: Path, missing_ok: bool = False) -> None:
        raise PermissionError(self)

    monkeypatch.setattr(Path, "unlink", read_only)
    with Claims().hold(path) as ours:
        assert ours


@pytest.mark.parametrize("words", [b"", b"\xff\xfe", "² somewhere".encode(), b"9" * 40])
def test_a_claim_that_says_nothing_is_held(tmp_path: Path, words: bytes) -> None:
    path = tmp_path / ".result.claim"
    path.write_bytes(words + f" {platform.node()}".encode() if words.isdigit() else words)
    with Claims().hold(path) as ours:
        assert not ours
    assert path.exists()


def test_patience_has_an_end(tmp_path: Path) -> None:
    a, b, made = groups(tmp_path)
    b.runtime.patience_s = 0.2
    with a.runtime.cache.turn("scores", a.runtime._address(a.wants("x"))) as ours:
        assert ours
        assert b.gets(b.wants("x")) == [[ord("x")]]
    assert made == ["b x"] and b.runtime.patience_s <= 0


def test_results_that_the_disk_does_not_take_are_not_waited_for(tmp_path: Path) -> None:
    a, b, made = groups(tmp_path)
    b.runtime.cache = StageCache(tmp_path, limit_bytes=10)
    b.gets(b.wants("x"))
    assert not b.runtime.cache.shares("scores") and b.runtime.cache.shares("features")
    with a.runtime.cache.turn("scores", a.runtime._address(a.wants("y"))) as ours:
        assert ours
        b.gets(b.wants("y"))
    assert made == ["b x", "b y"]


def test_the_claim_of_a_killed_process_is_free(tmp_path: Path) -> None:
    path = tmp_path / "ab" / ".result.claim"
    held = (
        "import sys, time; from pathlib import Path; from raysearch.pipeline.claims import Claims\n"
        "with Claims().hold(Path(sys.argv[1])) as ours: print(ours, flush=True); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", held, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "True\n"
    mine = Claims()
    with mine.hold(path) as ours:
        assert not ours
    process.kill()
    process.wait()
    answers = []
    for _ in range(2):
        with mine.hold(path) as ours:
            answers.append(ours)
    assert answers == [False, True] and not path.exists()


def test_a_claim_from_elsewhere_is_dead_when_nobody_touches_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, mine, now = tmp_path / ".result.claim", Claims(), [0.0]
    monkeypatch.setattr(claims, "time", SimpleNamespace(monotonic=lambda: now[0]))

    def is_mine() -> bool:
        with mine.hold(path) as ours:
            return ours

    path.write_text(f"{os.getpid()} not {platform.node()}\n")
    assert not is_mine()
    for touch in range(4):  # longer than the limit in all, never without a touch
        now[0] += 0.5 * claims._SILENT_S
        os.utime(path, (touch, touch))
        assert not is_mine() and path.exists()
    now[0] += 1.1 * claims._SILENT_S
    assert not is_mine() and not path.exists()
    assert is_mine()


def test_a_holder_touches_its_claim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "_BEAT_S", 0.02)
    path = tmp_path / ".result.claim"
    with Claims().hold(path) as ours:
        assert ours
        os.utime(path, (1, 1))
        until = time.monotonic() + LONG_S
        while path.stat().st_mtime == 1 and time.monotonic() < until:
            time.sleep(0.01)
        assert path.stat().st_mtime > 1
