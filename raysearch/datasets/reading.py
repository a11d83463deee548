"""Reads files of a table, so that whatever is wrong with them is said with the file, the column and the remedy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from raysearch.errors import DataError
from raysearch.registry import suggestion


def read_rows(
    file: Path,
    needed: Sequence[str],
    names: Sequence[str] | None = None,
    separator: str = ",",
    comment: str | None = None,
    wide: bool = False,
) -> pd.DataFrame:
    """The needed columns of a text table; every cell is still text.

    Args:
        file: a CSV file, or alike.
        needed: columns that must be there.
        names: column names of a file without a header.
        separator: what stands between cells.
        comment: a character with which lines begin that are no rows.
        wide: the file has a header and many more columns, which are not to fill the memory; rows with too many cells
            then pass unseen.

    Raises:
        DataError: missing, unreadable, empty, or a column is lacking.
    """
    try:
        frame = pd.read_csv(
            file,
            sep=separator,
            comment=comment,
            header=0 if names is None else None,
            dtype=str,
            usecols=set(needed).__contains__ if wide else None,
            keep_default_na=False,
            index_col=False,
            encoding="utf-8-sig",
            on_bad_lines="error",
        )
    except FileNotFoundError as error:
        raise DataError(f"{file}: no such file. Give the table's file, or leave data.path out to fetch it.") from error
    except pd.errors.EmptyDataError as error:
        raise DataError(f"{file}: the file is empty. Give a file with the columns {_some(needed)}.") from error
    except (pd.errors.ParserError, UnicodeDecodeError, OSError, ValueError) as error:
        said = " ".join(str(error).split())
        raise DataError(
            f"{file}: cannot be read as a table ({said}). Save it as UTF-8 text, one row a line."
        ) from error
    if names is not None:
        if frame.shape[1] != len(names):
            lacking = f"; '{names[frame.shape[1]]}' is lacking" if frame.shape[1] < len(names) else ""
            raise DataError(
                f"{file}: a row must have {len(names)} cells separated by '{separator}', but has "
                f"{frame.shape[1]}{lacking}. Give the file in its original form, without a header."
            )
        frame.columns = pd.Index(names)
    for column in needed:
        if column not in frame.columns:
            there = pd.read_csv(file, sep=separator, nrows=0).columns if wide else frame.columns
            raise DataError(
                f"{file}: column '{column}' is lacking. {suggestion(column, map(str, there))} "
                "Add it, or rename the column that holds it."
            )
    if frame.empty:
        raise DataError(f"{file}: there are columns but no rows. Give a file with data.")
    return frame[list(needed)]


def numbers(frame: pd.DataFrame, column: str, file: Path) -> pd.Series[Any]:
    """A column as whole numbers.

    Raises:
        DataError: a cell is not a whole number.
    """
    values = pd.to_numeric(frame[column], errors="coerce")
    wrong = ~np.isfinite(values) | (values % 1 != 0)
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        cell = frame[column].iloc[row]
        raise DataError(
            f"{file}: column '{column}' must hold whole numbers, but data row {row + 1} has '{cell}'. "
            "Correct that cell or take the row out."
        )
    return values.astype("int64")


def decode(frame: pd.DataFrame, column: str, words: Mapping[Any, str], file: Path) -> pd.Series[Any]:
    """A column of codes as words.

    Raises:
        DataError: a code that has no meaning.
    """
    strange = frame[column][~frame[column].isin(list(words))]
    if len(strange):
        known = ", ".join(str(code) for code in words)
        raise DataError(
            f"{file}: column '{column}' has the code '{strange.iloc[0]}', which means nothing. Known codes: {known}. "
            "Recode or take out such rows."
        )
    return frame[column].map(dict(words)).astype("str")


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:6]) + (", ..." if len(names) > 6 else "")
