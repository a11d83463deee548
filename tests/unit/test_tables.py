"""The two tables, read from small made-up files: what a row becomes, and what is said of a file that cannot serve."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from raysearch.datasets.table import TableData
from raysearch.datasets.tables.acs_employment import AcsEmployment
from raysearch.datasets.tables.acs_employment_atlanta import AcsEmploymentAtlanta
from raysearch.datasets.tables.adult import Adult
from raysearch.datasets.tables.compas import Compas
from raysearch.datasets.tables.german_credit import GermanCredit
from raysearch.errors import AssetError, DataError
from tests.small_tables import write_acs, write_adult, write_atlanta, write_compas, write_german


@pytest.fixture
def atlanta(tmp_path: Path) -> Path:
    return write_atlanta(tmp_path / "atlanta")


@pytest.fixture
def german(tmp_path: Path) -> Path:
    return write_german(tmp_path / "german")


def edit(file: Path, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    change(pd.read_csv(file, dtype=str)).to_csv(file, index=False)


def said(load: Callable[[], TableData]) -> str:
    with pytest.raises(DataError) as caught:
        load()
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_each_adult_stands_once_in_the_atlanta_table(atlanta: Path) -> None:
    table = AcsEmploymentAtlanta().load(atlanta)
    assert len(table.frame) == len(table.target) == 400
    assert table.frame["age"].min() >= 16


def test_an_atlanta_row_is_decoded(tmp_path: Path) -> None:
    (tmp_path / "persons.csv").write_text(
        "finalPumsId,sporder,agep,sex,esr,schl,schg,mil\n"
        "7,1,44,2,1,13,-9,5\n7,1,44,2,1,13,-9,5\n7,2,16,1,6,6,5,-9\n7,3,15,1,-9,5,5,-9\n8,1,70,2,2,16,-9,3\n"
    )
    (tmp_path / "households.csv").write_text("finalPumsId,np,hht,veh\n7,3,3,2\n8,1,6,0\n")
    table = AcsEmploymentAtlanta().load(tmp_path)
    assert table.frame.to_dict("records") == [
        {
            "age": 44, "sex": "female", "education": "bachelor's degree", "school": "none", "military": "none",
            "household": "family without a couple", "persons": 3, "vehicles": 2,
        },
        {
            "age": 16, "sex": "male", "education": "grade 10", "school": "high school", "military": "none",
            "household": "family without a couple", "persons": 3, "vehicles": 2,
        },
        {
            "age": 70, "sex": "female", "education": "doctorate", "school": "none", "military": "past",
            "household": "living alone", "persons": 1, "vehicles": 0,
        },
    ]  # fmt: skip
    assert table.target.tolist() == [1, 0, 0]  # esr 2: employed, but not at work


def test_one_file_with_the_columns_of_both_serves_as_well(atlanta: Path, tmp_path: Path) -> None:
    homes = pd.read_csv(atlanta / "households.csv").drop_duplicates("finalPumsId")
    joined = pd.read_csv(atlanta / "persons.csv").merge(homes, on="finalPumsId")
    joined.to_csv(tmp_path / "mine.csv", index=False)
    one, two = AcsEmploymentAtlanta().load(tmp_path / "mine.csv"), AcsEmploymentAtlanta().load(atlanta)
    assert one.digest == two.digest


@pytest.mark.parametrize("column", ["sex", "esr", "agep"])
def test_a_lacking_column_is_named_with_its_file(column: str, atlanta: Path) -> None:
    edit(atlanta / "persons.csv", lambda frame: frame.drop(columns=column))
    message = said(lambda: AcsEmploymentAtlanta().load(atlanta))
    assert "persons.csv" in message and f"column '{column}' is lacking" in message


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"", "the file is empty"),
        (b"finalPumsId,sporder,agep,sex,esr,schl,schg,mil\n", "no rows"),
        (b"\x80\x81\xff\xfe", "cannot be read as a table"),
        (b"a,b\n1,2\n1,2,3,4\n", "cannot be read as a table"),
    ],
)
def test_a_file_that_is_no_table_is_named(text: bytes, expected: str, atlanta: Path) -> None:
    (atlanta / "persons.csv").write_bytes(text)
    message = said(lambda: AcsEmploymentAtlanta().load(atlanta))
    assert str(atlanta / "persons.csv") in message and expected in message


@pytest.mark.parametrize(
    ("column", "cell"), [("sex", "3"), ("schl", "99"), ("agep", "old"), ("esr", ""), ("agep", "4.5")]
)
def test_a_cell_without_meaning_is_named(column: str, cell: str, atlanta: Path) -> None:
    def spoil(frame: pd.DataFrame) -> pd.DataFrame:
        frame.loc[frame["finalPumsId"] == "3", column] = cell
        return frame

    edit(atlanta / "persons.csv", spoil)
    message = said(lambda: AcsEmploymentAtlanta().load(atlanta))
    assert f"'{column}'" in message and f"'{cell}'" in message and str(atlanta) in message


def test_a_table_of_children_has_no_rows(atlanta: Path) -> None:
    edit(atlanta / "persons.csv", lambda frame: frame[frame["agep"].astype(int) < 16])
    assert "no usable rows" in said(lambda: AcsEmploymentAtlanta().load(atlanta))


def test_one_group_alone_is_refused(atlanta: Path) -> None:
    edit(atlanta / "persons.csv", lambda frame: frame[frame["sex"] == "2"])
    assert "sex is 'female' in every row" in said(lambda: AcsEmploymentAtlanta().load(atlanta))


def test_one_label_alone_is_refused(atlanta: Path) -> None:
    edit(atlanta / "persons.csv", lambda frame: frame[frame["esr"] == "1"])
    message = said(lambda: AcsEmploymentAtlanta().load(atlanta))
    assert "have the label 1" in message and "employed and at work" in message


def test_a_person_without_a_household_is_named(atlanta: Path) -> None:
    edit(atlanta / "households.csv", lambda frame: frame[frame["finalPumsId"] != "5"])
    message = said(lambda: AcsEmploymentAtlanta().load(atlanta))
    assert "households.csv" in message and "finalPumsId 5" in message


def test_a_missing_file_and_a_missing_folder_are_named(tmp_path: Path) -> None:
    assert "persons.csv: no such file" in said(lambda: AcsEmploymentAtlanta().load(tmp_path))
    with pytest.raises(AssetError, match="nowhere"):
        AcsEmploymentAtlanta().load(tmp_path / "nowhere")


def test_a_german_row_is_decoded(tmp_path: Path) -> None:
    file = tmp_path / "german.data"
    file.write_text(
        "A11 6 A34 A43 1169 A65 A75 4 A93 A101 4 A121 67 A143 A152 2 A173 1 A192 A201 1\n"
        "A12 48 A32 A410 5951 A61 A73 2 A92 A101 2 A121 22 A143 A151 1 A173 1 A191 A202 2\n"
    )
    table = GermanCredit().load(tmp_path)
    first = table.frame.iloc[0].to_dict()
    assert (first["sex"], first["months"], first["purpose"]) == ("male", 6, "radio or television")
    assert table.frame["sex"].tolist() == ["male", "female"]
    assert table.frame["foreign"].tolist() == ["yes", "no"]
    assert table.target.tolist() == [1, 0]
    assert GermanCredit().load(file).digest == table.digest


def test_marital_status_is_left_out_of_the_german_table(german: Path) -> None:
    table = GermanCredit().load(german)
    assert "status_and_sex" not in table.frame and len(table.columns) == 20
    held = " ".join(table.frame.drop(columns="sex").to_numpy(dtype=str).ravel())
    assert not {"single", "married", "divorced", "male", "female"} & set(held.split())


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda text: "", "empty"),
        (lambda text: text.replace(" 1\n", "\n").replace(" 2\n", "\n"), "'risk' is lacking"),
        (lambda text: text.replace(" 2\n", " 3\n"), "code '3'"),
        (lambda text: text.replace(" A93 ", " A96 "), "code 'A96'"),
        (lambda text: text.replace(" ", ","), "separated by ' '"),
    ],
)
def test_a_german_file_that_cannot_serve_is_named(change: Callable[[str], str], expected: str, german: Path) -> None:
    file = german / "german.data"
    file.write_text(change(file.read_text()))
    message = said(lambda: GermanCredit().load(file))
    assert str(file) in message and expected in message


def test_an_unknown_attribute_is_answered_with_the_nearest(german: Path) -> None:
    table = GermanCredit().load(german)
    with pytest.raises(DataError, match=r"data.sensitive: table 'german_credit' .* 'sexx'. Did you mean 'sex'\?"):
        table.groups("sexx")


def test_the_digest_sees_one_changed_cell(german: Path) -> None:
    before = GermanCredit().load(german).digest
    file = german / "german.data"
    first, rest = file.read_text().split("\n", 1)
    flipped = first[:-1] + ("2" if first.endswith("1") else "1")
    file.write_text(f"{flipped}\n{rest}")
    assert GermanCredit().load(german).digest != before


def test_flipping_refuses_values_that_the_attribute_never_takes(german: Path) -> None:
    frame = GermanCredit().load(german).frame.head(3)
    with pytest.raises(DataError, match=r"never 'femal'\. Did you mean 'female'"):
        GermanCredit().counterfactual(frame, "sex", np.array(["male", "femal", "male"]))
    with pytest.raises(DataError, match="3 rows need as many values"):
        GermanCredit().counterfactual(frame, "sex", np.array(["male"]))


@pytest.mark.network
def test_the_facts_of_the_real_atlanta_table() -> None:
    table = AcsEmploymentAtlanta().load(None)
    sex = table.groups("sex")
    assert len(table.frame) == 7818
    assert {v: int(np.sum(sex == v)) for v in ("male", "female")} == {"male": 3654, "female": 4164}
    assert [round(float(table.target[sex == v].mean()), 3) for v in ("male", "female")] == [0.746, 0.551]


def test_an_adult_row_is_decoded_and_a_person_stands_there_once(tmp_path: Path) -> None:
    table = Adult().load(write_adult(tmp_path / "adult", rows=400))
    assert len(table.frame) == 400
    assert table.frame.iloc[0].to_dict() == {
        "age": 39,
        "workclass": "state government",
        "education": "bachelor's degree",
        "marital": "married",
        "occupation": "administrative or clerical",
        "relationship": "wife",
        "race": "black",
        "sex": "female",
        "gain": 2174,
        "loss": 0,
        "hours": 40,
        "country": "Trinidad and Tobago",
    }
    assert table.target[0] == 1


def test_with_the_sex_husbands_and_wives_change_and_with_the_race_they_do_not(tmp_path: Path) -> None:
    frame = Adult().load(write_adult(tmp_path / "adult")).frame
    other = np.where(frame["sex"] == "male", "female", "male")
    flipped = Adult().counterfactual(frame, "sex", other)
    assert (flipped.loc[frame["relationship"] == "wife", "relationship"] == "husband").all()
    assert (flipped.loc[frame["relationship"] == "husband", "relationship"] == "wife").all()
    assert not (flipped["relationship"] != frame["relationship"])[
        ~frame["relationship"].isin(["husband", "wife"])
    ].any()
    white = Adult().counterfactual(frame, "race", np.array(["white"] * len(frame)))
    pd.testing.assert_frame_equal(white.drop(columns="race"), frame.drop(columns="race"))
    half = np.where(np.arange(len(frame)) % 2 == 0, other, frame["sex"])
    kept = Adult().counterfactual(frame, "sex", half).iloc[1::2]
    pd.testing.assert_frame_equal(kept, frame.iloc[1::2])


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"),
    [
        ("adult.data", "State-gov", "Stategov", r"column 'workclass' has the code 'Stategov'"),
        ("adult.data", ">50K", "50K", r"column 'income' has the code '50K'"),
        ("adult.test", ", ", ";", r"a row must have 15 cells separated by ','"),
    ],
)
def test_an_adult_file_that_cannot_serve_is_named(tmp_path: Path, file: str, old: str, new: str, expected: str) -> None:
    folder = write_adult(tmp_path / "adult")
    (folder / file).write_text((folder / file).read_text().replace(old, new))
    with pytest.raises(DataError, match=expected):
        Adult().load(folder)


def test_the_acs_task_is_read_from_the_census_files_of_either_kind(tmp_path: Path) -> None:
    folder = write_acs(tmp_path / "acs")
    table = AcsEmployment().load(folder)
    assert len(table.frame) == 400 - 1  # without a weight of 0; nobody under 17 or over 89, nobody twice
    assert table.frame["age"].between(17, 89).all()
    first = table.frame.iloc[0].to_dict()
    assert (first["relationship"], first["military"], first["race"], first["parents"]) == (
        *("spouse", "never", "black", "not living with parents"),
    )
    file = folder / "psam_p13.csv"
    old = pd.read_csv(file, dtype=str, keep_default_na=False).rename(columns={"RELSHIPP": "RELP"})
    old["RELP"], old.loc[0, "MIL"] = "01", "5"
    old.to_csv(file, index=False)
    again = AcsEmployment().load(file).frame
    assert (again["relationship"] == "spouse").all() and again.loc[0, "military"] == "never"


def test_the_acs_task_without_its_files_says_where_they_are(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"data\.path: .* Census Bureau.* acs_employment_atlanta"):
        AcsEmployment().load(None)
    (tmp_path / "a.csv").write_text("AGEP,SEX\n3,1\n")
    with pytest.raises(DataError, match=r"a\.csv: column 'SERIALNO' is lacking"):
        AcsEmployment().load(tmp_path)


def test_a_compas_row_is_decoded_and_the_published_filter_applied(tmp_path: Path) -> None:
    table = Compas().load(write_compas(tmp_path / "compas"))
    assert len(table.frame) == 400 - 5
    assert table.frame.iloc[0].to_dict() == {
        "age": 34,
        "sex": "male",
        "race": "caucasian",
        "priors": 2,
        "degree": "felony",
        "juvenile_felonies": 0,
        "juvenile_misdemeanors": 1,
        "juvenile_others": 0,
    }
    assert table.target[0] == 1


@pytest.mark.network
def test_the_facts_of_the_real_adult_table() -> None:
    table = Adult().load(None)
    sex = table.groups("sex")
    assert len(table.frame) == 48842 - 52
    assert [round(float(table.target[sex == v].mean()), 3) for v in ("male", "female")] == [0.304, 0.109]
    assert int(np.sum(table.groups("race") == "american indian or eskimo")) == 470


@pytest.mark.network
def test_the_facts_of_the_real_compas_table() -> None:
    table = Compas().load(None)
    race = table.groups("race")
    assert len(table.frame) == 6172
    assert {v: int(np.sum(race == v)) for v in table.sensitive["race"]} == {
        **{"african american": 3175, "caucasian": 2103, "hispanic": 509, "other": 385}
    }
    assert round(1 - float(table.target[race == "african american"].mean()), 4) == 0.5231


@pytest.mark.network
def test_the_facts_of_the_real_german_table() -> None:
    table = GermanCredit().load(None)
    sex = table.groups("sex")
    assert len(table.frame) == 1000 and int(table.target.sum()) == 700
    assert {v: int(np.sum(sex == v)) for v in ("male", "female")} == {"male": 690, "female": 310}
    assert [int(table.target[sex == v].sum()) for v in ("male", "female")] == [499, 201]
