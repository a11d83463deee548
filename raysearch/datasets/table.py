"""A table of persons, and the base class of the components that make one.

A dataset component turns files into a ``TableData`` and knows what it means to flip a sensitive attribute of a row.
"""

from __future__ import annotations

import hashlib
import itertools
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from raysearch.errors import DataError
from raysearch.registry import suggestion


@dataclass(frozen=True)
class Column:
    """A column that may be written into a row's text.

    Attributes:
        name: its name in the frame.
        label: its name in a sentence, ``household size``.
        kind: numeric values have an order; categorical ones are words.
    """

    name: str
    label: str
    kind: Literal["numeric", "categorical"]


@dataclass(frozen=True, eq=False)
class TableData:
    """One row a person, no person twice.

    Attributes:
        name: the dataset component's name.
        frame: categories are words already; sensitive attributes are columns like others.
        columns: the columns of ``frame``, in its order.
        target: [rows] 0 or 1.
        sensitive: the values that each sensitive attribute takes.
        target_label: what 1 means, in words.
        digest: SHA-256 of everything above, so that a changed file or a changed decoding shows.
        notes: what a reader of any figure made from this table must know.
    """

    name: str
    frame: pd.DataFrame
    columns: tuple[Column, ...]
    target: NDArray[np.int64]
    sensitive: dict[str, tuple[str, ...]]
    target_label: str
    digest: str
    notes: tuple[str, ...]

    def groups(self, attribute: str) -> NDArray[Any]:
        """[rows] value of a sensitive attribute, as words; of a crossed one, ``female, Black``.

        Raises:
            DataError: the attribute is not a sensitive one of this table.
        """
        known_attribute(self.name, attribute, self.sensitive)
        return crossed_groups(self.frame, attribute)

    def values(self, attribute: str) -> tuple[str, ...]:
        """The values that a sensitive attribute, or a crossed one, may take.

        Raises:
            DataError: the attribute is not a sensitive one of this table.
        """
        return known_attribute(self.name, attribute, self.sensitive)


CROSS = " x "
"""Joins attributes in the name of a crossed one."""
_TOGETHER = ", "
"""Joins their values in the name of a group."""


def parts_of(attribute: str) -> tuple[str, ...]:
    """The attributes of a crossed one, ``sex x race``; of another, itself."""
    return tuple(part.strip() for part in attribute.split(CROSS))


def crossed_groups(frame: pd.DataFrame, attribute: str) -> NDArray[Any]:
    """[rows] group of each row."""
    columns = [frame[part].to_numpy(dtype=str) for part in parts_of(attribute)]
    return np.array([_TOGETHER.join(cells) for cells in zip(*columns, strict=True)], dtype=str)


