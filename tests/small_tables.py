"""Small made-up files in the form of the real tables. No row is a real person."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from raysearch.datasets.tables import acs_employment, adult, compas, german_credit


def write_atlanta(folder: Path, adults: int = 400, seed: int = 0) -> Path:
    """persons.csv and households.csv; every person twice, as in the original, and some children."""
    rng = np.random.default_rng(seed)
    rows = adults + 20
    age = np.concatenate([rng.integers(17, 93, adults), rng.integers(0, 16, 20)])
    sex = rng.integers(1, 3, rows)
    schooling = rng.integers(1, 17, rows)
    works = (age >= 16) & (rng.uniform(size=rows) < np.where(age > 66, 0.2, 0.7) - 0.15 * (sex == 2))
    persons = pd.DataFrame(
        {
            "person_id": np.arange(rows),
            "finalPumsId": np.arange(rows) // 2,
            "sporder": np.arange(rows) % 2 + 1,
            "agep": age,
            "sex": sex,
            "esr": np.where(age < 16, -9, np.where(works, 1, rng.choice([2, 3, 6], rows))),
            "schl": schooling,
            "schg": np.where(age < 22, 6, -9),
            "mil": np.where(age < 17, -9, rng.choice([5, 5, 5, 3], rows)),
            "wkhp": np.where(works, 40, -9),
        }
    )
    homes = rows // 2
    households = pd.DataFrame(
        {
            "finalPumsId": np.arange(homes),
            "np": rng.integers(2, 6, homes),
            "hht": rng.choice([1, 2, 3, 5, 7], homes),
            "veh": rng.integers(0, 4, homes),
            "hincp": rng.integers(0, 90000, homes),
        }
    )
    # The first person does not hang on NumPy's random numbers: the golden files hold it.
    persons.loc[0, ["agep", "sex", "esr", "schl", "schg", "mil"]] = [34, 2, 1, 13, -9, 5]
    households.loc[0, ["np", "hht", "veh"]] = [3, 1, 2]
    folder.mkdir(parents=True, exist_ok=True)
    pd.concat([persons, persons.assign(person_id=persons["person_id"] + rows)]).to_csv(
        folder / "persons.csv", index=False
    )
    pd.concat([households, households]).to_csv(folder / "households.csv", index=False)
    return folder


def write_german(folder: Path, rows: int = 400, seed: int = 0) -> Path:
    """german.data: 20 codes and the label, separated by spaces."""
    rng = np.random.default_rng(seed)
    cells = [
        rng.integers(1, 60, rows).astype(str) if words is None else rng.choice(sorted(words), rows)
        for _, _, words in german_credit.FIELDS
    ]
    cells.append(rng.choice(["1", "1", "2"], rows))
    lines = [" ".join(row) for row in zip(*cells, strict=True)]
    lines[0] = "A12 24 A32 A40 3000 A61 A73 3 A92 A101 2 A123 34 A143 A151 1 A173 1 A192 A202 1"  # for the golden files
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "german.data").write_text("\n".join(lines) + "\n")
    return folder


def write_adult(folder: Path, rows: int = 400, seed: int = 0) -> Path:
    """adult.data and adult.test: cells separated by comma and space; the test file has a line more, and dots."""
    rng = np.random.default_rng(seed)
    male = rng.uniform(size=rows) < 0.6
    married = rng.uniform(size=rows) < 0.4
    others = sorted(set(adult.RELATIONSHIP) - {"Husband", "Wife"})
    race = [*sorted(adult.RACE), *rng.choice(sorted(adult.RACE), rows - len(adult.RACE))]
    columns = {
        "age": rng.integers(17, 90, rows),
        "workclass": rng.choice(sorted(adult.WORKCLASS), rows),
        "fnlwgt": rng.integers(20000, 400000, rows),
        "education": rng.choice(sorted(adult.EDUCATION), rows),
        "education_num": rng.integers(1, 17, rows),
        "marital": np.where(married, "Married-civ-spouse", rng.choice(sorted(adult.MARITAL), rows)),
        "occupation": rng.choice(sorted(adult.OCCUPATION), rows),
        "relationship": np.where(married, np.where(male, "Husband", "Wife"), rng.choice(others, rows)),
        "race": race,
        "sex": np.where(male, "Male", "Female"),
        "gain": rng.choice([0, 0, 0, 2174], rows),
        "loss": rng.choice([0, 0, 0, 1902], rows),
        "hours": rng.integers(10, 70, rows),
        "country": rng.choice(["United-States", "Mexico", "?", "Holand-Netherlands"], rows),
        "income": np.where(rng.uniform(size=rows) < 0.35, ">50K", "<=50K"),
    }
    frame = pd.DataFrame(columns).astype(str)
    lines = [", ".join(row) for row in frame.itertuples(index=False)]
    # For the golden files, and two rows that are the same person:
    lines[0] = (
        "39, State-gov, 77516, Bachelors, 13, Married-civ-spouse, Adm-clerical, Wife, Black, Female, 2174, 0, 40, "
        "Trinadad&Tobago, >50K"
    )
    cut = rows * 2 // 3
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "adult.data").write_text("\n".join([*lines[:cut], lines[0]]) + "\n\n")
    (folder / "adult.test").write_text("|1x3 Cross validator\n" + "".join(f"{line}.\n" for line in lines[cut:]))
    return folder


def write_compas(folder: Path, rows: int = 400, seed: int = 0) -> Path:
    """compas-scores-two-years.csv, with some rows that the filter takes out."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "id": np.arange(rows),
            "sex": rng.choice(["Male", "Male", "Female"], rows),
            "age": rng.integers(18, 80, rows),
            "race": rng.choice(sorted(compas.RACE), rows),
            "juv_fel_count": rng.integers(0, 2, rows),
            "juv_misd_count": rng.integers(0, 2, rows),
            "juv_other_count": rng.integers(0, 2, rows),
            "priors_count": rng.integers(0, 20, rows),
            "days_b_screening_arrest": rng.choice([-1, 0, 5], rows).astype(str),
            "c_charge_degree": rng.choice(["F", "M"], rows),
            "is_recid": rng.integers(0, 2, rows),
            "score_text": rng.choice(["Low", "Medium", "High"], rows),
            "decile_score": rng.integers(1, 11, rows),
            "two_year_recid": rng.integers(0, 2, rows),
        }
    )
    frame.loc[0, ["sex", "age", "race", "priors_count", "c_charge_degree", "two_year_recid"]] = [
        *("Male", 34, "Caucasian", 2, "F", 0)
    ]
    frame.loc[0, ["juv_fel_count", "juv_misd_count", "juv_other_count"]] = [0, 1, 0]
    frame.loc[1, "days_b_screening_arrest"] = "31"
    frame.loc[2, "days_b_screening_arrest"] = ""
    frame.loc[3, "is_recid"] = -1
    frame.loc[4, "c_charge_degree"] = "O"
    frame.loc[5, "score_text"] = "N/A"
    folder.mkdir(parents=True, exist_ok=True)
    frame.to_csv(folder / compas.FILE, index=False)
    return folder


