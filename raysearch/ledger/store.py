"""The ledger on disk: one JSON-lines file a record, each made whole before it gets its name.

``RUN/ledger/000007.jsonl`` holds trial 7. A record is written to a temporary file, flushed to the disk, and linked to
its name: a kill at any moment leaves a whole record or none, and an existing record can never be replaced.
``RUN/ledger.parquet`` is a copy for pandas, made from these files; it is never read back.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from raysearch.errors import RunFolderError
from raysearch.ledger.record import SCHEMA_VERSION, TrialRecord


class Ledger:
    """Append-only record of a study's trials.

    Args:
        folder: ``RUN/ledger``; made on the first append.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def append(self, record: TrialRecord) -> Path:
        """Adds a record.

        Raises:
            RunFolderError: the trial is recorded already, or the folder cannot be written.
        """
        target = self._folder / f"{record.trial:06d}.jsonl"
        part = self._folder / f".{record.trial:06d}.{os.getpid()}.part"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
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

    def __iter__(self) -> Iterator[TrialRecord]:
        """Records in order of trial number.

        Raises:
            RunFolderError: a record cannot be read, or a newer raysearch wrote it.
        """
        for path in sorted(self._folder.glob("[0-9]*.jsonl")):
            yield self._read(path)

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
        text = path.read_text(encoding="utf-8")
        try:
            record = TrialRecord.model_validate_json(text)
        except ValidationError as error:
            newer = f'"schema_version":{SCHEMA_VERSION}' not in text
            cause = "was it written by a newer raysearch?" if newer else f"{error.error_count()} fields are wrong"
            raise RunFolderError(f"{path}: cannot be read as a trial's record: {cause}") from error
        if record.schema_version > SCHEMA_VERSION:
            raise RunFolderError(
                f"{path}: written by a newer raysearch (record version {record.schema_version}, this one reads up to "
                f"{SCHEMA_VERSION}). Upgrade raysearch."
            )
        return record
