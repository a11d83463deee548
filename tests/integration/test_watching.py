"""Looking on from other processes: optuna-dashboard, TensorBoard, and Ctrl-C that ends the looking alone."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from raysearch.ledger.run_folder import RunFolder
from raysearch.ledger.tensorboard import write_trial
from raysearch.search.dashboard import server
from raysearch.search.storage import holding
from raysearch.study import agenda

RECORDED = Path(__file__).parents[2] / "benchmarks" / "data" / "demo-60"


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """A copy of a recorded study."""
    return RunFolder.open(shutil.copytree(RECORDED, tmp_path / "demo-60"))


def fetch(address: str, method: str = "GET", body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(address, data, {"Content-Type": "application/json"}, method=method)
    with urllib.request.urlopen(request, timeout=60) as answer:
        text = answer.read().decode()
    return json.loads(text) if "json" in answer.headers["Content-Type"] else text


@pytest.fixture(params=["journal", "ledger"])
def dashboard(run: RunFolder, request: pytest.FixtureRequest) -> Iterator[tuple[RunFolder, str]]:
    """A run with its journal or without one, and the address of its study's page."""
    if request.param == "journal":
        agenda.optuna_study(run.study(), run, [])
    storage = holding(run.optuna_name, run.journal)
    assert (storage is None) == (request.param == "ledger")
    served, address = server(storage or agenda.from_ledger(run), run.optuna_name, 0)
    thread = threading.Thread(target=served.serve_forever, daemon=True)
    thread.start()
    yield run, address
    served.shutdown()
    served.server_close()
    thread.join()


def test_the_dashboard_shows_the_runs_study_and_changes_nothing(dashboard: tuple[RunFolder, str]) -> None:
    run, page = dashboard
    before = run.journal.read_bytes() if run.journal.exists() else None
    assert "<html" in fetch(page).lower()
    base, number = page.split("/dashboard")[0], page.rsplit("/", 1)[1]
    study = f"{base}/api/studies/{number}"
    found = fetch(study)
    searched = [record for record in run.ledger if record.kind == "search"]
    assert len(found["trials"]) == len(searched)
    assert found["trials"][0]["values"] == list(searched[0].objectives.values())
    assert list(run.study().config.objectives) in found.values(), "objectives are called by their names"
    assert fetch(f"{study}/param_importances")["param_importances"]
    for method, address in (("DELETE", study), ("POST", f"{study}/rename"), ("PUT", f"{study}/note")):
        with pytest.raises(urllib.error.HTTPError, match="403"):
            fetch(address, method, {})
    assert len(fetch(study)["trials"]) == len(searched)
    assert before == (run.journal.read_bytes() if run.journal.exists() else None)


def started(*arguments: str) -> subprocess.Popen[str]:
    line = [sys.executable, "-m", "raysearch.cli", *arguments]
    return subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)


@pytest.mark.parametrize(
    ("verb", "words"),
    [
        (("watch",), "no process works on it; resume with"),
        (("dashboard", "--port", "0", "--no-open"), "http://127.0.0.1:"),
    ],
)
def test_ctrl_c_ends_the_looking_without_a_traceback(run: RunFolder, verb: tuple[str, ...], words: str) -> None:
    agenda.optuna_study(run.study(), run, [])
    (run.path / "ledger" / "000060.jsonl").unlink()  # something is left to do
    process = started(verb[0], str(run.path), *verb[1:])
    assert process.stdout is not None
    said = ""
    while words not in said:
        line = process.stdout.readline()
        assert line, process.communicate()
        said += line
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=30)
    assert (process.returncode, error) == (130, "")


def test_tensorboard_on_the_runs_folder_shows_curves_and_the_hparams_table(run: RunFolder) -> None:
    study = run.study()
    records = list(run.ledger)[:6]
    for record in records:
        write_trial(run.tensorboard, record, study)
    port = free_port()
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(run.path), "--port", str(port)]
    process = subprocess.Popen([*command, "--load_fast", "false"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        data = f"http://127.0.0.1:{port}/data"
        names = [f"tensorboard/trial-{record.trial:06d}-{record.stage}" for record in records]
        until(lambda: fetch(f"{data}/runs") == names)
        tags = until(lambda: fetch(f"{data}/plugin/scalars/tags"))
        assert {"unlearning/loss", "objective/accuracy", "cost_s/total"} <= set(tags[names[-1]])
        curve = fetch(f"{data}/plugin/scalars/scalars?run={names[-1]}&tag=unlearning/loss")
        assert [value for _, _, value in curve] == pytest.approx([point["loss"] for point in records[-1].curves])
        experiment = fetch(f"{data}/plugin/hparams/experiment", "POST", {"experimentName": ""})
        columns = [info["name"] for info in experiment["hparamInfos"]]
        assert set(columns) == {"stage", "kind"} | {name for record in run.ledger for name in record.params}
        states = ["STATUS_SUCCESS", "STATUS_FAILURE"]
        asked = {"experimentName": "", "allowedStatuses": states, "startIndex": 0, "sliceSize": 99}
        asked["colParams"] = [{"hparam": name} for name in columns]
        table = fetch(f"{data}/plugin/hparams/session_groups", "POST", asked)["sessionGroups"]
        shown = {row["sessions"][0]["name"]: row for row in table}
        assert sorted(shown) == names
        for name, record in zip(names, records, strict=True):
            assert {key: shown[name]["hparams"].get(key) for key in record.params} == record.params
            objectives = {value["name"]["tag"]: value["value"] for value in shown[name]["metricValues"]}
            assert objectives == pytest.approx({f"objective/{key}": value for key, value in record.objectives.items()})
    finally:
        process.terminate()
        process.wait()


def free_port() -> int:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def until(look: Any, most_s: float = 60.0) -> Any:
    """What ``look`` gives as soon as it gives something true; a server that does not answer yet has nothing."""
    end = time.monotonic() + most_s
    while time.monotonic() < end:
        try:
            found = look()
        except OSError:
            found = None
        if found:
            return found
        time.sleep(0.2)
    raise AssertionError("nothing came")
