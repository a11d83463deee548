"""Reads public files, so that whatever is wrong with them is said with the file, the rule and the remedy."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from raysearch.errors import DataError

REMEDY = "Give the public file as it is, or leave --path out to fetch it."


def wrong(place: Path | str, rule: str, came: object) -> DataError:
    """The error of a file that is not what was published."""
    words = repr(came)
    return DataError(f"{place}: {rule}; {words if len(words) < 120 else words[:117] + '...'} came. {REMEDY}")


def read_text(file: Path) -> str:
    """The file's text.

    Raises:
        DataError: missing, empty or no UTF-8 text.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise DataError(f"{file}: no such file. {REMEDY}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file}: cannot be read as UTF-8 text ({error}). {REMEDY}") from error
    if not text.strip():
        raise DataError(f"{file}: the file is empty. {REMEDY}")
    return text


def read_json(file: Path) -> Any:
    """The file as JSON. Raises: as ``read_text``, and where it is no JSON."""
    try:
        return json.loads(read_text(file))
    except ValueError as error:
        raise DataError(f"{file}: must be JSON ({error}). {REMEDY}") from error


def read_json_lines(file: Path) -> list[tuple[str, dict[str, Any]]]:
    """Its objects, one a line, each with its place (``file:line``). Raises: as ``read_text``, and for other lines."""
    found = []
    for number, line in enumerate(read_text(file).split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise DataError(f"{file}:{number}: a line must be JSON ({error}). {REMEDY}") from error
        if not isinstance(row, dict):
            raise wrong(f"{file}:{number}", "a line must be a JSON object", row)
        found.append((f"{file}:{number}", row))
    return found


def read_table(file: Path, columns: Sequence[str]) -> list[tuple[str, dict[str, str]]]:
    """Rows of a CSV file with a header, each with its place. Raises: as ``read_text``, and for other headers."""
    reader = csv.DictReader(io.StringIO(read_text(file), newline=""))
    missing = [column for column in columns if column not in (reader.fieldnames or ())]
    if missing:
        raise wrong(file, f"the header must name {', '.join(columns)}", reader.fieldnames)
    found = []
    try:
        for row in reader:
            place = f"{file}:{reader.line_num}"
            if any(row[column] is None for column in columns):
                raise wrong(place, "a row must fill every column", row)
            found.append((place, row))
    except csv.Error as error:
        raise DataError(f"{file}:{reader.line_num}: must be CSV ({error}). {REMEDY}") from error
    return found


def text_at(row: Mapping[str, Any], key: str, place: Path | str) -> str:
    """The non-empty text under a key. Raises DataError where there is none."""
    value = row.get(key) if isinstance(row, Mapping) else None
    if not isinstance(value, str) or not value.strip():
        raise wrong(place, f"'{key}' must be a text", row)
    return value


def one_of(row: Mapping[str, Any], key: str, known: Sequence[str], place: Path | str) -> str:
    """The text under a key, which must be one of a few. Raises DataError where it is not."""
    value = row.get(key) if isinstance(row, Mapping) else None
    if not isinstance(value, str) or value not in known:
        raise wrong(place, f"'{key}' must be one of {', '.join(known)}", value)
    return value
