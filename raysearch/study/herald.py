"""Between a study and who listens: keeps ``RUN/progress.json``, and keeps a listener's errors away from the study."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Literal

from raysearch.config.load import Study
from raysearch.ledger.progress import GroupNow, Progress, write_progress
from raysearch.ledger.record import TrialRecord
from raysearch.ledger.run_folder import RunFolder
from raysearch.study.listener import Listener

_EVERY_S = 1.0
"""Somebody who looks on wants to see life; more would only wear out a network's disk."""


class Herald:
    """A listener that passes all on to another one, and to whoever reads the run's folder.

    Nothing that goes wrong in either stops the study: the first error of each call goes to the log with its traceback,
    and what is shown or written stays as it was.

    Args:
        listener: the screen.
        run: held by this process.
        work: what is done with it.
    """

    def __init__(self, listener: Listener, run: RunFolder, work: Literal["search", "confirm"] = "search") -> None:
        self._listener = listener
        self._run = run
        self._work = work
        self._total = 0
        self._groups: dict[str, GroupNow] = {}
        self._last = 0.0
        self._logged: set[str] = set()

    def __enter__(self) -> Herald:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._groups = {}
        self._write("done" if kind is None else "stopped")

    def say(self, text: str) -> None:
        """A line for the user."""
        self._safely("say", self._listener.say, text)

    def started(self, run: RunFolder, study: Study, total: int, done: int) -> None:
        """The work begins."""
        self._total = total
        self._write("working")
        self._safely("started", self._listener.started, run, study, total, done)

    def working(self, groups: dict[str, Any]) -> None:
        """What the groups do."""
        if time.monotonic() - self._last >= _EVERY_S:
            self._groups = {name: GroupNow.of(state) for name, state in groups.items()}
            self._write("working")
        self._safely("working", self._listener.working, groups)

    def reached(self, trial: int, fidelity: int) -> None:
        """A trial is at a rung."""
        self._safely("reached", self._listener.reached, trial, fidelity)

    def finished(self, record: TrialRecord) -> None:
        """A trial is in the ledger."""
        self._safely("finished", self._listener.finished, record)

    def _write(self, state: Literal["working", "done", "stopped"]) -> None:
        self._last = time.monotonic()
        progress = Progress(
            at_s=time.time(),
            host=socket.gethostname(),
            pid=os.getpid(),
            work=self._work,
            state=state,
            total=self._total,
            groups=self._groups,
        )
        self._safely("progress.json", write_progress, self._run, progress)

    def _safely(self, name: str, call: Callable[..., None], *arguments: Any) -> None:
        try:
            call(*arguments)
        except Exception:
            if name not in self._logged:
                self._logged.add(name)
                logging.getLogger(__name__).exception("%s: not shown; the study goes on", name)