def write_acs(folder: Path, rows: int = 400, seed: int = 0) -> Path:
    """psam_p13.csv, a file of 2019 or later, with columns that are not read, children, and a person twice."""
    rng = np.random.default_rng(seed)
    age = np.concatenate([rng.integers(17, 90, rows), [16, 90, 3]])
    count = len(age)
    fields = {
        field: rng.choice(sorted(words), count)
        for field, _, _, words in acs_employment.FIELDS
        if words is not None and field != "RELP"
    }
    frame = pd.DataFrame(
        {
            "RT": "P",
            "SERIALNO": [f"2019GQ{index // 2:07d}" for index in range(count)],
            "SPORDER": np.arange(count) % 2 + 1,
            "PWGTP": rng.integers(1, 200, count),
            "AGEP": age,
            **fields,
            "RELSHIPP": rng.choice(sorted(acs_employment.RELSHIPP), count),
            "ESR": rng.choice(["1", "1", "3", "6"], count),
            "WKHP": "40",
        }
    )
    frame.loc[0, ["AGEP", "SCHL", "MAR", "RELSHIPP", "DIS", "ESP", "CIT", "MIG", "MIL", "ANC"]] = [
        *(34, "21", "1", "21", "2", "", "1", "1", "4", "1")
    ]
    frame.loc[0, ["NATIVITY", "DEAR", "DEYE", "DREM", "SEX", "RAC1P", "ESR"]] = ["1", "2", "2", "2", "2", "2", "1"]
    frame.loc[1, "PWGTP"] = 0
    folder.mkdir(parents=True, exist_ok=True)
    pd.concat([frame, frame.head(1)]).to_csv(folder / "psam_p13.csv", index=False)
    return folder


WRITERS = {
    "acs_employment": write_acs,
    "acs_employment_atlanta": write_atlanta,
    "adult": write_adult,
    "compas": write_compas,
    "german_credit": write_german,
}
"""Writers by dataset component; a dataset without one is tested on its real files alone."""
