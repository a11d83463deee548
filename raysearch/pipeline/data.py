"""Stage ``data``: table -> splits -> column order -> text, and counterfactual augmentation of the training rows."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from raysearch import registry
from raysearch.augment.counterfactual import augment
from raysearch.config.schema import DataConfig, TrialConfig
from raysearch.datasets.find import find
from raysearch.datasets.splits import Splits, measurable, split_rows, undersampled
from raysearch.datasets.table import TableData, parts_of
from raysearch.pipeline.leg import WHOLE, Leg
from raysearch.pipeline.runtime import Runtime
from raysearch.text.column_order import order_by_importance


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows as text, and as they stand in the table.

    Attributes:
        texts: one text a row.
        frame: the rows themselves.
        target: [rows] 0 or 1.
        groups: [rows] value of the sensitive attribute.
        origin: [rows] which person a row is of: a counterfactual copy is of its origin's.
        counterfactual: [rows] whether the row was flipped.
        weight: [rows] how much the row counts in training.
    """

    texts: tuple[str, ...]
    frame: pd.DataFrame
    target: NDArray[np.int64]
    groups: NDArray[Any]
    origin: NDArray[np.int64]
    counterfactual: NDArray[np.bool_]
    weight: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Data:
    """What a trial trains on and is judged on.

    Attributes:
        train: training rows, augmented ones included.
        judged: rows of the split that is judged; never augmented.
        judged_rows: [rows] their positions in the table.
        columns: (name, label) of the columns written, in order.
        kinds: ``numeric`` or ``categorical``, by column.
        also_by: more attributes to measure by -> (group of each judged row, groups large enough to measure).
        facts: counts for the record.
        example: a training row's text and its counterfactual's, for people.
    """

    train: Rows
    judged: Rows
    judged_rows: NDArray[np.int64]
    columns: tuple[tuple[str, str], ...]
    kinds: Mapping[str, str]
    also_by: Mapping[str, tuple[NDArray[Any], tuple[str, ...]]]
    facts: dict[str, Any]
    example: tuple[str, str]


def load_table(config: DataConfig) -> tuple[Any, TableData]:
    """The dataset component and its table.

    Raises:
        DataError: the table cannot serve.
        AssetError: it cannot be had.
    """
    dataset = find(config.table)
    return dataset, dataset.load(None if config.path is None else Path(config.path).expanduser())


def prepare(config: TrialConfig, runtime: Runtime, leg: Leg = WHOLE) -> Data:
    """Runs the stage. Column order is fitted on the training split alone, the whole of it at any fidelity."""
    dataset, table = runtime.once(("table", config.data.table, config.data.path), lambda: load_table(config.data))
    splits: Splits = runtime.once(("splits", config.data), lambda: split_rows(table, config.data))
    judged_rows = splits.validation if config.evaluation.split == "validation" else splits.test
    judged_rows, left_out = _large_enough(config.data, table, judged_rows)
    columns = _columns(config, table, splits, runtime)

    attribute = config.data.sensitive
    train_rows = splits.train[: leg.limit("data.train_rows", len(splits.train))]  # splits are nested: any prefix is one
    train_rows = undersampled(train_rows, table.target, np.asarray(table.groups(attribute)), config.data.balance)
    train_frame = table.frame.iloc[train_rows].reset_index(drop=True)
    groups = np.asarray(table.groups(attribute))
    augmented = augment(
        train_frame,
        table.target[train_rows],
        groups[train_rows],
        config.cda,
        lambda frame, values: dataset.counterfactual(frame, attribute, values),
        lambda value: dataset.other_values(attribute, value),
        config.seed,
    )
    write = _writer(config, columns)
    train = Rows(
        write(augmented.frame),
        augmented.frame,
        augmented.target,
        augmented.groups,
        augmented.origin,
        augmented.counterfactual,
        augmented.weight,
    )
    judged_frame = table.frame.iloc[judged_rows]
    judged = Rows(
        write(judged_frame),
        judged_frame,
        table.target[judged_rows],
        groups[judged_rows],
        origin=np.arange(len(judged_rows), dtype=np.int64),
        counterfactual=np.zeros(len(judged_rows), dtype=np.bool_),
        weight=np.ones(len(judged_rows)),
    )
    kinds = {column.name: column.kind for column in table.columns}
    flipped = dataset.counterfactual(
        train_frame.head(1), attribute, np.asarray([dataset.other_values(attribute, groups[train_rows][0])[0]])
    )
    facts = {
        "table_digest": table.digest,
        "table_notes": list(table.notes),
        "train_rows": len(train_rows),
        "augmented_rows": int(np.sum(augmented.counterfactual)),
        "judged_rows": len(judged_rows),
        "judged_split": config.evaluation.split,
        "columns": [name for name, _ in columns],
        "positive_label": table.target_label,
    }
    if left_out:
        facts["left_out_groups"] = left_out
    also_by = {
        more: (
            table.groups(more)[judged_rows],
            measurable(table, more, judged_rows, config.data.min_group_rows),
        )
        for more in config.data.also_by
    }
    example = (write(train_frame.head(1))[0], write(flipped)[0])
    return Data(train, judged, judged_rows, columns, kinds, also_by, facts, example)


