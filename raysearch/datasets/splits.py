"""Rows of a table -> training, validation and test rows: stratified by label and group, disjoint, nested.

All rows are put into one sequence in which every stretch holds the strata in their proportions. The test rows are the
first stretch, validation the next, training the rest. So a seed fixes the test rows whatever else is asked for, and
more training rows are the same rows and some more: trials at different sizes are judged on the same people.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from raysearch.config.schema import DataConfig
from raysearch.datasets.table import TableData
from raysearch.errors import DataError

DEFAULT_SHARE = 0.2
"""Share of the table for the validation and for the test split where the configuration leaves their size open."""


@dataclass(frozen=True, eq=False)
class Splits:
    """Row positions of each split, in the order drawn."""

    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]


def split_rows(table: TableData, config: DataConfig) -> Splits:
    """Draws the three splits.

    ``test_rows`` and ``validation_rows`` of None are a fifth of the table each; ``train_rows`` of None is what is left.
    With four strata, a split's count of each is within three rows of its share of the table, mostly within one.

    Raises:
        DataError: not enough rows, a group too small in a judged split, or no such sensitive attribute.
    """
    groups = table.groups(config.sensitive)
    total = len(table.target)
    test = _size(config.test_rows, total)
    validation = _size(config.validation_rows, total)
    left = total - test - validation
    train = max(left, 1) if config.train_rows is None else config.train_rows
    if train > left:
        raise DataError(
            f"data: table '{table.name}' has {total} rows, but train_rows {train} + validation_rows {validation} + "
            f"test_rows {test} = {train + validation + test} are asked for. Lower one of them, to {total} together."
        )
    order = _sequence(table.target, groups, config.split_seed)
    splits = Splits(
        train=order[test + validation : test + validation + train],
        validation=order[test : test + validation],
        test=order[:test],
    )
    for name, rows in (("validation", splits.validation), ("test", splits.test)):
        if config.small_groups == "refuse":
            _check_groups(table, config, groups, name, rows)
        else:
            _check_two_groups(table, config, config.sensitive, name, rows)
        for more in config.also_by:
            _check_two_groups(table, config, more, name, rows)
    if len(np.unique(table.target[splits.train])) < 2:
        raise DataError(
            f"data: the {train} training rows of '{table.name}' hold one label only. Raise data.train_rows."
        )
    return splits


def measurable(table: TableData, attribute: str, rows: NDArray[np.int64], least: int) -> tuple[str, ...]:
    """The groups with at least so many positive and so many negative rows among those given, in their fixed order."""
    groups, target = table.groups(attribute)[rows], table.target[rows]
    return tuple(
        value
        for value in table.values(attribute)
        if min(int(np.sum((groups == value) & (target == label))) for label in (0, 1)) >= least
    )


def undersampled(
    rows: NDArray[np.int64], target: NDArray[np.int64], groups: NDArray[Any], balance: str
) -> NDArray[np.int64]:
    """The first so many rows of each stratum, as many as the smallest has, in the order given.

    Args:
        rows: positions in the table, in random order within a stratum.
        target: [table] label.
        groups: [table] value of the sensitive attribute.
        balance: ``none``, or what the strata are: ``label``, ``group``, ``label_and_group``.
    """
    if balance == "none":
        return rows
    labels = target[rows].astype(str) if "label" in balance else np.full(len(rows), "")
    of_group = groups[rows].astype(str) if "group" in balance else np.full(len(rows), "")
    strata = np.char.add(np.char.add(labels, "/"), of_group)
    fewest = int(np.unique(strata, return_counts=True)[1].min())
    kept = np.concatenate([np.flatnonzero(strata == stratum)[:fewest] for stratum in np.unique(strata)])
    found: NDArray[np.int64] = rows[np.sort(kept)]
    return found


def _size(rows: int | None, total: int) -> int:
    return round(DEFAULT_SHARE * total) if rows is None else rows


def _sequence(target: NDArray[np.int64], groups: NDArray[Any], seed: int) -> NDArray[np.int64]:
    """All rows, in random order within a stratum, the strata interleaved evenly.

    Row k of a stratum of m rows goes to place (k + u)/m with one random u in (0, 1) for the stratum, so that any
    stretch of places holds each stratum's share of it within one row.
    """
    rng = np.random.default_rng([seed, 0x5B117])
    place = np.empty(len(target))
    for group in np.unique(groups):
        for label in (0, 1):
            rows = np.flatnonzero((groups == group) & (target == label))
            shift = rng.uniform()
            place[rng.permutation(rows)] = (np.arange(len(rows)) + shift) / max(len(rows), 1)
    return np.argsort(place, kind="stable").astype(np.int64)


def _check_two_groups(
    table: TableData, config: DataConfig, attribute: str, split: str, rows: NDArray[np.int64]
) -> None:
    if len(measurable(table, attribute, rows, config.min_group_rows)) < 2:
        raise DataError(
            f"data: in the {split} split ({len(rows)} rows of '{table.name}') fewer than two groups of {attribute} "
            f"have {config.min_group_rows} positive and {config.min_group_rows} negative rows. Raise "
            f"data.{split}_rows, or lower data.min_group_rows."
        )


def _check_groups(
    table: TableData, config: DataConfig, groups: NDArray[Any], split: str, rows: NDArray[np.int64]
) -> None:
    for group in table.values(config.sensitive):
        for label, word in ((1, "positive"), (0, "negative")):
            size = int(np.sum((groups[rows] == group) & (table.target[rows] == label)))
            if size < config.min_group_rows:
                raise DataError(
                    f"data: the {split} split ({len(rows)} rows of '{table.name}') has {size} {word} rows of the group "
                    f"{config.sensitive}={group}, and min_group_rows asks for {config.min_group_rows}. Raise "
                    f"data.{split}_rows, lower data.min_group_rows and accept wide intervals, or let data.small_groups "
                    "be leave_out."
                )
