"""The ledger as a table: one row a trial, flat columns. Needs neither torch nor Ray.

Columns: trial, kind, replicate_of, stage, state, reason, fidelity, feasible, seed, ``metric.NAME`` with
``low.NAME`` and ``high.NAME``, ``param.PATH``, ``constraint.NAME`` (feasible <= 0), ``cost_s.STAGE``, and ``config`` as
JSON text.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pandas as pd

from raysearch.config.load import Study
from raysearch.ledger.record import TrialRecord
from raysearch.ledger.run_folder import RunFolder


def read_frame(run: Path | str) -> pd.DataFrame:
    """All recorded trials of a run, one row each, by trial number. An empty run gives an empty table.

    Raises:
        RunFolderError: not a run folder, or a record cannot be read.
    """
    return frame(list(RunFolder.open(run).ledger))


def read_study(run: Path | str) -> Study:
    """The study as it was when the run started.

    Raises:
        RunFolderError: not a run folder.
    """
    return RunFolder.open(run).study()


def frame(records: list[TrialRecord]) -> pd.DataFrame:
    """Records as a flat table; see the module's text for the columns."""
    rows = [_row(record) for record in records]
    head = ["trial", "kind", "replicate_of", "stage", "state", "reason", "fidelity", "feasible", "seed"]
    rest = sorted({key for row in rows for key in row} - set(head))
    return pd.DataFrame(rows, columns=head + rest)


def _row(record: TrialRecord) -> dict[str, Any]:
    row: dict[str, Any] = {
        "trial": record.trial,
        "kind": record.kind,
        "replicate_of": record.replicate_of,
        "stage": record.stage,
        "state": record.state,
        "reason": record.reason,
        "fidelity": record.fidelity,
        "feasible": record.feasible,
        "seed": record.seed,
        "config": json.dumps(record.config, sort_keys=True),
    }
    for name, estimate in record.metrics.items():
        row |= {f"metric.{name}": estimate.value, f"low.{name}": estimate.low, f"high.{name}": estimate.high}
    row |= {f"param.{name}": value for name, value in record.params.items()}
    row |= {f"constraint.{name}": value for name, value in record.constraints.items()}
    row |= {f"cost_s.{name}": value for name, value in record.costs_s.items()}
    return row


def write_parquet(run: RunFolder) -> Path:
    """Writes ``RUN/ledger.parquet`` from the records, replacing the old copy in one step."""
    part = run.path / f".ledger.{os.getpid()}.part"
    to_parquet(frame(list(run.ledger)), part)
    part.rename(run.parquet)
    return run.parquet


def to_parquet(table: pd.DataFrame, path: Path) -> None:
    """Writes rows of the table; a parameter that is a number here and a word there becomes text, as Parquet needs."""
    mixed = [
        column
        for column in map(str, table.columns)
        if column.startswith("param.") and table[column].dropna().map(type).nunique() > 1
    ]
    words = {column: table[column].map(str, na_action="ignore") for column in mixed}
    table.assign(**words).to_parquet(path, index=False)