def _large_enough(
    config: DataConfig, table: TableData, rows: NDArray[np.int64]
) -> tuple[NDArray[np.int64], dict[str, int]]:
    """(judged rows of groups that can be measured, group -> rows of the groups that were left out)."""
    if config.small_groups == "refuse":
        return rows, {}
    kept = measurable(table, config.sensitive, rows, config.min_group_rows)
    groups = table.groups(config.sensitive)[rows]
    held = {value: int(np.sum(groups == value)) for value in table.values(config.sensitive) if value not in kept}
    return rows[np.isin(groups, kept)], {value: count for value, count in held.items() if count}


def _columns(config: TrialConfig, table: TableData, splits: Splits, runtime: Runtime) -> tuple[tuple[str, str], ...]:
    labels = {column.name: column.label for column in table.columns}
    kinds = {column.name: column.kind for column in table.columns}
    names = tuple(labels)
    sensitive = parts_of(config.data.sensitive)
    if not config.text.include_sensitive:
        names = tuple(name for name in names if name not in sensitive)
    if config.text.column_order == "importance":
        names = runtime.once(
            ("order", config.data, names),
            lambda: _by_importance(config.data, table, splits, names, kinds, runtime),
        )
    kept = names[: config.text.max_columns]
    if config.text.include_sensitive and not set(sensitive) <= set(kept):
        # Dropping it for lack of importance would make augmentation a silent no-op.
        others = [name for name in kept if name not in sensitive]
        room = max(0, len(kept) - len(sensitive))
        chosen = {*others[:room], *sensitive}
        kept = tuple(name for name in kept if name in chosen)
        kept += tuple(part for part in sensitive if part not in kept)
    return tuple((name, labels[name]) for name in kept)


def _by_importance(
    config: DataConfig,
    table: TableData,
    splits: Splits,
    names: tuple[str, ...],
    kinds: Mapping[str, Literal["numeric", "categorical"]],
    runtime: Runtime,
) -> tuple[str, ...]:
    def fitted() -> dict[str, Tensor]:
        order = order_by_importance(
            table.frame.iloc[splits.train], names, kinds, table.target[splits.train], config.split_seed
        )
        return {"order": torch.tensor([names.index(name) for name in order])}

    key = (table.digest, hashlib.sha256(splits.train.tobytes()).hexdigest(), names, config.split_seed)
    order = runtime.tensors("column_order", key, fitted, together=True)["order"]
    return tuple(names[index] for index in order.tolist())


def _writer(config: TrialConfig, columns: tuple[tuple[str, str], ...]) -> Any:
    serializer = registry.get("serializer", config.text.serializer)()

    def write(frame: pd.DataFrame) -> tuple[str, ...]:
        rows: list[Mapping[str, object]] = frame.to_dict("records")  # type: ignore[assignment]
        return tuple(serializer.serialize(row, columns) for row in rows)

    return write
