"""The actor between Ray Tune's trials and the worker groups: trials wait here for a group, groups for a trial.

A group's rank 0 asks for work; a trial whose group is lost goes to the front of the queue once more, and fails with its
reason when it is lost again: a trial that kills every worker must not kill the study.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from raysearch.errors import FailureReason
from raysearch.pipeline.leg import WHOLE, Leg

_MOST_ATTEMPTS = 2
"""A lost worker may be bad luck once; the same trial losing two groups is the trial's doing."""

_MUSTER_S = 30.0
"""Longest wait for Ray Tune's actors to come up; after that short trials are handed over more slowly, no more."""


@dataclass(frozen=True)
class Work:
    """A leg of a trial to run: its number, its whole configuration as plain values, and how far to go."""

    number: int
    config: dict[str, Any]
    leg: Leg = WHOLE


@dataclass(frozen=True)
class Result:
    """What a group (or the dispatcher, for a lost one) says of a trial.

    ``attempt`` is a pickled ``pipeline.attempt.Attempt``: the dispatcher has no use for it, and would import torch to
    have one. ``final`` says that the trial ends here.
    """

    number: int
    leg: Leg = WHOLE
    final: bool = True
    attempt: bytes | None = None
    reason: FailureReason | None = None
    detail: str | None = None
    started_at_s: float = 0.0
    finished_at_s: float = 0.0


@dataclass
class GroupState:
    """What a group is doing, for the screen."""

    work: Work | None = None
    epoch: int = 0
    alive: bool = False
    stage: str = "starting"
    done: int = 0
    total: int = 0
    values: dict[str, float] = field(default_factory=dict)
    timed_out: int = 0
    since_s: float = field(default_factory=time.time)


