"""Adult: does a person earn more than 50,000 dollars a year?

The census extract of 1994 (Becker and Kohavi 1996, UCI Machine Learning Repository, doi:10.24432/C5XW20), training and
test file together: 48,790 persons after 52 exact duplicates are left out.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from raysearch.assets.archive import resolve
from raysearch.datasets.reading import decode, numbers, read_rows
from raysearch.datasets.table import Column, Dataset, TableData
from raysearch.registry import register

FILES = ("adult.data", "adult.test")
NAMES = (
    *("age", "workclass", "fnlwgt", "education", "education_num", "marital", "occupation", "relationship", "race"),
    *("sex", "gain", "loss", "hours", "country", "income"),
)
WORKCLASS = {
    "Private": "private company",
    "Self-emp-not-inc": "self-employed, not incorporated",
    "Self-emp-inc": "self-employed, incorporated",
    "Federal-gov": "federal government",
    "State-gov": "state government",
    "Local-gov": "local government",
    "Without-pay": "without pay",
    "Never-worked": "never worked",
    "?": "unknown",
}
EDUCATION = {
    "Preschool": "preschool",
    "1st-4th": "grade 1 to 4",
    "5th-6th": "grade 5 or 6",
    "7th-8th": "grade 7 or 8",
    "9th": "grade 9",
    "10th": "grade 10",
    "11th": "grade 11",
    "12th": "grade 12 without diploma",
    "HS-grad": "high school",
    "Some-college": "some college",
    "Assoc-voc": "vocational associate's degree",
    "Assoc-acdm": "academic associate's degree",
    "Bachelors": "bachelor's degree",
    "Masters": "master's degree",
    "Prof-school": "professional degree",
    "Doctorate": "doctorate",
}
MARITAL = {
    "Married-civ-spouse": "married",
    "Married-AF-spouse": "married to a member of the armed forces",
    "Married-spouse-absent": "married, spouse absent",
    "Never-married": "never married",
    "Divorced": "divorced",
    "Separated": "separated",
    "Widowed": "widowed",
}
OCCUPATION = {
    "Prof-specialty": "professional specialty",
    "Craft-repair": "craft and repair",
    "Exec-managerial": "executive or manager",
    "Adm-clerical": "administrative or clerical",
    "Sales": "sales",
    "Other-service": "other service",
    "Machine-op-inspct": "machine operation or inspection",
    "Transport-moving": "transport and moving",
    "Handlers-cleaners": "handling and cleaning",
    "Farming-fishing": "farming or fishing",
    "Tech-support": "technical support",
    "Protective-serv": "protective service",
    "Priv-house-serv": "service in private households",
    "Armed-Forces": "armed forces",
    "?": "unknown",
}
RELATIONSHIP = {
    "Husband": "husband",
    "Wife": "wife",
    "Own-child": "own child",
    "Not-in-family": "not in a family",
    "Unmarried": "unmarried",
    "Other-relative": "other relative",
}
RACE = {
    "White": "white",
    "Black": "black",
    "Asian-Pac-Islander": "asian or pacific islander",
    "Amer-Indian-Eskimo": "american indian or eskimo",
    "Other": "other",
}
SEX = {"Male": "male", "Female": "female"}
INCOME = {"<=50K": 0, ">50K": 1, "<=50K.": 0, ">50K.": 1}  # labels of the test file end in a dot
COUNTRY = {  # where the file's own spelling is no name
    "?": "unknown",
    "Columbia": "Colombia",
    "Holand-Netherlands": "Netherlands",
    "Hong": "Hong Kong",
    "Outlying-US(Guam-USVI-etc)": "outlying territories of the United States",
    "South": "unknown",
    "Trinadad&Tobago": "Trinidad and Tobago",
}

COLUMNS = (
    Column("age", "age", "numeric"),
    Column("workclass", "employer", "categorical"),
    Column("education", "education", "categorical"),
    Column("marital", "marital status", "categorical"),
    Column("occupation", "occupation", "categorical"),
    Column("relationship", "relationship in the household", "categorical"),
    Column("race", "race", "categorical"),
    Column("sex", "sex", "categorical"),
    Column("gain", "capital gain in dollars", "numeric"),
    Column("loss", "capital loss in dollars", "numeric"),
    Column("hours", "hours of work a week", "numeric"),
    Column("country", "native country", "categorical"),
)


@register("dataset", "adult")
class Adult(Dataset):
    """48,790 persons, 24 % above 50,000 dollars: men 0.304, women 0.109.

    Left out: the sampling weight, and the years of education, which repeat its level.
    """

    name: ClassVar[str] = "adult"
    description: ClassVar[str] = "Adult (census income 1994): persons, above 50,000 dollars a year or not"
    licence: ClassVar[str] = "CC BY 4.0 (Becker and Kohavi, UCI Machine Learning Repository, doi:10.24432/C5XW20)"
    source: ClassVar[str] = "UCI Machine Learning Repository, Adult"
    archive: ClassVar[str] = "uci-adult"
    sensitive: ClassVar[dict[str, tuple[str, ...]]] = {
        "sex": ("male", "female"),
        "race": tuple(RACE.values()),
    }
    parallel_words: ClassVar[Any] = {"sex": {"relationship": ({"male": "husband", "female": "wife"},)}}

    def load(self, path: Path | None) -> TableData:
        """Reads a folder with adult.data and adult.test in their original form, or one file like adult.data."""
        place = resolve(self.archive, path)
        files = [place / file for file in FILES] if place.is_dir() else [place]
        codes = pd.concat([_codes(file) for file in files]).drop_duplicates().reset_index(drop=True)
        frame = pd.DataFrame(
            {
                "age": numbers(codes, "age", place),
                "workclass": decode(codes, "workclass", WORKCLASS, place),
                "education": decode(codes, "education", EDUCATION, place),
                "marital": decode(codes, "marital", MARITAL, place),
                "occupation": decode(codes, "occupation", OCCUPATION, place),
                "relationship": decode(codes, "relationship", RELATIONSHIP, place),
                "race": decode(codes, "race", RACE, place),
                "sex": decode(codes, "sex", SEX, place),
                "gain": numbers(codes, "gain", place),
                "loss": numbers(codes, "loss", place),
                "hours": numbers(codes, "hours", place),
                "country": codes["country"].map(lambda name: COUNTRY.get(name, name.replace("-", " "))).astype("str"),
            }
        )
        target = codes["income"].map(INCOME).to_numpy().astype(np.int64)
        notes = (
            "Unweighted: the census extract over-represents some groups, and its weights are not used.",
            "Exact duplicates are left out; persons who differ in the left-out weight alone are kept, so equal rows of "
            "text may stand in different splits.",
            "'Black', 'white' and the other races are the census's words; one country, 'South', cannot be told.",
        )
        return self.table(frame, COLUMNS, target, "income above 50,000 dollars a year", notes, place)


def _codes(file: Path) -> pd.DataFrame:
    """Rows of a file; the test file's first line is no row."""
    codes = read_rows(file, NAMES, names=NAMES, comment="|")
    codes = pd.DataFrame({name: codes[name].str.strip() for name in NAMES})
    decode(codes, "income", {label: str(value) for label, value in INCOME.items()}, file)
    return codes.assign(income=codes["income"].str.rstrip("."))
