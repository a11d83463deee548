"""ACS PUMS employment (Atlanta subset): is an adult employed and at work?

A sample of the ACS Employment task (Ding et al. 2021, arXiv:2108.04884) that a package index carries: the same label
(ESR = 1), the same age limit from below, a subset of the columns, and household facts in place of the others.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd

from raysearch.assets.archive import resolve
from raysearch.datasets.reading import decode, numbers, read_rows
from raysearch.datasets.table import Column, Dataset, TableData
from raysearch.errors import DataError
from raysearch.registry import register

PERSON = ("finalPumsId", "sporder", "agep", "sex", "esr", "schl", "schg", "mil")
HOUSEHOLD = ("finalPumsId", "np", "hht", "veh")
LEAST_AGE = 16

# Codes of the dictionary "2007-2011 ACS PUMS"; -9 stands for "not in the universe of the question".
SEX = {1: "male", 2: "female"}
EDUCATION = {
    1: "no schooling",
    2: "up to grade 4",
    3: "grade 5 or 6",
    4: "grade 7 or 8",
    5: "grade 9",
    6: "grade 10",
    7: "grade 11",
    8: "grade 12 without diploma",
    9: "high school",
    10: "less than a year of college",
    11: "some college",
    12: "associate's degree",
    13: "bachelor's degree",
    14: "master's degree",
    15: "professional degree",
    16: "doctorate",
}
SCHOOL = {
    -9: "none",
    1: "nursery",
    2: "kindergarten",
    3: "primary",
    4: "primary",
    5: "high school",
    6: "college",
    7: "graduate",
}
# People under 17 are not asked (-9): nobody of that age can have served.
MILITARY = {-9: "none", 1: "active", 2: "until last year", 3: "past", 4: "training only", 5: "none"}
# The census tells male from female householders (2/3, 4/6, 5/7): written out, that is the sex of whoever lives alone.
HOUSEHOLD_TYPE = {
    1: "married couple",
    2: "family without a couple",
    3: "family without a couple",
    4: "living alone",
    6: "living alone",
    5: "sharing",
    7: "sharing",
}

COLUMNS = (
    Column("age", "age", "numeric"),
    Column("sex", "sex", "categorical"),
    Column("education", "education", "categorical"),
    Column("school", "current school", "categorical"),
    Column("military", "military service", "categorical"),
    Column("household", "household type", "categorical"),
    Column("persons", "household size", "numeric"),
    Column("vehicles", "number of cars", "numeric"),
)


@register("dataset", "acs_employment_atlanta")
class AcsEmploymentAtlanta(Dataset):
    """7,818 adults, 64 % employed and at work: men 0.746, women 0.551.

    Left out because they give the label away: hours and weeks worked, occupation, industry, ``employed``, and the
    household's count of workers. Left out because it adds nothing (0.770 against 0.771 accuracy of boosted trees):
    the household's income.
    """

    name: ClassVar[str] = "acs_employment_atlanta"
    description: ClassVar[str] = "ACS PUMS employment (Atlanta subset): adults, employed and at work or not"
    licence: ClassVar[str] = "US Census Bureau, public domain; carried by activitysim (BSD-3-Clause)"
    source: ClassVar[str] = "American Community Survey, PUMS 2007-2011, Georgia, PUMAs 1101 and 1102"
    archive: ClassVar[str] = "acs-pums-atlanta"
    sensitive: ClassVar[dict[str, tuple[str, ...]]] = {"sex": ("male", "female")}

    def load(self, path: Path | None) -> TableData:
        """Reads a folder with persons.csv and households.csv, or one CSV file that has the columns of both."""
        place = resolve(self.archive, path)
        persons = self._persons(place)
        persons = persons[numbers(persons, "agep", place) >= LEAST_AGE].reset_index(drop=True)
        codes = pd.DataFrame({column: numbers(persons, column, place) for column in persons.columns})
        frame = pd.DataFrame(
            {
                "age": codes["agep"],
                "sex": decode(codes, "sex", SEX, place),
                "education": decode(codes, "schl", EDUCATION, place),
                "school": decode(codes, "schg", SCHOOL, place),
                "military": decode(codes, "mil", MILITARY, place),
                "household": decode(codes, "hht", HOUSEHOLD_TYPE, place),
                "persons": codes["np"],
                "vehicles": codes["veh"],
            }
        )
        target = (codes["esr"] == 1).to_numpy().astype(np.int64)
        notes = (
            "ACS PUMS employment (Atlanta subset): two areas of one city, 2007-2011. The full ACS Employment task has "
            "more columns (marital status, relationship, disabilities, citizenship, mobility, ancestry, race) and "
            "whole states; figures are not comparable with figures on it.",
            "Unweighted, one row a person. Persons of one household share its facts and may stand in different splits.",
            "Household type is written without the householder's sex, which it would otherwise give away.",
        )
        return self.table(frame, COLUMNS, target, "employed and at work", notes, place)

    def _persons(self, place: Path) -> pd.DataFrame:
        """Each person once, with the facts of the household. The archive repeats persons by their weight."""
        if place.is_dir():
            persons = read_rows(place / "persons.csv", PERSON).drop_duplicates(["finalPumsId", "sporder"])
            households = read_rows(place / "households.csv", HOUSEHOLD).drop_duplicates("finalPumsId")
            joined = persons.merge(households, on="finalPumsId", how="left", validate="many_to_one")
            if joined["np"].isna().any():
                lost = joined.loc[joined["np"].isna(), "finalPumsId"].iloc[0]
                raise DataError(
                    f"{place / 'households.csv'}: there is no household with finalPumsId {lost}, which persons.csv "
                    "names. Add it, or take its persons out."
                )
            return joined
        return read_rows(place, (*PERSON, *HOUSEHOLD[1:])).drop_duplicates(["finalPumsId", "sporder"])
