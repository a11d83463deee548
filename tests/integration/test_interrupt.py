"""Ctrl-C at the terminal: the run stops cleanly, and resume finishes what is left; who watches sees all of it."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from raysearch.ledger.run_folder import RunFolder
from raysearch.report.sight import Sight
from raysearch.study import resume_study
from tests.integration.test_faults import busy, command
from tests.integration.test_study import Listener
from tests.studies import small_study

pytestmark = [pytest.mark.ray, pytest.mark.slow]


@pytest.mark.timeout(900)  # two starts of Ray, on a machine that may do other things
def test_one_ctrl_c_stops_cleanly_and_resume_finishes(tmp_path: Path, tiny_model: Path) -> None:
    study = small_study(tmp_path, tiny_model, "unlearning.steps=200")
    study.path.write_text(study.text)
    folder = tmp_path / "run"
    process = command(
        "run", str(study.path), "--out", str(folder), "--set", "unlearning.steps=200", "--set", "workers.groups=1"
    )
    assert busy(folder, process)
    line = [sys.executable, "-m", "raysearch.cli", "watch", str(folder)]
    watcher = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    sight, end = Sight(RunFolder.open(folder)), time.monotonic() + 10.0
    view = sight.look()
    while not any(group.trial is not None for group in view.groups.values()) and time.monotonic() < end:
        time.sleep(0.2)
        view = sight.look()
    assert (view.working, view.standing.split(" on ")[0]) == (True, f"searching, by process {process.pid}")
    assert view.total == 6 and view.tally.recorded >= 1 and set(view.groups) == {"group-0"}
    assert any(group.trial is not None for group in view.groups.values()), "what the workers do is on disk"
    process.send_signal(signal.SIGINT)
    assert process.wait(90) == 130
    _, error = process.communicate()
    assert b"Traceback" not in error
    run = RunFolder.open(folder)
    assert "no process works on it" in sight.look().standing
    before = {record.trial: record for record in run.ledger}
    assert 1 <= len(before) < 6
    assert all(record.state == "complete" for record in before.values()), "an interrupted trial has not failed"
    assert watcher.poll() is None, "it waits for somebody to go on"
    listener = Listener()
    resume_study(run, listener)
    assert (listener.total, listener.done) == (6, len(before))
    after = {record.trial: record for record in run.ledger}
    assert sorted(after) == list(range(6))
    assert all(after[number] == record for number, record in before.items())
    assert {record.state for record in after.values()} == {"complete"}
    said, error = watcher.communicate(timeout=30)
    assert (watcher.returncode, error) == (0, "")
    assert "done: nothing is left to do" in said and "6/6, 3 anchors" in said
