"""A table of the user's own, described by one YAML file beside it: no code.

data: {table: ./loans.yaml, sensitive: gender}
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
from pydantic import Field, model_validator

from raysearch.config.block import Block
from raysearch.config.load import read_block
from raysearch.datasets.reading import decode, read_rows
from raysearch.datasets.table import Column, Dataset, TableData
from raysearch.errors import DataError
from raysearch.registry import suggestion

MOST_GROUPS = 20
"""More groups than that are no groups: an age in years, a name."""
Scalar = str | int | float | bool


class ColumnDescription(Block):
    """A column that is written into a row's text."""

    label: str = Field(min_length=1)
    """Its name in a sentence."""
    words: dict[Scalar, str] = Field(default_factory=dict)
    """What its codes mean; without, the cells stand as they are. A column with words is never a number."""
    missing: str | None = None
    """The word for an empty cell; without, an empty cell is an error."""


class TargetDescription(Block):
    """What is predicted."""

    column: str
    positive: Annotated[tuple[Scalar, ...], Field(strict=False, min_length=1)]
    """Cells that count as 1, the favourable outcome; all others count as 0."""
    label: str = Field(min_length=1)
    """What 1 means, in words."""


class TableDescription(Block):
    """The whole file. Unknown keys are errors."""

    file: str
    """The table, CSV or Parquet with named columns; a relative path is relative to this file."""
    separator: str = Field(default=",", min_length=1, max_length=1)
    target: TargetDescription
    columns: dict[str, ColumnDescription] = Field(min_length=1)
    """Columns to write, in this order. What is not named here is never read: leave out what gives the target away."""
    sensitive: Annotated[tuple[str, ...], Field(strict=False, min_length=1)]
    """Columns whose values are groups; each must be among the columns."""
    counterfactual: dict[str, dict[str, Annotated[tuple[dict[str, str], ...], Field(strict=False)]]] = Field(
        default_factory=dict
    )
    """Sensitive attribute -> column -> sets of parallel words, value -> word: `gender: {title: [{male: Mr, female:
    Ms}]}`. Where the attribute is flipped, the word changes with it."""
    person: Annotated[tuple[str, ...], Field(strict=False)] = ()
    """Columns that tell persons apart: of equal rows the first is kept. Without, all rows are persons."""
    description: str = "a table of the user's own"
    licence: str = "not stated"
    notes: Annotated[tuple[str, ...], Field(strict=False)] = ()
    """What a reader of any figure made from this table must know."""

    @model_validator(mode="after")
    def _names_fit(self) -> TableDescription:
        if self.target.column in self.columns:
            raise ValueError(f"column '{self.target.column}' is the target: it cannot be written into the text")
        for attribute in (*self.sensitive, *self.counterfactual):
            if attribute not in self.columns:
                raise ValueError(f"'{attribute}' is not among the columns. {suggestion(attribute, self.columns)}")
        for attribute, rules in self.counterfactual.items():
            if attribute not in self.sensitive:
                raise ValueError(f"counterfactual: '{attribute}' is not sensitive. Add it, or take the rule out")
            for column in rules:
                if column not in self.columns:
                    remedy = suggestion(column, self.columns)
                    raise ValueError(f"counterfactual: '{column}' is not among the columns. {remedy}")
        return self


