"""What a run's workers do just now, for those who look on from elsewhere: ``RUN/progress.json``.

The process that drives the run replaces the file about once a second, whole or not at all. Nothing is computed from it
and it may be deleted at any time: what was found is in the ledger. It ends with a word on how the work ended; a process
that was killed leaves it as it was, which its time, and the run's lock, give away.
"""

from __future__ import annotations

import math
import socket
import time
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from raysearch.ledger.run_folder import RunFolder

VERSION = 1
STALE_S = 30.0
"""A file that was not replaced for so long is nobody's any more: a busy machine may be late, by seconds."""


class GroupNow(BaseModel):
    """What a worker group does.

    Attributes:
        trial: number of the trial that it has in hand; None while it has none.
        stage: of the pipeline; or idle, starting, lost.
        done: steps of the stage that are done.
        total: steps of the stage; 0 where it has none.
        loss: of the last step, if it is known and finite.
    """

    model_config = ConfigDict(frozen=True)

    trial: int | None = None
    stage: str
    done: int = 0
    total: int = 0
    loss: float | None = None

    @classmethod
    def of(cls, state: Any) -> GroupNow:
        """From what the dispatcher says (``workers.dispatcher.GroupState``)."""
        loss = state.values.get("loss", math.nan)
        return cls(
            trial=None if state.work is None else state.work.number,
            stage=state.stage,
            done=state.done,
            total=state.total,
            loss=loss if math.isfinite(loss) else None,
        )

    def __str__(self) -> str:
        if self.trial is None:
            return self.stage
        step = f" {self.done}/{self.total}" if self.total else ""
        loss = "" if self.loss is None else f", loss {self.loss:.3f}"
        return f"trial {self.trial}: {self.stage}{step}{loss}"


class Progress(BaseModel):
    """One state of the file.

    Attributes:
        version: of the file's shape; a newer one is not read.
        at_s: when it was written, seconds since the epoch.
        host: machine of the process that drives the run.
        pid: its number there.
        work: a search, or the scoring of its front on the test split.
        state: working; done; or stopped, by the user or by an error.
        total: trials of this work in all.
        groups: by name.
    """

    model_config = ConfigDict(frozen=True)

    version: int = VERSION
    at_s: float
    host: str
    pid: int
    work: Literal["search", "confirm"]
    state: Literal["working", "done", "stopped"]
    total: int
    groups: dict[str, GroupNow] = {}


def write_progress(run: RunFolder, progress: Progress) -> None:
    """Replaces the file in one step. Only the process that drives the run may.

    Raises:
        OSError: the folder cannot be written.
    """
    part = run.path / ".progress.part"
    part.write_text(progress.model_dump_json(), encoding="utf-8")
    part.replace(_file(run))


def read_progress(run: RunFolder) -> Progress | None:
    """The file as it is; None where there is none that this version can read."""
    try:
        found = Progress.model_validate_json(_file(run).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValidationError):
        return None
    return found if found.version <= VERSION else None


def at_work(run: RunFolder, progress: Progress | None) -> bool:
    """Whether a process works on a run.

    On its own machine the lock knows. Seen from another, over a shared file system that may not pass locks on, a file
    that is fresh shows it, too.
    """
    if run.is_driven():
        return True
    if progress is None or progress.host == socket.gethostname():
        return False
    return progress.state == "working" and abs(time.time() - progress.at_s) < STALE_S


def _file(run: RunFolder) -> Path:
    return run.path / "progress.json"
