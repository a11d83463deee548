"""Values as words: one rule for all serialisers."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from raysearch.errors import DataError
from raysearch.registry import suggestion

MISSING = "not stated"
"""A missing value is said rather than left out: texts of one table then have the same sentences, and that a person
did not answer is itself something a model may use."""


def in_words(value: object) -> str:
    """A cell as it stands in a sentence: ``34`` for 34.0, ``yes`` for True, ``not stated`` for a missing value."""
    if isinstance(value, str):
        return " ".join(value.split()) or MISSING
    if value is None or value is pd.NA or value is pd.NaT:
        return MISSING
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, float | np.floating):
        number = float(value)
        if np.isnan(number):
            return MISSING
        return str(int(number)) if number.is_integer() else f"{number:.6g}"
    return str(value)


def cell(row: Mapping[str, object], name: str) -> str:
    """A row's cell in words.

    Raises:
        DataError: the row has no such column.
    """
    if name not in row:
        raise DataError(f"text: the row has no column '{name}'. {suggestion(name, map(str, row))}")
    return in_words(row[name])