class Dispatcher:
    """Used as an asynchronous Ray actor; every method runs on its one event loop, so no locks are needed."""

    def __init__(self, groups: list[str]) -> None:
        self._groups = {name: GroupState() for name in groups}
        self._queue: deque[Work] = deque()
        self._ready = asyncio.Event()
        self._waiting: dict[int, asyncio.Future[bool]] = {}
        self._attempts: dict[int, int] = {}
        self._started: dict[int, float] = {}
        self._results: dict[int, Result] = {}
        self._stopping = False
        self._present = 0
        self._came = asyncio.Condition()

    async def present(self) -> None:
        """A new actor of Ray Tune's is up."""
        async with self._came:
            self._present += 1
            self._came.notify_all()

    async def submit(self, work: Work, crew: int = 0) -> bool:
        """Queues a leg and returns when it has a result, which stays here until ``collect``.

        Safe to repeat: a caller that was lost and started again waits for the same leg, or finds its result.

        Args:
            work: the leg.
            crew: how many of Tune's actors must have come up before a result is given. An actor that is done while
                others are on their way would be given the trial of one of those, which Tune then ends and replaces by
                another that comes last in the line: trials shorter than the start of an actor would never get more
                than a few actors to run on.

        Returns:
            Whether the trial has ended.
        """
        final = await self._done(work)
        async with self._came:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._came.wait_for(lambda: self._present >= crew or self._stopping), _MUSTER_S)
        return final

    async def _done(self, work: Work) -> bool:
        ready = self._results.get(work.number)
        if ready is not None and ready.leg.until == work.leg.until:
            return ready.final
        future = self._waiting.get(work.number)
        if future is None:
            future = self._waiting[work.number] = asyncio.get_running_loop().create_future()
            if not any(state.alive or state.stage == "starting" for state in self._groups.values()):
                self._fail(work, "no worker group is left", FailureReason.NO_WORKERS)
            else:
                self._queue.append(work)
                self._ready.set()
        return await asyncio.shield(future)

    async def collect(self, number: int) -> Result | None:
        """The result of a trial's leg, once; None where there is none."""
        return self._results.pop(number, None)

    async def join(self, group: str) -> int:
        """A group starts, or starts again: what it had in hand goes back to the queue. Returns its epoch."""
        state = self._groups[group]
        self._give_back(state, "its worker group was lost")
        state.epoch += 1
        state.alive, state.stage, state.since_s = True, "idle", time.time()
        return state.epoch

    async def leave(self, group: str, why: str) -> None:
        """A group is gone for good; with the last one every waiting trial fails."""
        state = self._groups[group]
        state.alive, state.stage = False, "lost"
        self._give_back(state, why)
        if not any(other.alive or other.stage == "starting" for other in self._groups.values()):
            while self._queue:
                self._fail(self._queue.popleft(), f"no worker group is left: {why}", FailureReason.NO_WORKERS)

    async def take(self, group: str, epoch: int, timeout_s: float) -> Work | None:
        """The next trial for a group; None after the time-out, so that idle groups show life, and when stopping."""
        state = self._groups[group]
        deadline = time.monotonic() + timeout_s
        while not self._queue and not self._stopping:
            self._ready.clear()
            try:
                await asyncio.wait_for(self._ready.wait(), max(0.0, deadline - time.monotonic()))
            except TimeoutError:
                return None
        if self._stopping or state.epoch != epoch or not self._queue:
            return None
        work = self._queue.popleft()
        state.work, state.stage, state.done, state.total, state.values = work, "starting trial", 0, 0, {}
        state.since_s = time.time()
        self._started.setdefault(work.number, time.time())
        self._attempts[work.number] = self._attempts.get(work.number, 0) + 1
        return work

    async def stopping(self) -> bool:
        """Whether groups should end."""
        return self._stopping

    async def finish(self, group: str, epoch: int, number: int, attempt: bytes, final: bool = True) -> None:
        """A group's result. One from before a restart is dropped: the trial is on its way again."""
        state = self._groups[group]
        if state.epoch != epoch or state.work is None or state.work.number != number:
            return
        work, state.work, state.stage, state.since_s = state.work, None, "idle", time.time()
        self._attempts[number] = 0  # losses count within a leg
        self._settle(Result(number, work.leg, final, attempt, None, None, self._started[number], time.time()))

    async def progress(
        self, group: str, epoch: int, stage: str, done: int, total: int, values: dict[str, float]
    ) -> bool:
        """What a group is doing now. Returns whether the study is being stopped."""
        state = self._groups[group]
        if state.epoch == epoch and state.work is not None:
            state.stage, state.done, state.total, state.values = stage, done, total, values
        return self._stopping

    async def time_outs(self, group: str) -> int:
        """How often a group ended because a trial took too long, what it has in hand now included."""
        state = self._groups[group]
        self._give_back(state, "its worker group was lost")
        return state.timed_out

    async def snapshot(self) -> dict[str, GroupState]:
        """All groups, for the screen."""
        return self._groups

    async def stop(self) -> None:
        """Ends the groups after what they have in hand; trials still waiting fail."""
        self._stopping = True
        while self._queue:
            self._fail(self._queue.popleft(), "the study was stopped")
        self._ready.set()
        async with self._came:
            self._came.notify_all()

    def _give_back(self, state: GroupState, why: str) -> None:
        work, state.work = state.work, None
        if work is None:
            return
        limit = work.leg.timeout_s
        if limit is not None and time.time() - state.since_s >= limit:
            state.timed_out += 1
            self._fail(work, f"over {limit:g} s in stage {state.stage}", FailureReason.TIMED_OUT)
            return
        if self._attempts[work.number] >= _MOST_ATTEMPTS:
            self._fail(work, f"{why}, {_MOST_ATTEMPTS} times with this trial")
            return
        self._queue.appendleft(work)
        self._ready.set()

    def _fail(self, work: Work, why: str, reason: FailureReason | None = None) -> None:
        reason = reason or (FailureReason.STOPPED if self._stopping else FailureReason.LOST_WORKER)
        started = self._started.get(work.number, time.time())
        self._settle(Result(work.number, work.leg, True, None, reason, why, started, time.time()))

    def _settle(self, result: Result) -> None:
        self._results[result.number] = result
        future = self._waiting.pop(result.number, None)
        if future is not None and not future.done():
            future.set_result(result.final)
