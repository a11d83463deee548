"""German Credit: is an applicant a good credit risk?

The Statlog table of 1,000 applicants of a South German bank, 1973 to 1975 (Hofmann 1994, UCI Machine Learning
Repository, doi:10.24432/C5NC77).
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

FILE = "german.data"
# Attribute 9 joins marital status and sex. "Female, single" (A95) never occurs, so its status codes cannot be swapped
# with the sex: the sex is taken out of it and the rest of it is not used.
STATUS_AND_SEX = "status_and_sex"
SEX = {"A91": "male", "A92": "female", "A93": "male", "A94": "male", "A95": "female"}

# name, label, and the words of the codes (None: a number), in the order of the file; the label (1 good, 2 bad) is last.
FIELDS: tuple[tuple[str, str, dict[str, str] | None], ...] = (
    (
        "checking",
        "checking account",
        {"A11": "below 0 marks", "A12": "0 to 200 marks", "A13": "over 200 marks", "A14": "none"},
    ),
    ("months", "duration in months", None),
    (
        "history",
        "credit history",
        {
            "A30": "no credits taken",
            "A31": "all credits here paid back",
            "A32": "existing credits paid so far",
            "A33": "past delays",
            "A34": "critical account",
        },
    ),
    (
        "purpose",
        "purpose",
        {
            "A40": "new car",
            "A41": "used car",
            "A42": "furniture",
            "A43": "radio or television",
            "A44": "appliances",
            "A45": "repairs",
            "A46": "education",
            "A47": "vacation",
            "A48": "retraining",
            "A49": "business",
            "A410": "other",
        },
    ),
    ("amount", "credit amount in marks", None),
    (
        "savings",
        "savings",
        {
            "A61": "below 100 marks",
            "A62": "100 to 500 marks",
            "A63": "500 to 1000 marks",
            "A64": "over 1000 marks",
            "A65": "unknown or none",
        },
    ),
    (
        "employment",
        "present employment",
        {
            "A71": "unemployed",
            "A72": "under 1 year",
            "A73": "1 to 4 years",
            "A74": "4 to 7 years",
            "A75": "over 7 years",
        },
    ),
    ("installment", "installment rate in percent of income", None),
    (STATUS_AND_SEX, "sex", SEX),
    ("debtors", "other debtors", {"A101": "none", "A102": "co-applicant", "A103": "guarantor"}),
    ("residence", "years at present residence", None),
    (
        "property",
        "property",
        {
            "A121": "real estate",
            "A122": "savings agreement or life insurance",
            "A123": "car or other",
            "A124": "unknown or none",
        },
    ),
    ("age", "age", None),
    ("plans", "other installment plans", {"A141": "bank", "A142": "stores", "A143": "none"}),
    ("housing", "housing", {"A151": "rented", "A152": "own", "A153": "free"}),
    ("credits", "number of credits at this bank", None),
    (
        "job",
        "job",
        {
            "A171": "unemployed or unskilled non-resident",
            "A172": "unskilled resident",
            "A173": "skilled employee or official",
            "A174": "management, self-employed or highly qualified",
        },
    ),
    ("dependants", "number of dependants", None),
    ("telephone", "telephone", {"A191": "no", "A192": "yes"}),
    ("foreign", "foreign worker", {"A201": "yes", "A202": "no"}),
)
RISK = {1: "good", 2: "bad"}

COLUMNS = tuple(
    Column("sex" if name == STATUS_AND_SEX else name, label, "numeric" if words is None else "categorical")
    for name, label, words in FIELDS
)


@register("dataset", "german_credit")
class GermanCredit(Dataset):
    """1,000 applicants, 70 % good: of 690 men 0.723, of 310 women 0.648."""

    name: ClassVar[str] = "german_credit"
    description: ClassVar[str] = "Statlog German Credit: applicants, good credit risk or bad"
    licence: ClassVar[str] = "CC BY 4.0 (Hans Hofmann, UCI Machine Learning Repository, doi:10.24432/C5NC77)"
    source: ClassVar[str] = "UCI Machine Learning Repository, Statlog (German Credit Data)"
    archive: ClassVar[str] = "uci-german-credit"
    sensitive: ClassVar[dict[str, tuple[str, ...]]] = {"sex": ("male", "female")}

    def load(self, path: Path | None) -> TableData:
        """Reads ``german.data`` in its original form (20 codes and the label, separated by spaces), or its folder."""
        place = resolve(self.archive, path)
        file = place / FILE if place.is_dir() else place
        names = (*(name for name, _, _ in FIELDS), "risk")
        codes = read_rows(file, names, names=names, separator=" ")
        frame = pd.DataFrame(
            {
                "sex" if name == STATUS_AND_SEX else name: (
                    numbers(codes, name, file) if words is None else decode(codes, name, words, file)
                )
                for name, _, words in FIELDS
            }
        )
        risk = pd.DataFrame({"risk": numbers(codes, "risk", file)})
        target = (decode(risk, "risk", RISK, file) == "good").to_numpy().astype(np.int64)
        notes = (
            "Sex is read from attribute 9; the marital status in it is left out, because its codes differ by sex.",
            "The published code table of attribute 9 is disputed: by Groemping (2019, South German Credit) A92 also "
            "holds single men, so 'female' here is what the UCI documentation calls female.",
            "The original cost matrix (a bad risk taken for good costs five times the opposite) is not used.",
        )
        return self.table(frame, COLUMNS, target, "good credit risk", notes, file)