def known_attribute(table: str, attribute: str, sensitive: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """The values of a sensitive attribute, or the groups of a crossed one.

    Raises:
        DataError: the table has no such sensitive attribute, or it is crossed with itself.
    """
    parts = parts_of(attribute)
    for part in parts:
        if part not in sensitive:
            raise DataError(
                f"data.sensitive: table '{table}' has no sensitive attribute '{part}'. {suggestion(part, sensitive)}"
            )
    if len(set(parts)) < len(parts):
        raise DataError(f"data.sensitive: '{attribute}' crosses an attribute with itself. Name each once.")
    return tuple(_TOGETHER.join(cells) for cells in itertools.product(*(sensitive[part] for part in parts)))


class Dataset(ABC):
    """Base of dataset components. A subclass in ``datasets/tables/<name>.py`` names itself and reads its files.

    Attributes:
        name: the component's name.
        description: what a row is and what is predicted.
        licence: licence of the data.
        source: where the data come from.
        archive: name of the pinned archive that carries the files; None where the user brings them.
        sensitive: the values that each sensitive attribute takes.
        parallel_words: sensitive attribute -> column that speaks of it -> sets of words, value -> word.
    """

    name: ClassVar[str]
    description: ClassVar[str]
    licence: ClassVar[str]
    source: ClassVar[str]
    archive: ClassVar[str | None]
    sensitive: ClassVar[Mapping[str, tuple[str, ...]]]
    parallel_words: ClassVar[Mapping[str, Mapping[str, Sequence[Mapping[str, str]]]]] = {}

    @abstractmethod
    def load(self, path: Path | None) -> TableData:
        """Reads the table from ``path``, or from the pinned archive where it is None.

        Raises:
            DataError: the files cannot serve as this table.
            AssetError: the archive cannot be had.
        """

    def counterfactual(self, frame: pd.DataFrame, attribute: str, value: pd.Series[Any] | NDArray[Any]) -> pd.DataFrame:
        """The same persons with another value of a sensitive attribute; ``frame`` stays as it is.

        Words of other columns change with it as ``parallel_words`` says: where a row goes from value u to v, u's word
        and v's word change places, so that a second flip brings every row back, odd ones included.

        Args:
            frame: rows of this table.
            attribute: a sensitive attribute, or several crossed.
            value: [rows] its new value in each row.

        Raises:
            DataError: no such attribute, a value that it does not take, or not one value a row.
        """
        allowed = known_attribute(self.name, attribute, self.sensitive)
        new = np.asarray(value, dtype=object)
        if len(parts := parts_of(attribute)) > 1 and new.shape == (len(frame),) and set(new) <= set(allowed):
            cells = dict(zip(allowed, itertools.product(*(self.sensitive[part] for part in parts)), strict=True))
            for position, part in enumerate(parts):
                frame = self.counterfactual(frame, part, np.array([cells[v][position] for v in new], dtype=object))
            return frame
        if new.shape != (len(frame),):
            raise DataError(
                f"table '{self.name}': {len(frame)} rows need as many values of '{attribute}', not {new.shape}."
            )
        strange = sorted({str(v) for v in new} - set(allowed))
        if strange:
            raise DataError(
                f"table '{self.name}': {attribute} is never '{strange[0]}'. {suggestion(strange[0], allowed)}"
            )
        flipped = frame.copy()
        flipped[attribute] = pd.Series([str(v) for v in new], index=frame.index, dtype=frame[attribute].dtype)
        old = frame[attribute].astype("str").to_numpy()
        for column, sets in self.parallel_words.get(attribute, {}).items():
            words = [_swapped(word, u, str(v), sets) for word, u, v in zip(frame[column], old, new, strict=True)]
            flipped[column] = pd.Series(words, index=frame.index, dtype=frame[column].dtype)
        return flipped

    def other_values(self, attribute: str, value: str) -> tuple[str, ...]:
        """The values of a sensitive attribute other than ``value``, in their fixed order.

        Raises:
            DataError: no such attribute, or a value that it does not take.
        """
        allowed = known_attribute(self.name, attribute, self.sensitive)
        if value not in allowed:
            raise DataError(f"table '{self.name}': {attribute} is never '{value}'. {suggestion(str(value), allowed)}")
        return tuple(other for other in allowed if other != value)

    def table(
        self,
        frame: pd.DataFrame,
        columns: Sequence[Column],
        target: NDArray[np.int64],
        target_label: str,
        notes: Sequence[str],
        place: Path,
    ) -> TableData:
        """Checks what every table must fulfil and puts it together.

        Raises:
            DataError: no rows, one label only, or a sensitive attribute with a single value.
        """
        if frame.empty:
            raise DataError(f"{place}: table '{self.name}' has no usable rows. Give a file with data.")
        if len(np.unique(target)) != 2:
            raise DataError(
                f"{place}: all {len(target)} rows of table '{self.name}' have the label {int(target[0])} (1 is: "
                f"{target_label}); both labels are needed. Give rows of both."
            )
        for attribute, values in self.sensitive.items():
            held = [value for value in values if value in set(frame[attribute])]
            if len(held) < 2:
                raise DataError(
                    f"{place}: {attribute} is '{held[0]}' in every row of table '{self.name}'; two groups are needed "
                    f"to compare. Give rows of {' and '.join(values)}."
                )
        ordered = frame[[column.name for column in columns]].reset_index(drop=True)
        return TableData(
            name=self.name,
            frame=ordered,
            columns=tuple(columns),
            target=target,
            sensitive=dict(self.sensitive),
            target_label=target_label,
            digest=_digest(ordered, columns, target),
            notes=tuple(notes),
        )


def _swapped(word: str, old: str, new: str, sets: Sequence[Mapping[str, str]]) -> str:
    for words in sets:
        if old in words and new in words:
            if word == words[old]:
                return words[new]
            if word == words[new]:
                return words[old]
    return word


def _digest(frame: pd.DataFrame, columns: Sequence[Column], target: NDArray[np.int64]) -> str:
    total = hashlib.sha256()
    total.update(repr([(c.name, c.label, c.kind) for c in columns]).encode())
    total.update(frame.to_csv(index=False, lineterminator="\n").encode())
    total.update(target.astype("<i8").tobytes())
    return total.hexdigest()
