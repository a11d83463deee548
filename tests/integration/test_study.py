"""A whole study on Ray on this machine: anchors, search, ledger, journal, front; a lost worker; two workers a trial."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pandas as pd
import psutil
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from raysearch.config.load import Study
from raysearch.config.schema import TrialConfig
from raysearch.errors import UserError
from raysearch.ledger.read import read_frame
from raysearch.ledger.record import TrialRecord
from raysearch.ledger.run_folder import RunFolder
from raysearch.ledger.store import Ledger
from raysearch.replay import replay, run_here
from raysearch.report import confirm_view
from raysearch.study import agenda, resume_study, run_study, warm_start
from raysearch.study.confirm import confirm
from tests.studies import small_study

pytestmark = pytest.mark.ray


class Listener:
    """Keeps what it hears; may act on what the groups do."""

    def __init__(self, act: Callable[[dict[str, Any]], None] = lambda groups: None) -> None:
        self.records: list[TrialRecord] = []
        self.lines: list[str] = []
        self.total = 0
        self._act = act

    def say(self, text: str) -> None:
        self.lines.append(text)

    def started(self, run: RunFolder, study: Study, total: int, done: int) -> None:
        self.total, self.done = total, done

    def working(self, groups: dict[str, Any]) -> None:
        self._act(groups)

    def reached(self, trial: int, fidelity: int) -> None: ...

    def finished(self, record: TrialRecord) -> None:
        self.records.append(record)


def journal_states(run: RunFolder) -> list[str]:
    storage = JournalStorage(JournalFileBackend(str(run.journal)))
    study = optuna.load_study(study_name=agenda.study_name(run), storage=storage)
    return [trial.state.name for trial in study.trials]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> tuple[RunFolder, Listener]:
    """A study of three anchors and three trials on two groups; one worker is killed while it trains."""
    folder = tmp_path_factory.mktemp("study")
    killed: list[int] = []

    def kill_one(groups: dict[str, Any]) -> None:
        training = [state for state in groups.values() if state.stage == "unlearning" and state.done >= 1]
        if training and not killed:
            for process in psutil.Process().children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    if "RayTrainWorker" in " ".join(process.cmdline()):
                        killed.append(process.pid)
                        os.kill(process.pid, signal.SIGKILL)
                        return

    listener = Listener(kill_one)
    study = small_study(folder, tiny_model, "unlearning.steps=60")
    run = run_study(study, folder / "run", listener)
    assert killed, "no worker was killed, so the test would show nothing"
    return run, listener


def test_every_trial_is_recorded_once_though_a_worker_was_killed(finished) -> None:
    run, listener = finished
    records = list(run.ledger)
    assert [record.trial for record in records] == list(range(6))
    assert [record.kind for record in records] == ["anchor"] * 3 + ["search"] * 3
    assert [record.stage for record in records[:3]] == ["baseline", "cda", "unlearning"]
    assert {record.state for record in records} == {"complete"}
    assert sorted(record.trial for record in listener.records) == list(range(6))
    assert listener.records[0].stage == "baseline"
    assert listener.total == 6


def test_optunas_journal_has_the_sampled_trials_and_none_left_running(finished) -> None:
    assert journal_states(finished[0]) == ["COMPLETE"] * 3


def test_a_record_holds_what_an_auditor_asks_for(finished) -> None:
    record = finished[0].ledger.get(4)
    assert set(record.objectives) == set(finished[0].study().config.objectives)
    assert set(record.constraints) == {"accuracy >= baseline - 1", "answer_mass_ratio <= 100"}
    assert sum(sum(map(sum, counts)) for counts in record.groups.values()) == 40
    assert {"model", "data", "unlearning", "intrinsic", "downstream", "metrics", "total"} <= set(record.costs_s)
    assert {"torch", "transformers", "raysearch"} <= set(record.versions)
    assert record.definitions["intrinsic_gap"] == "1"
    assert TrialConfig.model_validate(record.config).stage == record.stage
    assert len(record.curves) == 60


def test_the_ledger_reads_as_a_table_and_parquet(finished) -> None:
    run, _ = finished
    table = read_frame(run.path)
    assert len(table) == 6
    assert len(pd.read_parquet(run.parquet)) == 6
    assert table["metric.intrinsic_gap"].between(0, 1).all()


def test_tensorboard_logs_are_there_for_every_trial(finished) -> None:
    assert len(list(finished[0].tensorboard.glob("trial-*/events*"))) == 6


def with_a_winner(run: RunFolder, folder: Path, trial: int = 3) -> RunFolder:
    """A copy in which a sampled trial has the best objectives that there are."""
    copy = RunFolder(Path(shutil.copytree(run.path, folder)))
    best = run.ledger.get(trial).model_dump()
    for name, estimate in best["metrics"].items():
        value = 1.0 if name == "accuracy" else 0.0 if name in best["objectives"] else estimate["value"]
        best["metrics"][name] = estimate | {"value": value, "low": value, "high": value}
    (copy.path / "ledger" / f"{trial:06d}.jsonl").write_text(TrialRecord.model_validate(best).model_dump_json() + "\n")
    return copy


def test_the_front_is_scored_once_on_test(finished, tmp_path: Path) -> None:
    run = with_a_winner(finished[0], tmp_path / "copy")
    listener = Listener()
    done = confirm(run, listener)
    assert done.new and done.anchors == (0, 1, 2)
    assert done.members
    scored = {record.trial: record for record in Ledger(run.path / "confirmation")}
    assert set(scored) == {*done.members, *done.anchors}
    for record in scored.values():
        validation = run.ledger.get(record.trial)
        assert record.config["evaluation"]["split"] == "test"
        assert record.evidence.rows != validation.evidence.rows
        assert record.evidence.pairs != validation.evidence.pairs
        assert record.curves == validation.curves, "the same training, bit for bit"
    before = sorted((path.name, path.read_bytes()) for path in (run.path / "confirmation").glob("*.json*"))
    again = confirm(run, listener)
    assert (again.new, again.members, again.scored_at) == (False, done.members, done.scored_at)
    assert before == sorted((path.name, path.read_bytes()) for path in (run.path / "confirmation").glob("*.json*"))
    config = run.study().config
    found = confirm_view.read(run, config.objectives, config.corner)
    assert any(found.optimistic) and any(found.pessimistic)
    assert found.hypervolumes["optimistic"] >= found.hypervolumes["pessimistic"]
    assert confirm_view.draw_confirmed(found, config.objectives, run.path / "x.png").stat().st_size > 10_000


def test_a_front_that_changed_after_it_was_scored_is_not_scored_again(finished, tmp_path: Path) -> None:
    before = with_a_winner(finished[0], tmp_path / "before", 3)
    plan = {"scored_at": "then", "members": [3], "anchors": [], "trials": [3]}
    place = before.path / "confirmation"
    place.mkdir()
    (place / "confirmation.json").write_text(json.dumps(plan))
    Ledger(place).append(before.ledger.get(3))
    after = with_a_winner(before, tmp_path / "after", 4)
    (after.path / "ledger" / "000003.jsonl").write_bytes((finished[0].path / "ledger" / "000003.jsonl").read_bytes())
    done = confirm(after, Listener())
    assert (done.changed, done.new, done.members, done.scored_at) == (True, False, (3,), "then")
    assert [record.trial for record in Ledger(after.path / "confirmation")] == [3]


def test_warm_start_takes_what_fits_and_refuses_a_run_of_which_nothing_does(
    finished, tmp_path: Path, tiny_model: Path
) -> None:
    run, _ = finished
    said: list[str] = []
    warm = warm_start.gather(run.study(), [run.path], said.append)
    assert [trial.origin for trial in warm] == ["run#3", "run#4", "run#5"]
    assert [trial.params for trial in warm] == [run.ledger.get(n).params for n in (3, 4, 5)]
    assert said == [f"warm start: 3 of 3 complete trials of {run.path} fit this study"]
    other = small_study(tmp_path, tiny_model, "data.validation_rows=50")
    with pytest.raises(UserError, match="none of its 3 complete sampled trials fits this study"):
        warm_start.gather(other, [run.path], said.append)
    fresh = RunFolder.create(tmp_path / "fresh", run.study().text, {"overrides": list(run.study().overrides)})
    warm_start.keep(fresh, warm)
    assert warm_start.kept(fresh) == warm
    study = agenda.optuna_study(run.study(), fresh, warm)
    assert [trial.state.name for trial in study.trials] == ["COMPLETE"] * 3
    assert [trial.user_attrs["warm_start"] for trial in study.trials] == ["run#3", "run#4", "run#5"]


def test_a_workers_trial_replays_bit_for_bit_in_this_process(finished) -> None:
    again = replay(finished[0], 3)
    assert again.changed == ()
    assert again.same, [d for d in again.differences if not d.same]


def test_fresh_groups_give_the_numbers_of_warm_ones_each_trial_in_another_process(finished, tmp_path: Path) -> None:
    warm, _ = finished
    settings = [*warm.manifest()["overrides"], "workers={groups: 1, fresh_group_per_trial: true, max_restarts: 0}"]
    fresh = RunFolder.create(tmp_path / "fresh", warm.study().text, {"overrides": settings})
    again = (3, 4)  # what an earlier driver has proposed and not finished is run as it was proposed
    for proposal in warm.ledger.proposals():
        fresh.ledger.propose(proposal)
    for record in warm.ledger:
        if record.trial not in again:
            fresh.ledger.append(record)
    resume_study(fresh, Listener())
    for trial in again:
        one, other = (run.ledger.get(trial) for run in (fresh, warm))
        same = ("state", "reason", "objectives", "constraints", "metrics", "breakdown", "groups", "curves", "evidence")
        assert {name: getattr(one, name) for name in same} == {name: getattr(other, name) for name in same}
        assert one.facts == other.facts
    processes = [fresh.ledger.get(trial).execution["process"] for trial in again]
    assert len(set(processes)) == 2, "each trial has a process of its own"
    assert len({record.execution["process"] for record in warm.ledger}) <= 3, "two groups, one of them restarted"


def test_the_command_shows_the_front_and_two_workers_give_the_result_of_one_process(
    tmp_path: Path, tiny_model: Path
) -> None:
    study = small_study(tmp_path, tiny_model)
    study.path.write_text(study.text)
    settings = ["--set", "workers={groups: 1, workers_per_group: 2}", "--set", "cda={mode: duplicate}"]
    command = [sys.executable, "-m", "raysearch.cli", "run", str(study.path), "--out", str(tmp_path / "run")]
    wide = {**os.environ, "COLUMNS": "200"}  # the paths stand in one line
    arguments = [*command, "--trials", "1", "--workers", "2", *settings]
    done = subprocess.run(arguments, capture_output=True, text=True, env=wide)
    assert done.returncode == 0, done.stderr
    for words in ("Pareto front", "baseline anchor", "front.png", "front.csv", "Run folder"):
        assert words in done.stdout, done.stdout
    assert "ray" not in done.stderr.lower(), "Ray's chatter belongs in the log"
    run = RunFolder.open(tmp_path / "run")
    assert "Started a local Ray instance" in (run.logs / "ray.log").read_text()
    assert (run.path / "front.png").read_bytes().startswith(b"\x89PNG")

    record = run.ledger.get(3)
    assert record.execution["workers"] == 2
    alone = run_here(TrialConfig.model_validate(record.config), threads=1)
    for name, estimate in record.metrics.items():
        assert alone.metrics[name].value == pytest.approx(estimate.value, rel=1e-3, abs=1e-5), name
    for ours, theirs in zip(alone.curves, record.curves, strict=True):
        assert theirs == pytest.approx(ours, rel=1e-3, abs=1e-6)
