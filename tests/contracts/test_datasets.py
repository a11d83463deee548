"""What every table fulfils. A new file in ``datasets/tables`` is under these tests without another line here."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from raysearch import registry
from raysearch.assets.catalog import ARCHIVES
from raysearch.config.schema import DataConfig
from raysearch.datasets.splits import split_rows
from raysearch.datasets.table import Dataset, TableData
from raysearch.errors import DataError
from tests.small_tables import WRITERS

NAMES = registry.names("dataset")
GENDERED = re.compile(
    r"\b(male|female|m[ae]n|wom[ae]n|husband|wife|widow|widower|mother|father|son|daughter|mr|mrs|ms|he|she|his|her)\b",
    re.I,
)


@pytest.fixture(params=NAMES)
def dataset(request: pytest.FixtureRequest) -> Dataset:
    component: Dataset = registry.get("dataset", request.param)()
    return component


@pytest.fixture(params=["small", pytest.param("real", marks=pytest.mark.network)])
def load(request: pytest.FixtureRequest, dataset: Dataset, tmp_path: Path) -> Callable[[], TableData]:
    if request.param == "real":
        if dataset.archive is None:
            pytest.skip(f"{dataset.name} is not fetched")
        return lambda: dataset.load(None)
    if dataset.name not in WRITERS:
        pytest.skip(f"{dataset.name} has no small made-up files")
    folder = WRITERS[dataset.name](tmp_path / "table")
    return lambda: dataset.load(folder)


@pytest.fixture
def table(load: Callable[[], TableData]) -> TableData:
    return load()


def test_it_describes_itself(dataset: Dataset) -> None:
    assert registry.get("dataset", dataset.name) is type(dataset)
    assert isinstance(dataset, Dataset) and inspect.getdoc(type(dataset))
    for text in (dataset.description, dataset.licence, dataset.source):
        assert text and "\n" not in text
    assert dataset.archive is None or dataset.archive in ARCHIVES


def test_rows_columns_and_target_fit(table: TableData) -> None:
    assert list(table.frame.columns) == [column.name for column in table.columns]
    assert table.frame.index.tolist() == list(range(len(table.target)))
    assert table.target.dtype == np.int64 and set(table.target.tolist()) == {0, 1}
    assert not table.frame.isna().any().any()
    assert table.target_label and table.notes


def test_kinds_are_what_the_cells_are(table: TableData) -> None:
    for column in table.columns:
        assert pd.api.types.is_numeric_dtype(table.frame[column.name]) == (column.kind == "numeric"), column.name


def test_labels_are_natural_words(table: TableData) -> None:
    labels = [column.label for column in table.columns]
    assert len(set(labels)) == len(labels)
    assert all(re.fullmatch(r"[a-z][a-z ]*[a-z]", label) for label in labels)


def test_sensitive_attributes_are_columns_with_the_values_named(dataset: Dataset, table: TableData) -> None:
    assert table.sensitive == dict(dataset.sensitive) and table.sensitive
    for attribute, values in table.sensitive.items():
        assert set(table.groups(attribute).tolist()) <= set(values) and len(values) >= 2


def test_loading_again_gives_the_same_table(load: Callable[[], TableData]) -> None:
    first, second = load(), load()
    assert first.digest == second.digest and len(first.digest) == 64
    pd.testing.assert_frame_equal(first.frame, second.frame)


def test_it_can_be_split_at_the_defaults(table: TableData) -> None:
    small = DataConfig(train_rows=100, validation_rows=120, test_rows=120, min_group_rows=4)
    splits = split_rows(table, DataConfig() if len(table.target) >= 1000 else small)
    assert len(splits.train) >= 100


def test_other_values_are_all_but_the_one(dataset: Dataset) -> None:
    for attribute, values in dataset.sensitive.items():
        for value in values:
            assert (value, *dataset.other_values(attribute, value)) == (value, *(v for v in values if v != value))
        with pytest.raises(DataError, match="never 'nobody'"):
            dataset.other_values(attribute, "nobody")
    with pytest.raises(DataError, match="no sensitive attribute 'nothing'"):
        dataset.other_values("nothing", "nobody")


def test_a_counterfactual_changes_the_attribute_and_flips_back(dataset: Dataset, table: TableData) -> None:
    frame = table.frame.iloc[5:60]
    before = frame.copy()
    for attribute in dataset.sensitive:
        values = table.groups(attribute)[5:60]
        flipped_values = np.array([dataset.other_values(attribute, value)[0] for value in values])
        flipped = dataset.counterfactual(frame, attribute, flipped_values)
        pd.testing.assert_frame_equal(frame, before)
        assert flipped[attribute].tolist() == flipped_values.tolist()
        assert flipped.columns.tolist() == frame.columns.tolist() and flipped.dtypes.tolist() == frame.dtypes.tolist()
        pd.testing.assert_frame_equal(dataset.counterfactual(flipped, attribute, values), before)


def test_no_field_but_the_sex_tells_the_sex(dataset: Dataset, table: TableData) -> None:
    if "sex" not in dataset.sensitive:
        pytest.skip("sex is no sensitive attribute of this table")
    flipped = dataset.counterfactual(
        table.frame, "sex", np.array([dataset.other_values("sex", v)[0] for v in table.groups("sex")])
    )
    untouched = [c.name for c in table.columns if (flipped[c.name] == table.frame[c.name]).all()]
    for name in untouched:
        words = table.frame[name].unique()
        assert not any(GENDERED.search(str(word)) for word in words), name


def test_an_empty_folder_is_refused_with_the_file_named(dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=re.escape(str(tmp_path))):
        dataset.load(tmp_path)
