"""Driver, workers and Ray's own processes killed for real, at random moments: every finished trial counts once."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import optuna
import psutil
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from raysearch.errors import RunFolderError
from raysearch.ledger.run_folder import RunFolder
from raysearch.study import resume_study
from raysearch.study.agenda import study_name
from tests.integration.test_study import Listener
from tests.studies import small_study

pytestmark = [pytest.mark.ray, pytest.mark.slow]

KILLS = 10
VICTIMS = ("RayTrainWorker", "ResourceTrainable", "Dispatcher", "raylet")  # the second is Tune's own actor
SETTINGS = [
    "unlearning.steps=90",
    "search.early_stopping={rungs: [30, 60], reduction_factor: 2}",
    "search.trials=12",
    "workers.groups=1",  # each start of a group imports torch: one is enough here, test_study has two
]


def command(*arguments: str) -> subprocess.Popen[bytes]:
    """The command line in a process group of its own, as a terminal would start it."""
    line = [sys.executable, "-m", "raysearch.cli", *arguments]
    return subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True)


def busy(folder: Path, process: subprocess.Popen[bytes]) -> bool:
    """Waits until the run works on a trial; False where it ended meanwhile."""
    known = len(list((folder / "ledger").glob("*.jsonl"))) if (folder / "ledger").is_dir() else 0
    while process.poll() is None:
        now = len(list((folder / "ledger").glob("*.jsonl"))) if (folder / "ledger").is_dir() else 0
        if now > known:
            return True
        time.sleep(0.1)
    return False


def kill(process: subprocess.Popen[bytes], victim: str) -> bool:
    """Kills the driver, or one of its Ray processes by a part of its title."""
    if victim == "driver":
        process.kill()
        return True
    with contextlib.suppress(psutil.Error):
        children = psutil.Process(process.pid).children(recursive=True)
        random.shuffle(children)
        for child in children:
            with contextlib.suppress(psutil.Error):
                if victim in " ".join(child.cmdline()):
                    os.kill(child.pid, signal.SIGKILL)
                    return True
    return False


def journal_states(run: RunFolder) -> list[tuple[str, int]]:
    storage = JournalStorage(JournalFileBackend(str(run.journal)))
    study = optuna.load_study(study_name=study_name(run), storage=storage)
    return [(trial.state.name, trial.user_attrs["trial"]) for trial in study.trials]


@pytest.mark.timeout(1500)  # eleven starts of Ray, on a machine that may do other things
def test_every_finished_trial_counts_once_through_ten_kills(tmp_path: Path, tiny_model: Path) -> None:
    study = small_study(tmp_path, tiny_model)
    study.path.write_text(study.text)
    folder = tmp_path / "run"
    settings = [part for setting in SETTINGS for part in ("--set", setting)]
    dice = random.Random(11)
    process = command("run", str(study.path), "--out", str(folder), *settings)
    asked, kills, missed, seen = 12, [], 0, {}
    start = time.monotonic()
    try:
        while len(kills) < KILLS:
            if not busy(folder, process):
                process.wait()
                records = {r.trial for r in RunFolder.open(folder).ledger} if folder.exists() else set()
                asked += 6 if len(records) >= asked + 3 else 0  # done before all kills: ask for more
                process = command("resume", str(folder), "--trials", str(asked))
                continue
            time.sleep(dice.uniform(0.0, 4.0))
            victim = "driver" if len(kills) % 2 == 0 else VICTIMS[len(kills) // 2 % len(VICTIMS)]
            if process.poll() is None and kill(process, victim):
                kills.append(victim)
                missed = 0
                print(f"{time.monotonic() - start:.0f} s: killed {victim}")
                for path in (folder / "ledger").glob("*.jsonl"):
                    text = path.read_bytes()
                    assert seen.setdefault(path.name, text) == text, "a finished trial was written again"
            else:
                missed += 1
                assert missed < 6, f"no process of the run is called {victim}"
        while process.wait() != 0 or len(list(RunFolder.open(folder).ledger)) < asked + 3:
            process = command("resume", str(folder), "--trials", str(asked))
    finally:
        process.kill()
    run = RunFolder.open(folder)
    records = list(run.ledger)
    assert [record.trial for record in records] == list(range(asked + 3)), kills
    assert {record.state for record in records} <= {"complete", "stopped"}, [
        (record.trial, record.reason, record.detail) for record in records if record.state == "failed"
    ]
    for name, text in seen.items():
        assert (folder / "ledger" / name).read_bytes() == text
    told = journal_states(run)
    assert sorted(number for _, number in told) == list(range(3, asked + 3)), "each sampled trial once"
    assert {state for state, _ in told} <= {"COMPLETE", "PRUNED"}, "no ghost is left running"
    by_number = {record.trial: record for record in records}
    assert all((by_number[number].state == "complete") == (state == "COMPLETE") for state, number in told)
    assert not list(run.checkpoints.glob("*")), "states of finished trials are removed"
    with run.driving(), pytest.raises(RunFolderError, match="another raysearch is working on this run"):
        resume_study(run, Listener())
