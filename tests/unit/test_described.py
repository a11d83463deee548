"""Tables of the user's own, described by a YAML file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from raysearch.config.schema import DataConfig
from raysearch.datasets.described import DescribedTable
from raysearch.datasets.find import find
from raysearch.datasets.splits import split_rows
from raysearch.errors import ConfigError, DataError
from raysearch.pipeline.runtime import Runtime
from raysearch.pipeline.trial import run_trial
from raysearch.replay import at_stage
from tests.studies import small_study

TEXT = """\
file: loans.csv
separator: ";"
target: {column: paid, positive: [1], label: loan paid back}
columns:
  age: {label: age}
  income: {label: income in thousands}
  gender: {label: gender, words: {m: male, f: female}}
  title: {label: title}
  origin: {label: origin, words: {1: north, 2: south, 3: east}}
  job: {label: job, missing: unknown}
sensitive: [gender, origin]
counterfactual:
  gender:
    title: [{male: Mr, female: Ms}]
person: [id]
notes: [Made up.]
"""


def write(folder: Path, text: str = TEXT, rows: int = 200, **changes: object) -> Path:
    rng = np.random.default_rng(0)
    male = rng.uniform(size=rows) < 0.5
    frame = pd.DataFrame(
        {
            "id": np.arange(rows),
            "age": rng.integers(18, 80, rows),
            "income": rng.uniform(10, 90, rows).round(1),
            "gender": np.where(male, "m", "f"),
            "title": np.where(rng.uniform(size=rows) < 0.2, "Dr", np.where(male, "Mr", "Ms")),
            "origin": rng.integers(1, 4, rows),
            "job": rng.choice(["cook", "", "clerk"], rows),
            "phone": "555",
            "paid": rng.integers(0, 2, rows),
        }
    )
    frame = frame.assign(**changes)
    frame = pd.concat([frame, frame.head(3)])  # three persons twice
    folder.mkdir(exist_ok=True)
    frame.to_csv(folder / "loans.csv", sep=";", index=False)
    frame.to_parquet(folder / "loans.parquet", index=False)
    (folder / "loans.yaml").write_text(text)
    return folder / "loans.yaml"


def test_a_described_table_is_read_as_it_says(tmp_path: Path) -> None:
    table = find(str(write(tmp_path))).load(None)
    assert len(table.frame) == 200
    assert table.sensitive == {"gender": ("male", "female"), "origin": ("north", "south", "east")}
    kinds = {column.name: column.kind for column in table.columns}
    assert kinds == {
        **{"age": "numeric", "income": "numeric", "gender": "categorical", "title": "categorical"},
        **{"origin": "categorical", "job": "categorical"},
    }
    assert set(table.frame["job"]) == {"cook", "clerk", "unknown"} and table.frame["age"].dtype == np.int64
    assert table.target_label == "loan paid back" and table.notes == ("Made up.",)
    splits = split_rows(table, DataConfig(train_rows=100, validation_rows=50, test_rows=50, sensitive="origin"))
    assert len(splits.train) == 100


def test_csv_and_parquet_give_the_same_table(tmp_path: Path) -> None:
    csv = find(str(write(tmp_path))).load(None)
    parquet = find(str(write(tmp_path, TEXT.replace("loans.csv", "loans.parquet")))).load(None)
    assert csv.digest == parquet.digest


def test_parallel_words_change_with_the_attribute_and_come_back(tmp_path: Path) -> None:
    dataset = DescribedTable(write(tmp_path))
    frame = dataset.load(None).frame
    frame.loc[0, ["gender", "title"]] = ["male", "Ms"]  # an odd row must come back, too
    other = np.where(frame["gender"] == "male", "female", "male")
    flipped = dataset.counterfactual(frame, "gender", other)
    assert (flipped["title"] == frame["title"].map({"Mr": "Ms", "Ms": "Mr", "Dr": "Dr"})).all()
    pd.testing.assert_frame_equal(dataset.counterfactual(flipped, "gender", frame["gender"].to_numpy()), frame)
    assert dataset.counterfactual(frame, "origin", ["south"] * 200)["title"].equals(frame["title"])


def test_a_trial_runs_on_a_described_table(tmp_path: Path, tiny_model: Path) -> None:
    place = write(tmp_path / "own")
    study = small_study(tmp_path, tiny_model, f"data.table={place}", "data.path=null", "data.sensitive=origin")
    outcome = run_trial(at_stage(study.default_trial(), "cda"), Runtime())
    assert outcome.cube is not None and outcome.cube.groups == ("east", "north", "south")
    assert outcome.facts["augmented_rows"] == 2 * 60


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("label: age}", "lable: age}", r"loans.yaml:5: columns.age.lable: unknown key. Did you mean 'label'"),
        (
            "sensitive: [gender, origin]",
            "sensitive: [gendre]",
            r"'gendre' is not among the columns. Did you mean 'gender'",
        ),
        ("[gender, origin]", "[]", r"loans.yaml:\d+.*sensitive"),
        ("column: paid", "column: age", "'age' is the target"),
        ("    title: [", "    titel: [", "'titel' is not among the columns"),
        ("sensitive: [gender, origin]", "sensitive: [origin]", "'gender' is not sensitive"),
        ("file: loans.csv", "flie: loans.csv", "flie: unknown key. Did you mean 'file'"),
        ("columns:", "columns: [", "not valid YAML"),
    ],
)
def test_a_wrong_description_is_named_with_its_line(tmp_path: Path, old: str, new: str, expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        find(str(write(tmp_path, TEXT.replace(old, new, 1))))


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("loans.csv", "lones.csv", "lones.csv: no such file"),
        ("positive: [1]", "positive: [yes]", "column 'paid' never holds 'yes'"),
        ("{m: male, f: female}", "{m: male}", "column 'gender' has the code 'f', which means nothing"),
        (", missing: unknown", "", r"column 'job' is empty in data row \d+. Give columns.job.missing"),
        ("  job: {", "  jobs: {", "column 'jobs' is lacking. Did you mean 'job'"),
        ("male: Mr", "man: Mr", "gender is never 'man'"),
        ("sensitive: [gender, origin]", "sensitive: [gender, age]", "'age' has .* values, more than 20"),
        ('separator: ";"', 'separator: ","', "column 'age' is lacking"),
    ],
)
def test_a_table_that_does_not_fit_is_named(tmp_path: Path, old: str, new: str, expected: str) -> None:
    with pytest.raises(DataError, match=expected):
        find(str(write(tmp_path, TEXT.replace(old, new, 1)))).load(None)


def test_a_missing_description_and_a_needless_path_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nothing\.yaml: cannot be read"):
        find(str(tmp_path / "nothing.yaml"))
    with pytest.raises(DataError, match=r"Leave data\.path out"):
        find(str(write(tmp_path))).load(tmp_path)
