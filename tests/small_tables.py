"""Small made-up files in the form of the real tables. No row is a real person."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from raysearch.datasets.tables import german_credit


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


WRITERS = {"acs_employment_atlanta": write_atlanta, "german_credit": write_german}
"""Writers by dataset component; a dataset without one is tested on its real files alone."""
