"""The driver's memory of its own ledger."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from raysearch.ledger.record import TrialRecord
from raysearch.ledger.run_folder import RunFolder
from raysearch.ledger.store import Ledger
from raysearch.study.driver import Driver

RECORDED = Path(__file__).resolve().parents[2] / "benchmarks" / "data" / "demo-60"


def driver(run: RunFolder) -> Driver:
    nothing: Any = None
    return Driver(run.study(), run, nothing, nothing)


def test_replicates_are_chosen_as_by_a_driver_that_reads_all_and_the_ledger_is_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(RECORDED, tmp_path / "run")
    run = RunFolder.open(tmp_path / "run")
    reads = []
    whole = Ledger.__iter__

    def counted(self: Ledger) -> Iterator[TrialRecord]:
        reads.append(1)
        return whole(self)

    monkeypatch.setattr(Ledger, "__iter__", counted)
    long_lived = driver(run)
    number, pending = len(list(run.ledger)), {}
    for _ in range(3):
        before = len(reads)
        found = long_lived.replicate(number, pending)
        cost = len(reads) - before
        assert found is not None
        assert found == driver(run).replicate(number, pending)
        assert found.config["seed"] not in {r.seed for r in run.ledger if r.replicate_of == found.replicate_of}
        assert cost <= (1 if number == len(list(whole(run.ledger))) else 0)
        long_lived.hand_out(found)
        pending = {found.replicate_of: pending.get(found.replicate_of, 0) + 1}
        number += 1
