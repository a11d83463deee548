"""TensorBoard logs made from records: loss curves, objectives, and the HParams table. No torch, no TensorFlow.

tensorboard --logdir RUN
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams import api_pb2, plugin_data_pb2, summary_v2
from tensorboard.plugins.hparams import metadata as hparams_metadata
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from raysearch.config.load import Study
from raysearch.config.space import Choice, labels, parameters
from raysearch.ledger.record import TrialRecord

_NUMBER, _WORD, _SWITCH = api_pb2.DATA_TYPE_FLOAT64, api_pb2.DATA_TYPE_STRING, api_pb2.DATA_TYPE_BOOL


def write_trial(folder: Path, record: TrialRecord, study: Study) -> Path:
    """Writes one trial's logs to ``folder/trial-000007-combined``: HParams, curves by step, metrics at the last."""
    target = trial_folder(folder, record)
    writer = EventFileWriter(str(target))
    columns = _columns(study)
    hparams: dict[str, Any] = {"stage": record.stage, "kind": record.kind, **record.params}
    hparams = {name: str(value) if columns.get(name, _WORD) == _WORD else value for name, value in hparams.items()}
    _add(writer, summary_v2.hparams_pb(hparams, trial_id=target.name))
    _add(writer, _experiment(columns, study.config.objectives))
    for point in record.curves:
        _add(writer, _scalars({f"unlearning/{k}": v for k, v in point.items() if k != "step"}), int(point["step"]))
    last = int(record.curves[-1]["step"]) if record.curves else 0
    _add(writer, _scalars({f"objective/{name}": value for name, value in record.objectives.items()}), last)
    _add(writer, _scalars({f"metric/{name}": estimate.value for name, estimate in record.metrics.items()}), last)
    _add(writer, _scalars({f"cost_s/{name}": value for name, value in record.costs_s.items()}), last)
    status = api_pb2.STATUS_SUCCESS if record.state == "complete" else api_pb2.STATUS_FAILURE
    end = plugin_data_pb2.SessionEndInfo(status=status)
    _add(
        writer,
        _hparams_summary(
            hparams_metadata.SESSION_END_INFO_TAG, plugin_data_pb2.HParamsPluginData(session_end_info=end)
        ),
    )
    writer.close()
    return target


def trial_folder(folder: Path, record: TrialRecord) -> Path:
    """Where a trial's logs are."""
    return folder / f"trial-{record.trial:06d}-{record.stage}"


def _columns(study: Study) -> dict[str, Any]:
    """Name -> type of all that a trial of the study may have for a parameter."""
    found = {"stage": _WORD, "kind": _WORD}
    for name, parameter in parameters(study.space).items():
        kinds = {_NUMBER}
        if isinstance(parameter.distribution, Choice):
            kinds = {_kind(label) for label in labels(parameter.distribution)}
        found[name] = kinds.pop() if len(kinds) == 1 else _WORD
    return found


def _experiment(columns: Mapping[str, Any], objectives: Mapping[str, str]) -> Summary:
    """What the HParams table has for columns.

    TensorBoard takes those of the first trial that it reads for all of them, so each trial names the whole study's: an
    anchor, which has no sampled parameters, would leave a table without any.
    """
    hparams = [api_pb2.HParamInfo(name=name, type=kind) for name, kind in columns.items()]
    infos = [
        api_pb2.MetricInfo(name=api_pb2.MetricName(tag=f"objective/{name}"), display_name=name) for name in objectives
    ]
    experiment = api_pb2.Experiment(hparam_infos=hparams, metric_infos=infos)
    return _hparams_summary(hparams_metadata.EXPERIMENT_TAG, plugin_data_pb2.HParamsPluginData(experiment=experiment))


def _kind(value: Any) -> Any:
    if isinstance(value, bool):
        return _SWITCH
    return _NUMBER if isinstance(value, int | float) else _WORD


def _hparams_summary(tag: str, content: Any) -> Summary:
    return Summary(
        value=[
            Summary.Value(
                tag=tag, metadata=hparams_metadata.create_summary_metadata(content), tensor=hparams_metadata.NULL_TENSOR
            )
        ]
    )


def _scalars(values: dict[str, float]) -> Summary:
    return Summary(value=[Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()])


def _add(writer: EventFileWriter, summary: Summary, step: int = 0) -> None:
    writer.add_event(Event(summary=summary, step=step, wall_time=time.time()))
