"""The ledger keeps whole records, once each, and pandas reads them."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import time
from pathlib import Path

import pandas as pd
import pytest

from raysearch.config.load import Study
from raysearch.config.schema import TrialConfig
from raysearch.errors import RunFolderError
from raysearch.ledger.read import frame, read_frame, read_study, write_parquet
from raysearch.ledger.record import Estimate, ProposalRecord, RungRecord, TrialRecord
from raysearch.ledger.run_folder import RunFolder, new_run_path
from raysearch.ledger.store import Ledger
from raysearch.ledger.tensorboard import write_trial

STUDY = "name: small\ntrial: {seed: !int {low: 0, high: 9}}\n"
SPACE = """\
name: small
trial:
  seed: !int {low: 0, high: 9}
  text: {max_columns: !choice [null, 4]}
  cda: !choice [{mode: none}, {mode: replace}]
objectives: {accuracy: maximize}
"""


def record(trial: int, **changes) -> TrialRecord:
    given = {
        "study": "small",
        "trial": trial,
        "kind": "search",
        "stage": "baseline",
        "state": "complete",
        "params": {"seed": trial},
        "config": TrialConfig().model_dump(mode="json"),
        "seed": trial,
        "objectives": {"accuracy": 0.7},
        "constraints": {"accuracy >= 0.5": -0.2},
        "feasible": True,
        "metrics": {"accuracy": Estimate(value=0.7, low=0.6, high=0.8, n=100)},
        "groups": {"female": [[10, 2], [3, 9]]},
        "costs_s": {"total": 1.5},
        "curves": [{"step": 1.0, "loss": 0.5}, {"step": 2.0, "loss": 0.25}],
    }
    return TrialRecord.model_validate(given | changes)


def study(text: str = STUDY) -> Study:
    return Study.from_text(text, Path("small.yaml"), ())


def make_run(tmp_path: Path) -> RunFolder:
    return RunFolder.create(tmp_path / "run", STUDY, {"overrides": []})


def test_records_come_back_as_written_in_order(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    for trial in (11, 2, 0):
        ledger.append(record(trial))
    assert [r.trial for r in ledger] == [0, 2, 11]
    assert ledger.get(2) == record(2)


def test_a_record_is_never_replaced(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.append(record(3))
    with pytest.raises(RunFolderError, match="trial 3 is recorded already"):
        ledger.append(record(3, seed=99))
    assert ledger.get(3).seed == 3


def test_a_missing_trial_says_which_there_are(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.append(record(4))
    with pytest.raises(RunFolderError, match="no trial 9; recorded: 4 to 4"):
        ledger.get(9)


def test_a_newer_record_and_a_damaged_one_are_named(tmp_path: Path) -> None:
    newer = record(0).model_dump(mode="json") | {"schema_version": 99}
    (tmp_path / "000000.jsonl").write_text(json.dumps(newer))
    with pytest.raises(RunFolderError, match="newer raysearch"):
        list(Ledger(tmp_path))
    (tmp_path / "000000.jsonl").write_text('{"schema_version":1')
    with pytest.raises(RunFolderError, match=r"000000\.jsonl: cannot be read"):
        list(Ledger(tmp_path))


def _append_for_ever(folder: Path) -> None:
    ledger = Ledger(folder)
    big = {f"step{i}": float(i) for i in range(200)}
    for trial in range(100_000):
        ledger.append(record(trial, curves=[big] * 50))


@pytest.mark.parametrize("after_s", [0.05, 0.11, 0.17])
def test_a_kill_at_any_moment_leaves_whole_records(tmp_path: Path, after_s: float) -> None:
    writer = multiprocessing.get_context("spawn").Process(target=_append_for_ever, args=(tmp_path,))
    writer.start()
    while not list(tmp_path.glob("*.jsonl")):
        assert writer.is_alive()
        time.sleep(0.005)
    time.sleep(after_s)
    assert writer.pid is not None
    os.kill(writer.pid, signal.SIGKILL)
    writer.join()
    found = [r.trial for r in Ledger(tmp_path)]
    assert found == list(range(len(found)))
    Ledger(tmp_path).append(record(len(found)))


def test_pandas_reads_json_lines_and_parquet(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    run.ledger.append(record(0))
    run.ledger.append(record(1, state="failed", reason="out of memory", feasible=None, objectives={}, metrics={}))
    lines = pd.concat(pd.read_json(path, lines=True) for path in sorted((run.path / "ledger").glob("*.jsonl")))
    assert lines["trial"].tolist() == [0, 1]
    table = pd.read_parquet(write_parquet(run))
    assert table["trial"].tolist() == [0, 1]
    assert table.loc[0, "metric.accuracy"] == 0.7
    assert table.loc[0, "low.accuracy"] == 0.6
    assert table.loc[0, "param.seed"] == 0
    assert table.loc[1, "reason"] == "out of memory"
    assert json.loads(table.loc[0, "config"]) == TrialConfig().model_dump(mode="json")


def test_parameters_of_mixed_kinds_go_to_parquet(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    run.ledger.append(record(0, params={"seed": 1}))
    run.ledger.append(record(1, params={"seed": "none"}))
    assert pd.read_parquet(write_parquet(run))["param.seed"].tolist() == ["1", "none"]


def test_an_empty_run_gives_an_empty_table(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    assert read_frame(run.path).empty
    assert "state" in frame([]).columns
    assert read_study(run.path).config.name == "small"


def test_a_folder_that_holds_something_is_never_written_to(tmp_path: Path) -> None:
    (tmp_path / "precious.txt").write_text("x")
    with pytest.raises(RunFolderError, match="never overwritten"):
        RunFolder.create(tmp_path, STUDY, {})
    assert [p.name for p in tmp_path.iterdir()] == ["precious.txt"]


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFolderError, match="cannot be made or written"):
        RunFolder.create(tmp_path / "file" / "run", STUDY, {})


def test_opening_what_is_no_run_says_so(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="no such folder"):
        RunFolder.open(tmp_path / "nothing")
    with pytest.raises(RunFolderError, match="not a run folder"):
        RunFolder.open(tmp_path)


def test_new_runs_get_names_of_their_own(tmp_path: Path) -> None:
    first = new_run_path("demo", tmp_path)
    first.mkdir()
    assert new_run_path("demo", tmp_path) != first


def test_tensorboard_loads_curves_metrics_and_hparams(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams import plugin_data_pb2

    target = write_trial(tmp_path, record(5), study())
    events = EventAccumulator(str(target))
    events.Reload()
    assert [event.value for event in events.Scalars("unlearning/loss")] == [0.5, 0.25]
    assert events.Scalars("objective/accuracy")[0].value == pytest.approx(0.7)
    content = events.summary_metadata["_hparams_/session_start_info"].plugin_data.content
    start = plugin_data_pb2.HParamsPluginData.FromString(content).session_start_info
    assert start.hparams["seed"].number_value == 5
    assert start.hparams["stage"].string_value == "baseline"


def test_tensorboards_own_hparams_page_has_a_column_a_parameter_though_anchors_have_none(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing import data_provider, plugin_event_multiplexer
    from tensorboard.context import RequestContext
    from tensorboard.plugins.base_plugin import TBContext
    from tensorboard.plugins.hparams import api_pb2, backend_context

    write_trial(tmp_path, record(0, kind="anchor", params={}), study(SPACE))
    write_trial(tmp_path, record(5, params={"seed": 3, "text.max_columns": "none", "cda": "replace"}), study(SPACE))
    multiplexer = plugin_event_multiplexer.EventMultiplexer()
    multiplexer.AddRunsFromDirectory(str(tmp_path))
    multiplexer.Reload()
    provider = data_provider.MultiplexerDataProvider(multiplexer, str(tmp_path))
    context = backend_context.Context(TBContext(data_provider=provider))
    found = context.experiment_from_metadata(
        RequestContext(),
        "",
        include_metrics=True,
        hparams_run_to_tag_to_content=context.hparams_metadata(RequestContext(), ""),
        data_provider_hparams=[],
    )
    kinds = {info.name: api_pb2.DataType.Name(info.type).removeprefix("DATA_TYPE_") for info in found.hparam_infos}
    word, number = "STRING", "FLOAT64"
    assert kinds == {"stage": word, "kind": word, "seed": number, "text.max_columns": word, "cda": word}
    assert [info.display_name for info in found.metric_infos] == ["accuracy"]


@pytest.mark.parametrize(("name", "text"), [("manifest.json", "[1]"), ("manifest.json", "{}"), ("manifest.json", "{")])
def test_a_broken_manifest_is_one_line(tmp_path: Path, name: str, text: str) -> None:
    run = RunFolder.create(tmp_path / "run", STUDY, {"overrides": []})
    (run.path / name).write_text(text)
    with pytest.raises(RunFolderError, match="cannot be read"):
        RunFolder.open(run.path)


def test_a_run_without_its_study_is_one_line(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path / "run", STUDY, {"overrides": []})
    (run.path / "study.yaml").unlink()
    with pytest.raises(RunFolderError, match="restore it from a copy"):
        run.study()


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff\xfe", b'{"schema_version":99}'])
def test_a_damaged_record_is_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "000003.jsonl").write_bytes(content)
    with pytest.raises(RunFolderError, match=r"000003\.jsonl: cannot be read"):
        list(Ledger(tmp_path))


def test_proposals_and_rungs_are_kept_apart_from_trials(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.propose(ProposalRecord(trial=3, kind="search", params={"x": 1}, config={"x": 1}))
    ledger.reach(RungRecord(trial=3, fidelity=12, objectives={"accuracy": 0.5}))
    ledger.reach(RungRecord(trial=3, fidelity=6, objectives={"accuracy": 0.4}))
    assert list(ledger) == []
    assert [p.trial for p in ledger.proposals()] == [3]
    assert [r.fidelity for r in ledger.rungs()] == [6, 12]
    with pytest.raises(RunFolderError, match="trial 3 is recorded already"):
        ledger.reach(RungRecord(trial=3, fidelity=6, objectives={}))
