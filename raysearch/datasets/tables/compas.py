"""COMPAS: is a defendant charged again within two years? The check outside finance.

ProPublica's two-year file of Broward County, Florida, 2013 and 2014 (Angwin et al. 2016), with the row filter of its
published analysis: 6,172 of 7,214 defendants.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd

from raysearch.assets.archive import resolve
from raysearch.datasets.reading import decode, numbers, read_rows
from raysearch.datasets.table import Column, Dataset, TableData
from raysearch.registry import register

FILE = "compas-scores-two-years.csv"
NEEDED = (
    *("id", "sex", "age", "race", "juv_fel_count", "juv_misd_count", "juv_other_count", "priors_count"),
    *("c_charge_degree", "days_b_screening_arrest", "is_recid", "score_text", "two_year_recid"),
)
SEX = {"Male": "male", "Female": "female"}
# Asian (31) and Native American (11) defendants are too few for any rate of their own.
RACE = {
    "African-American": "african american",
    "Caucasian": "caucasian",
    "Hispanic": "hispanic",
    "Asian": "other",
    "Native American": "other",
    "Other": "other",
}
DEGREE = {"F": "felony", "M": "misdemeanor"}
MOST_DAYS = 30

COLUMNS = (
    Column("age", "age", "numeric"),
    Column("sex", "sex", "categorical"),
    Column("race", "race", "categorical"),
    Column("priors", "number of prior charges", "numeric"),
    Column("degree", "degree of the charge", "categorical"),
    Column("juvenile_felonies", "juvenile felonies", "numeric"),
    Column("juvenile_misdemeanors", "juvenile misdemeanors", "numeric"),
    Column("juvenile_others", "other juvenile charges", "numeric"),
)


@register("dataset", "compas")
class Compas(Dataset):
    """6,172 defendants, 54 % not charged again: African American 0.477, Caucasian 0.609; women 0.649, men 0.521.

    The label 1 is the favourable one, as in the other tables. Left out: the COMPAS scores themselves, names, dates.
    """

    name: ClassVar[str] = "compas"
    description: ClassVar[str] = "COMPAS (ProPublica): defendants, not charged again within two years or charged"
    licence: ClassVar[str] = "ProPublica, published for reuse without a licence named"
    source: ClassVar[str] = "ProPublica, compas-analysis, Broward County 2013-2014"
    archive: ClassVar[str] = "compas"
    sensitive: ClassVar[dict[str, tuple[str, ...]]] = {
        "race": ("african american", "caucasian", "hispanic", "other"),
        "sex": ("male", "female"),
    }

    def load(self, path: Path | None) -> TableData:
        """Reads ``compas-scores-two-years.csv`` in its original form, or its folder."""
        place = resolve(self.archive, path)
        file = place / FILE if place.is_dir() else place
        rows = read_rows(file, NEEDED).drop_duplicates("id")
        days = pd.to_numeric(rows["days_b_screening_arrest"], errors="coerce")
        kept = days.between(-MOST_DAYS, MOST_DAYS) & (rows["is_recid"] != "-1")
        kept &= rows["c_charge_degree"].isin(list(DEGREE)) & ~rows["score_text"].isin(["", "N/A"])
        rows = rows[kept].reset_index(drop=True)
        frame = pd.DataFrame(
            {
                "age": numbers(rows, "age", file),
                "sex": decode(rows, "sex", SEX, file),
                "race": decode(rows, "race", RACE, file),
                "priors": numbers(rows, "priors_count", file),
                "degree": decode(rows, "c_charge_degree", DEGREE, file),
                "juvenile_felonies": numbers(rows, "juv_fel_count", file),
                "juvenile_misdemeanors": numbers(rows, "juv_misd_count", file),
                "juvenile_others": numbers(rows, "juv_other_count", file),
            }
        )
        charged = decode(rows, "two_year_recid", {"0": "no", "1": "yes"}, file)
        target = (charged == "no").to_numpy().astype(np.int64)
        notes = (
            "ProPublica's row filter: the charge within 30 days of the screening, no ordinary traffic offence, a score "
            "given. Its two-year file is known to keep some defendants who were charged again longer than two years "
            "(Barenstein 2019), which overstates how many are.",
            "A new charge is not a new offence: who is charged depends on policing, which the label inherits.",
            "Asian and Native American defendants are counted as 'other': they are 42 of 6,172.",
        )
        return self.table(frame, COLUMNS, target, "no new charge within two years", notes, file)
