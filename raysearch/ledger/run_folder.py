"""A run's folder: what lies where, and who may write.

RUN/study.yaml         the study as given
RUN/manifest.json      when, with what command and what overrides
RUN/ledger/            one file a fact: the truth (``store.py``)
RUN/warm_start.jsonl   trials of earlier runs that the search began with
RUN/checkpoints/       states of unfinished trials
RUN/driver.lock        held by the one process that may write
RUN/progress.json      what the workers do just now (``progress.py``)
RUN/ledger.parquet     a copy of it for pandas
RUN/optuna.journal     Optuna's own journal of the study
RUN/tensorboard/       curves and HParams, a folder a trial
RUN/front.csv, .png    the front, as table and picture
RUN/logs/              everything that Ray, transformers and the workers said
"""

from __future__ import annotations

import json
import os
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from raysearch.config.load import Study
from raysearch.errors import RunFolderError
from raysearch.ledger.store import Ledger

MANIFEST_VERSION = 1
_LOOK_S = 0.5
"""Who looks whether a run is driven holds its lock for a moment: a driver that comes just then waits for so long."""


@dataclass(frozen=True)
class RunFolder:
    """Paths of one run. ``create`` makes it, ``open`` finds it."""

    path: Path

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.path / "ledger")

    @property
    def parquet(self) -> Path:
        return self.path / "ledger.parquet"

    @property
    def journal(self) -> Path:
        return self.path / "optuna.journal"

    @property
    def optuna_name(self) -> str:
        """Of Optuna's study: the folder's name, and the run's own id, so that runs in one database never meet."""
        return f"{self.path.resolve().name}-{self.manifest().get('id', 'old')}"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def warm_start(self) -> Path:
        return self.path / "warm_start.jsonl"

    @property
    def tensorboard(self) -> Path:
        return self.path / "tensorboard"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    def study(self) -> Study:
        """The study that this run was started with."""
        path = self.path / "study.yaml"
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise RunFolderError(f"{path}: cannot be read ({error}); restore it from a copy of the run") from error
        return Study.from_text(text, path, self.manifest().get("overrides", ()))

    def manifest(self) -> dict[str, Any]:
        """What ``create`` wrote down."""
        data: dict[str, Any] = json.loads((self.path / "manifest.json").read_text(encoding="utf-8"))
        return data

    def asked_trials(self, study: Study | None = None) -> int:
        """Sampled trials that were asked for: the study's number, or the last extension's.

        Args:
            study: this run's, where the caller has read it already.
        """
        extended: list[int] = self.manifest().get("extended_to", [])
        return extended[-1] if extended else (study or self.study()).config.search.trials

    def confirmed(self) -> bool:
        """Whether the front was scored on test, to the last trial; a plan to do so is not enough."""
        place = self.path / "confirmation"
        try:
            planned = json.loads((place / "confirmation.json").read_text(encoding="utf-8"))["trials"]
        except (OSError, ValueError, KeyError):
            return False
        return {f"{trial:06d}.jsonl" for trial in planned} <= {path.name for path in place.glob("[0-9]*.jsonl")}

    def extend(self, trials: int) -> None:
        """Writes down that so many sampled trials are asked for now."""
        manifest = self.manifest()
        _write_manifest(self.path, {**manifest, "extended_to": [*manifest.get("extended_to", []), trials]})

    @contextmanager
    def driving(self) -> Iterator[None]:
        """Holds the run for this process; the operating system lets go of it when the process ends, however it ends.

        Raises:
            RunFolderError: another process holds it.
        """
        lock = FileLock(self.path / "driver.lock")
        try:
            lock.acquire(timeout=_LOOK_S)
        except Timeout:
            raise RunFolderError(
                f"{self.path}: another raysearch is working on this run. Wait for it or stop it (Ctrl-C), then "
                f"`raysearch resume {self.path}`."
            ) from None
        except OSError as error:
            raise RunFolderError(f"{self.path}/driver.lock: cannot be written ({error.strerror}).") from error
        try:
            yield
        finally:
            lock.release()

    def is_driven(self) -> bool:
        """Whether a process holds the run just now. Writes nothing: a run may be there to be read only."""
        if not (self.path / "driver.lock").exists():
            return False
        try:
            with FileLock(self.path / "driver.lock").acquire(timeout=0):
                return False
        except Timeout:
            return True
        except OSError:  # a run that may only be read: nobody here drives it
            return False

    @classmethod
    def open(cls, path: Path | str) -> RunFolder:
        """An existing run.

        Raises:
            RunFolderError: no such folder, not a run, or of a newer version.
        """
        folder = Path(path).expanduser()
        if not (folder / "manifest.json").is_file():
            what = "no such folder" if not folder.exists() else "not a run folder (it has no manifest.json)"
            near = _runs_in(folder if folder.is_dir() else folder.parent)
            raise RunFolderError(f"{folder}: {what}. {near}")
        run = cls(folder)
        try:
            version = int(run.manifest()["manifest_version"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RunFolderError(f"{folder}/manifest.json: cannot be read; restore it or run again") from error
        if version > MANIFEST_VERSION:
            raise RunFolderError(
                f"{folder}: written by a newer raysearch (manifest version {version}). Upgrade raysearch."
            )
        return run

    @classmethod
    def create(cls, path: Path, study_text: str, facts: dict[str, Any]) -> RunFolder:
        """Makes a new run. Its manifest is written last, so a half-made folder is no run.

        Raises:
            RunFolderError: the folder holds something already, or cannot be written.
        """
        try:
            path.mkdir(parents=True, exist_ok=True)
            if any(path.iterdir()):
                raise RunFolderError(f"{path}: is not empty; results are never overwritten. Choose another --out.")
            (path / "logs").mkdir()
            (path / "ledger").mkdir()
            (path / "study.yaml").write_text(study_text, encoding="utf-8")
            _write_manifest(
                path, {"manifest_version": MANIFEST_VERSION, "id": uuid.uuid4().hex[:12], "created_at": now(), **facts}
            )
        except OSError as error:
            raise RunFolderError(
                f"{path}: cannot be made or written ({error.strerror}). Choose a folder you may write to with --out."
            ) from error
        return cls(path)


def _write_manifest(path: Path, manifest: dict[str, Any]) -> None:
    part = path / ".manifest.part"
    part.write_text(json.dumps(manifest, indent=1), encoding="utf-8")
    part.rename(path / "manifest.json")


def new_run_path(name: str, root: Path = Path("runs")) -> Path:
    """``runs/NAME-YYYYMMDD-HHMMSS``, with a number where that is taken."""
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    path, count = root / f"{name}-{stamp}", 1
    while path.exists():
        count += 1
        path = root / f"{name}-{stamp}-{count}"
    return path


def now() -> str:
    """The time in UTC, ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _runs_in(folder: Path) -> str:
    if not folder.is_dir() or not os.access(folder, os.R_OK):
        return "Give a folder that `raysearch run` made."
    runs = sorted(
        p.name for p in folder.iterdir() if (p / "manifest.json").is_file() and re.search(r"\d{8}-\d{6}", p.name)
    )
    return f"Runs there: {', '.join(runs[-3:])}." if runs else "Give a folder that `raysearch run` made."
