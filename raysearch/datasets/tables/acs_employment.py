"""ACS Employment: is a person employed and at work? The task of folktables, from the Census's own person files.

Columns, filter and label are those of Ding et al. 2021, Retiring Adult (arXiv:2108.04884): ESR = 1, ages 17 to 89, and
16 columns. The files are the user's own download: one state and year, or several.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from raysearch.datasets.reading import decode, numbers, read_rows
from raysearch.datasets.table import Column, Dataset, TableData
from raysearch.errors import DataError
from raysearch.registry import register

PERSON = ("SERIALNO", "SPORDER")
OLDEST, YOUNGEST = 89, 17
NOT_ASKED = {"": "not asked"}
YES_NO = {"1": "yes", "2": "no", **NOT_ASKED}
EDUCATION = {
    **NOT_ASKED,
    "1": "no schooling",
    "2": "nursery school",
    "3": "kindergarten",
    **{str(code): f"grade {code - 3}" for code in range(4, 15)},
    "15": "grade 12 without diploma",
    "16": "high school",
    "17": "alternative high school credential",
    "18": "less than a year of college",
    "19": "some college",
    "20": "associate's degree",
    "21": "bachelor's degree",
    "22": "master's degree",
    "23": "professional degree",
    "24": "doctorate",
}
MARITAL = {"1": "married", "2": "widowed", "3": "divorced", "4": "separated", "5": "never married"}
# RELP until 2018, RELSHIPP since. The sex in "son or daughter" is not in the codes; words without it read better.
RELP = {
    "0": "reference person",
    "1": "spouse",
    "2": "child",
    "3": "adopted child",
    "4": "stepchild",
    "5": "sibling",
    "6": "parent",
    "7": "grandchild",
    "8": "parent-in-law",
    "9": "child-in-law",
    "10": "other relative",
    "11": "roomer or boarder",
    "12": "housemate or roommate",
    "13": "unmarried partner",
    "14": "foster child",
    "15": "other nonrelative",
    "16": "in an institution",
    "17": "in group quarters",
}
RELSHIPP = {
    "20": "reference person",
    "21": "spouse",
    "22": "unmarried partner",
    "23": "spouse",
    "24": "unmarried partner",
    "25": "child",
    "26": "adopted child",
    "27": "stepchild",
    "28": "sibling",
    "29": "parent",
    "30": "grandchild",
    "31": "parent-in-law",
    "32": "child-in-law",
    "33": "other relative",
    "34": "housemate or roommate",
    "35": "foster child",
    "36": "other nonrelative",
    "37": "in an institution",
    "38": "in group quarters",
}
PARENTS = {
    "": "not living with parents",
    "1": "two parents, both in the labor force",
    "2": "two parents, one in the labor force",
    "3": "two parents, one in the labor force",
    "4": "two parents, none in the labor force",
    "5": "one parent, in the labor force",
    "6": "one parent, not in the labor force",
    "7": "one parent, in the labor force",
    "8": "one parent, not in the labor force",
}
CITIZEN = {
    "1": "born in the United States",
    "2": "born in a territory of the United States",
    "3": "born abroad of American parents",
    "4": "naturalized",
    "5": "not a citizen",
}
MOVED = {**NOT_ASKED, "1": "same house as a year ago", "2": "moved from abroad", "3": "moved within the country"}
MILITARY = {**NOT_ASKED, "1": "on active duty", "2": "in the past", "3": "training only", "4": "never"}
MILITARY_BEFORE_2013 = {
    **NOT_ASKED,
    "1": "on active duty",
    "2": "in the past",
    "3": "in the past",
    "4": "training only",
    "5": "never",
}
ANCESTRY = {"1": "single", "2": "multiple", "3": "unclassified", "4": "not reported", "8": "not shown"}
NATIVITY = {"1": "native", "2": "foreign born"}
SEX = {"1": "male", "2": "female"}
RACE = {
    "1": "white",
    "2": "black",
    "3": "american indian or alaska native",
    "4": "american indian or alaska native",
    "5": "american indian or alaska native",
    "6": "asian",
    "7": "native hawaiian or pacific islander",
    "8": "other",
    "9": "two or more",
}

# name in the file, name here, label, words (None: a number); RELP is the one whose name changed.
FIELDS: tuple[tuple[str, str, str, dict[str, str] | None], ...] = (
    ("AGEP", "age", "age", None),
    ("SCHL", "education", "education", EDUCATION),
    ("MAR", "marital", "marital status", MARITAL),
    ("RELP", "relationship", "relationship in the household", RELP),
    ("DIS", "disability", "disability", YES_NO),
    ("ESP", "parents", "parents in the household", PARENTS),
    ("CIT", "citizenship", "citizenship", CITIZEN),
    ("MIG", "moved", "residence", MOVED),
    ("MIL", "military", "military service", MILITARY),
    ("ANC", "ancestry", "ancestry", ANCESTRY),
    ("NATIVITY", "nativity", "nativity", NATIVITY),
    ("DEAR", "hearing", "hearing difficulty", YES_NO),
    ("DEYE", "vision", "vision difficulty", YES_NO),
    ("DREM", "cognition", "cognitive difficulty", YES_NO),
    ("SEX", "sex", "sex", SEX),
    ("RAC1P", "race", "race", RACE),
)
COLUMNS = tuple(Column(name, label, "numeric" if words is None else "categorical") for _, name, label, words in FIELDS)


@register("dataset", "acs_employment")
class AcsEmployment(Dataset):
    """The whole ACS Employment task; needs ``data.path``. A part of it comes with ``acs_employment_atlanta``."""

    name: ClassVar[str] = "acs_employment"
    description: ClassVar[str] = "ACS Employment (folktables' task): persons, employed and at work or not"
    licence: ClassVar[str] = "US Census Bureau, public domain"
    source: ClassVar[str] = "American Community Survey, Public Use Microdata Sample, person files"
    archive: ClassVar[str | None] = None
    sensitive: ClassVar[dict[str, tuple[str, ...]]] = {
        "sex": ("male", "female"),
        "race": tuple(dict.fromkeys(RACE.values())),
    }

    def load(self, path: Path | None) -> TableData:
        """Reads a person file (psam_pXX.csv, or ss18pXX.csv before), or all of them in a folder.

        Raises:
            DataError: no path, no such file, or a file that is none of the Census's.
        """
        if path is None:
            raise DataError(
                "data.path: table 'acs_employment' is not fetched. Download a state's person file (csv_pXX.zip) of the "
                "ACS PUMS from the Census Bureau, unpack it, and give the CSV file or its folder; or use "
                "acs_employment_atlanta, a part that is fetched."
            )
        files = sorted(path.glob("*.csv")) if path.is_dir() else [path]
        if not files:
            raise DataError(f"{path}: there is no CSV file in this folder. Give the folder of psam_pXX.csv.")
        frames = [self._rows(file) for file in files]
        codes = pd.concat(frames, ignore_index=True).drop_duplicates(list(PERSON)).reset_index(drop=True)
        frame = pd.DataFrame({name: codes[name] for _, name, _, _ in FIELDS})
        target = (codes["ESR"] == "1").to_numpy().astype(np.int64)
        notes = (
            "Unweighted: the survey's person weights are not used, as in folktables.",
            "Persons of one household share its facts and may stand in different splits.",
            f"Read from {', '.join(file.name for file in files)}.",
        )
        return self.table(frame, COLUMNS, target, "employed and at work", notes, path)

    def _rows(self, file: Path) -> pd.DataFrame:
        """Rows of a file that the task keeps, in words, with what tells persons apart."""
        named = {field: field for field, _, _, _ in FIELDS}
        if "RELSHIPP" in _header(file):
            named["RELP"] = "RELSHIPP"
        rows = read_rows(file, (*PERSON, *named.values(), "ESR", "PWGTP"), wide=True)
        age, weight = numbers(rows, "AGEP", file), numbers(rows, "PWGTP", file)
        rows = rows[(age >= YOUNGEST) & (age <= OLDEST) & (weight >= 1)].reset_index(drop=True)
        for column in set(rows.columns) - set(PERSON):
            rows[column] = rows[column].str.strip().map(_plain)
        words: dict[str, Any] = {field: table for field, _, _, table in FIELDS}
        if named["RELP"] == "RELSHIPP":
            words["RELP"] = RELSHIPP
        if (rows["MIL"] == "5").any():
            words["MIL"] = MILITARY_BEFORE_2013
        found = {column: rows[column] for column in (*PERSON, "ESR")}
        for field, name, _, _ in FIELDS:
            column = named[field]
            found[name] = (
                numbers(rows, column, file) if words[field] is None else decode(rows, column, words[field], file)
            )
        return pd.DataFrame(found)


def _plain(cell: str) -> str:
    """``03`` and ``3`` are one code."""
    return str(int(cell)) if cell.isdigit() else cell


def _header(file: Path) -> list[str]:
    try:
        return [str(name) for name in pd.read_csv(file, nrows=0, encoding="utf-8-sig").columns]
    except (OSError, ValueError):  # read_rows says what is wrong
        return []
