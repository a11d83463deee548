"""The ledger on disk: one JSON-lines file a record, each made whole before it gets its name.

``RUN/ledger/000007.jsonl`` holds trial 7, ``proposed/000007.jsonl`` what it was to be, ``rungs/000007-00000012.jsonl``
its result at fidelity 12. A record is written to a temporary file, flushed to the disk, and linked to its name: a kill
at any moment leaves a whole record or none, and an existing record can never be replaced. ``RUN/ledger.parquet`` is a
copy for pandas, made from these files; it is never read back.
"""

from __future__ import annotations

import os
import re
from collections.abc import Container, Iterator
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from raysearch.errors import RunFolderError
from raysearch.ledger.record import SCHEMA_VERSION, ProposalRecord, RungRecord, TrialRecord

R = TypeVar("R", bound=BaseModel)


class Ledger:
    """Append-only record of a study's trials.

    Args:
        folder: ``RUN/ledger``; made on the first append.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def append(self, record: TrialRecord) -> Path:
        """Adds a finished trial.

        Raises:
            RunFolderError: the trial is recorded already, or the folder cannot be written.
        """
        return self._write(self._folder / f"{record.trial:06d}.jsonl", record)

    def propose(self, record: ProposalRecord) -> Path:
        """Adds a trial that is about to be handed out.

        Raises:
            RunFolderError: as in ``append``.
        """
        return self._write(self._folder / "proposed" / f"{record.trial:06d}.jsonl", record)

    def reach(self, record: RungRecord) -> Path:
        """Adds a result below full fidelity.

        Raises:
            RunFolderError: as in ``append``.
        """
        return self._write(self._folder / "rungs" / f"{record.trial:06d}-{record.fidelity:08d}.jsonl", record)

    @staticmethod
    def _write(target: Path, record: TrialRecord | ProposalRecord | RungRecord) -> Path:
        part = target.with_name(f".{target.name}.{os.getpid()}.part")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with part.open("w", encoding="utf-8") as file:
                file.write(record.model_dump_json() + "\n")
                file.flush()
                os.fsync(file.fileno())
            try:
                os.link(part, target)
            finally:
                part.unlink()
        except FileExistsError as error:
            raise RunFolderError(
                f"{target}: trial {record.trial} is recorded already; records are never replaced"
            ) from error
        except OSError as error:
            raise RunFolderError(
                f"{target}: cannot be written ({error.strerror}). Free space or choose --out."
            ) from error
        return target

    def proposals(self) -> list[ProposalRecord]:
        """All trials that were handed out, by number."""
        return [_parse(path, ProposalRecord) for path in sorted((self._folder / "proposed").glob("[0-9]*.jsonl"))]

    def rungs(self) -> list[RungRecord]:
        """All results below full fidelity, by trial and fidelity."""
        return [_parse(path, RungRecord) for path in sorted((self._folder / "rungs").glob("[0-9]*.jsonl"))]

    def __iter__(self) -> Iterator[TrialRecord]:
        """Records in order of trial number.

        Raises:
            RunFolderError: a record cannot be read, or a newer raysearch wrote it.
        """
        yield from self.unknown(())

    def unknown(self, known: Container[int]) -> Iterator[TrialRecord]:
        """Records of trials that the caller does not know yet, by number: a record never changes once it is there.

        Raises:
            RunFolderError: as in ``__iter__``.
        """
        for path in sorted(self._folder.glob("[0-9]*.jsonl")):
            if int(path.stem) not in known:
                yield self._read(path)

    def unfinished(self) -> list[int]:
        """Numbers of the trials that were handed out and are not recorded; reads no file."""
        proposed = {path.name for path in (self._folder / "proposed").glob("[0-9]*.jsonl")}
        recorded = {path.name for path in self._folder.glob("[0-9]*.jsonl")}
        return sorted(int(name.removesuffix(".jsonl")) for name in proposed - recorded)

    def get(self, trial: int) -> TrialRecord:
        """One record.

        Raises:
            RunFolderError: no such trial.
        """
        path = self._folder / f"{trial:06d}.jsonl"
        if not path.is_file():
            known = [int(p.stem) for p in sorted(self._folder.glob("[0-9]*.jsonl"))]
            span = f"recorded: {known[0]} to {known[-1]}" if known else "none is recorded"
            raise RunFolderError(f"{self._folder}: no trial {trial}; {span}")
        return self._read(path)

    @staticmethod
    def _read(path: Path) -> TrialRecord:
        record = _parse(path, TrialRecord)
        if record.schema_version > SCHEMA_VERSION:
            raise RunFolderError(
                f"{path}: written by a newer raysearch (record version {record.schema_version}, this one reads up to "
                f"{SCHEMA_VERSION}). Upgrade raysearch."
            )
        return record


def _parse(path: Path, kind: type[R]) -> R:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RunFolderError(f"{path}: cannot be read ({error}). Restore it from a copy, or move it away.") from error
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        version = re.search(r'"schema_version":(\d+)', text)
        newer = version is not None and int(version[1]) > SCHEMA_VERSION
        cause = "a newer raysearch wrote it; upgrade" if newer else f"{error.error_count()} fields are wrong"
        raise RunFolderError(
            f"{path}: cannot be read as a record: {cause}. Restore it from a copy, or move it away."
        ) from error
