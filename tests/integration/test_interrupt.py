"""Ctrl-C at the terminal: the run stops cleanly, and resume finishes what is left."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from raysearch.ledger.run_folder import RunFolder
from raysearch.study import resume_study
from tests.integration.test_faults import busy, command
from tests.integration.test_study import Listener
from tests.studies import small_study

pytestmark = [pytest.mark.ray, pytest.mark.slow]


@pytest.mark.timeout(300)
def test_one_ctrl_c_stops_cleanly_and_resume_finishes(tmp_path: Path, tiny_model: Path) -> None:
    study = small_study(tmp_path, tiny_model, "unlearning.steps=200")
    study.path.write_text(study.text)
    folder = tmp_path / "run"
    process = command("run", str(study.path), "--out", str(folder), "--set", "unlearning.steps=200")
    assert busy(folder, process)
    time.sleep(1.0)
    process.send_signal(signal.SIGINT)
    assert process.wait(90) == 130
    _, error = process.communicate()
    assert b"Traceback" not in error
    run = RunFolder.open(folder)
    before = {record.trial: record for record in run.ledger}
    assert 1 <= len(before) < 6
    assert all(record.state == "complete" for record in before.values()), "an interrupted trial has not failed"
    listener = Listener()
    resume_study(run, listener)
    assert (listener.total, listener.done) == (6, len(before))
    after = {record.trial: record for record in run.ledger}
    assert sorted(after) == list(range(6))
    assert all(after[number] == record for number, record in before.items())
    assert {record.state for record in after.values()} == {"complete"}
