"""From ``data.table`` to a dataset: a registered one by name, or one of the user's own by its description."""

from __future__ import annotations

from pathlib import Path

from raysearch import registry
from raysearch.config.schema import is_description
from raysearch.datasets.described import DescribedTable
from raysearch.datasets.table import Dataset


def find(table: str) -> Dataset:
    """The dataset that ``data.table`` names.

    Raises:
        ConfigError: all that is wrong with a description.
        DataError: a description, or its table, that cannot be read.
    """
    if is_description(table):
        return DescribedTable(Path(table).expanduser())
    dataset: Dataset = registry.get("dataset", table)()
    return dataset