class DescribedTable(Dataset):
    """The dataset that a description makes.

    Args:
        place: the description's file.

    Raises:
        ConfigError: all that is wrong with the description.
        DataError: the table cannot be read, or does not fit the description.
    """

    def __init__(self, place: Path) -> None:
        try:
            text = place.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(
                f"{place}: cannot be read ({error.__class__.__name__}). data.table names a registered table, or a "
                "YAML file that describes one of your own."
            ) from None
        described: TableDescription = read_block(TableDescription, text, str(place))
        self._place = place
        self._described = described
        self.name = str(place)  # type: ignore[misc]  # of the instance: one class, many tables
        self.description = described.description  # type: ignore[misc]
        self.licence = described.licence  # type: ignore[misc]
        self.source = str(place)  # type: ignore[misc]
        self.parallel_words = described.counterfactual  # type: ignore[misc]
        self._frame = self._read()
        self.sensitive = {name: self._values(name) for name in described.sensitive}  # type: ignore[misc]
        self._check_parallel_words()

    def load(self, path: Path | None) -> TableData:
        """The table.

        Raises:
            DataError: a path is given, or the target does not fit.
        """
        if path is not None:
            raise DataError(
                f"data.path: {self._place} says itself where its table is (`file: {self._described.file}`). Leave "
                "data.path out."
            )
        described, columns = self._described, []
        for name, column in described.columns.items():
            kind = "numeric" if pd.api.types.is_numeric_dtype(self._frame[name]) else "categorical"
            columns.append(Column(name, column.label, kind))  # type: ignore[arg-type]
        positive = {_cell(value) for value in described.target.positive}
        cells = self._raw[described.target.column]
        strange = positive - set(cells)
        if strange:
            raise DataError(
                f"{self._file}: column '{described.target.column}' never holds '{min(strange)}', which target.positive "
                f"of {self._place} names. {suggestion(min(strange), set(cells))}"
            )
        target = cells.isin(positive).to_numpy().astype(np.int64)
        notes = described.notes or ("Described by its user; nothing about where it comes from was said.",)
        return self.table(self._frame, columns, target, described.target.label, notes, self._file)

    @property
    def _file(self) -> Path:
        file = Path(self._described.file).expanduser()
        return file if file.is_absolute() else self._place.parent / file

    def _read(self) -> pd.DataFrame:
        described = self._described
        needed = list(dict.fromkeys([*described.columns, described.target.column, *described.person]))
        if self._file.suffix == ".parquet":
            rows = _parquet(self._file, needed)
        else:
            rows = read_rows(self._file, needed, separator=described.separator)
        rows = rows.apply(lambda column: column.str.strip())
        if described.person:
            rows = rows.drop_duplicates(list(described.person))
        rows = rows.reset_index(drop=True)
        self._raw = rows
        return pd.DataFrame({name: self._column(name, column, rows) for name, column in described.columns.items()})

    def _column(self, name: str, described: ColumnDescription, rows: pd.DataFrame) -> Any:
        cells = rows[name]
        empty = (cells == "").to_numpy()
        if empty.any() and described.missing is None:
            raise DataError(
                f"{self._file}: column '{name}' is empty in data row {int(np.flatnonzero(empty)[0]) + 1}. Give "
                f"columns.{name}.missing in {self._place} (`missing: unknown`), or take the row out."
            )
        if described.words:
            words = {_cell(code): word for code, word in described.words.items()}
            if described.missing is not None:
                words[""] = described.missing
            return decode(rows, name, words, self._file)
        numbers = pd.to_numeric(cells.where(~empty), errors="coerce")
        sensitive = name in self._described.sensitive
        if not (sensitive or empty.any()) and np.isfinite(numbers).all():
            whole = bool((numbers % 1 == 0).all())
            return numbers.astype("int64" if whole else "float64")
        return cells.where(~empty, described.missing or "").astype("str")

    def _values(self, attribute: str) -> tuple[str, ...]:
        """In the order of the words, else of the alphabet; those that occur."""
        held = set(self._frame[attribute])
        words = self._described.columns[attribute].words
        found = tuple(word for word in dict.fromkeys(words.values()) if word in held)
        found += tuple(sorted(held - set(found)))
        if len(found) > MOST_GROUPS:
            raise DataError(
                f"{self._file}: sensitive attribute '{attribute}' has {len(found)} values, more than {MOST_GROUPS}. "
                f"Join them into few groups with columns.{attribute}.words in {self._place}."
            )
        return found

    def _check_parallel_words(self) -> None:
        for attribute, rules in self._described.counterfactual.items():
            for column, sets in rules.items():
                for words in sets:
                    for value in words:
                        if value not in self.sensitive[attribute]:
                            rule = f"{attribute} is never '{value}'. {suggestion(value, self.sensitive[attribute])}"
                            raise DataError(f"{self._place}: counterfactual.{attribute}.{column}: {rule}")


def _parquet(file: Path, needed: Sequence[str]) -> pd.DataFrame:
    try:
        frame = pd.read_parquet(file)
    except FileNotFoundError:
        raise DataError(f"{file}: no such file. Correct `file:` in the description.") from None
    except Exception as error:  # pyarrow has errors of its own
        raise DataError(f"{file}: cannot be read as Parquet ({' '.join(str(error).split())[:200]}).") from None
    for column in needed:
        if column not in frame.columns:
            raise DataError(f"{file}: column '{column}' is lacking. {suggestion(column, map(str, frame.columns))}")
    return pd.DataFrame({column: frame[column].map(_cell).astype("str") for column in needed})


def _cell(value: Any) -> str:
    """A value as it stands in a CSV file, so that YAML's 1, 1.0 and true match what a file holds."""
    if value is None or value is pd.NA or (isinstance(value, float) and np.isnan(value)):
        return ""
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value).strip()
