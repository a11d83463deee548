"""Splits: disjoint, stratified, nested, fixed by the seed; too small is said with the group and the remedy."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raysearch.config.schema import DataConfig
from raysearch.datasets.splits import Splits, split_rows, undersampled
from raysearch.datasets.table import Column, TableData
from raysearch.errors import DataError


def table(rows: int = 1200, women: float = 0.4, positives: float = 0.6, seed: int = 0) -> TableData:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"sex": np.where(rng.uniform(size=rows) < women, "female", "male")})
    target = (rng.uniform(size=rows) < positives).astype(np.int64)
    columns = (Column("sex", "sex", "categorical"),)
    return TableData("made_up", frame, columns, target, {"sex": ("male", "female")}, "yes", "", ())


def config(**given: Any) -> DataConfig:
    return DataConfig(**({"train_rows": 400, "validation_rows": 300, "test_rows": 300} | given))


def strata(data: TableData, rows: np.ndarray) -> dict[tuple[str, int], int]:
    sex = data.groups("sex")
    return {
        (g, y): int(np.sum((sex[rows] == g) & (data.target[rows] == y))) for g in ("male", "female") for y in (0, 1)
    }


def lists(splits: Splits) -> tuple[list[int], list[int], list[int]]:
    return splits.train.tolist(), splits.validation.tolist(), splits.test.tolist()


@given(seed=st.integers(0, 2**31), women=st.floats(0.2, 0.8), positives=st.floats(0.3, 0.8))
@settings(max_examples=30, deadline=None)
def test_splits_are_disjoint_of_the_asked_sizes_and_stratified(seed: int, women: float, positives: float) -> None:
    data = table(women=women, positives=positives, seed=seed % 1000)
    splits = split_rows(data, config(split_seed=seed, min_group_rows=2))
    everything = np.concatenate([splits.train, splits.validation, splits.test])
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [400, 300, 300]
    assert len(np.unique(everything)) == 1000 and everything.min() >= 0 and everything.max() < 1200
    whole = strata(data, np.arange(1200))
    for part in (splits.train, splits.validation, splits.test):
        for stratum, count in strata(data, part).items():
            assert abs(count - whole[stratum] * len(part) / 1200) < 3


def test_the_seed_alone_decides() -> None:
    data = table()
    assert lists(split_rows(data, config())) == lists(split_rows(data, config()))
    assert lists(split_rows(data, config())) != lists(split_rows(data, config(split_seed=1)))


def test_rows_are_drawn_from_the_whole_file_and_anew_for_another_seed() -> None:
    data = table()
    one, other = split_rows(data, config()), split_rows(data, config(split_seed=1))
    # 300 of 1200 rows: positions average 599.5 with a standard error of 17; two draws share 75 rows, standard error 7.
    assert abs(one.test.mean() - 599.5) < 85
    assert abs(len(np.intersect1d(one.test, other.test)) - 75) < 35


def test_more_training_rows_keep_all_that_was_there() -> None:
    data = table()
    few, many = split_rows(data, config(train_rows=100)), split_rows(data, config(train_rows=500))
    assert many.train[:100].tolist() == few.train.tolist()
    assert (few.validation.tolist(), few.test.tolist()) == (many.validation.tolist(), many.test.tolist())


def test_the_test_rows_do_not_depend_on_the_validation_rows() -> None:
    data = table()
    one, other = split_rows(data, config(validation_rows=200)), split_rows(data, config(validation_rows=350))
    assert one.test.tolist() == other.test.tolist()


def test_sizes_left_open_use_every_row() -> None:
    splits = split_rows(table(), config(train_rows=None, validation_rows=None, test_rows=None))
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [720, 240, 240]
    assert len(np.unique(np.concatenate([splits.train, splits.validation, splits.test]))) == 1200


@pytest.mark.parametrize("sizes", [{"train_rows": 700}, {"train_rows": None, "validation_rows": 600, "test_rows": 600}])
def test_too_few_rows_are_counted(sizes: dict[str, int | None]) -> None:
    with pytest.raises(DataError, match=r"has 1200 rows, but .* = 1[23]0[01] are asked for\. Lower"):
        split_rows(table(), config(**sizes))


def test_a_group_too_small_is_named_with_its_size_and_the_remedy() -> None:
    data = table(women=0.03)
    with pytest.raises(DataError) as caught:
        split_rows(data, config(min_group_rows=10))
    message = str(caught.value)
    size = strata(data, split_rows(data, config(min_group_rows=2)).validation)["female", 1]
    assert 2 <= size < 10
    assert f"validation split (300 rows of 'made_up') has {size} positive rows of the group sex=female" in message
    assert "data.validation_rows" in message and "min_group_rows asks for 10" in message


def test_an_unknown_sensitive_attribute_is_answered_with_the_nearest() -> None:
    with pytest.raises(DataError, match=r"no sensitive attribute 'sax'. Did you mean 'sex'\?"):
        split_rows(table(), config(sensitive="sax"))


@pytest.mark.parametrize("balance", ["label", "group", "label_and_group"])
def test_undersampling_makes_strata_equal_and_takes_rows_as_they_come(balance: str) -> None:
    rng = np.random.default_rng(0)
    target = (rng.uniform(size=300) < 0.3).astype(np.int64)
    groups = rng.choice(["male", "male", "female"], 300)
    rows = rng.permutation(300)[:200].astype(np.int64)
    kept = undersampled(rows, target, groups, balance)
    keys = [(target[row] if "label" in balance else None, groups[row] if "group" in balance else None) for row in kept]
    counts = Counter(keys)
    assert len(counts) == (4 if balance == "label_and_group" else 2) and len(set(counts.values())) == 1
    assert kept.tolist() == [row for row in rows.tolist() if row in set(kept.tolist())]
    larger = undersampled(rows[:150], target, groups, balance)
    assert set(larger.tolist()) <= set(kept.tolist())
    assert undersampled(rows, target, groups, "none") is rows
