"""Several sensitive attributes, crossed ones, and groups too small to measure, end to end."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from raysearch.config.metric_names import METRICS
from raysearch.config.schema import CdaReweigh, CdaWeighted, DataConfig, TrialConfig
from raysearch.datasets.find import find
from raysearch.datasets.splits import split_rows
from raysearch.errors import ConfigError, DataError
from raysearch.pipeline.data import prepare
from raysearch.pipeline.preflight import Anchor, check_settings
from raysearch.pipeline.runtime import Runtime
from raysearch.pipeline.trial import run_trial
from raysearch.replay import at_stage
from tests.studies import small_study

DESCRIPTION = """\
file: people.csv
target: {column: granted, positive: ["yes"], label: got the loan}
columns:
  income: {label: income}
  gender: {label: gender}
  origin: {label: origin}
  title: {label: title}
sensitive: [gender, origin]
counterfactual:
  gender:
    title: [{male: Mr, female: Ms}]
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    rows = 400
    gender = rng.choice(["female", "male"], rows)
    origin = np.array(["north"] * 200 + ["south"] * 190 + ["east"] * 10)
    income = rng.integers(10, 90, rows)
    granted = income + 15 * (gender == "male") + 10 * (origin == "north") + rng.normal(0, 15, rows) > 60
    frame = pd.DataFrame(
        {
            "income": income,
            "gender": gender,
            "origin": origin,
            "title": np.where(gender == "male", "Mr", "Ms"),
            "granted": np.where(granted, "yes", "no"),
        }
    )
    frame.to_csv(tmp_path / "people.csv", index=False)
    (tmp_path / "people.yaml").write_text(DESCRIPTION)
    return tmp_path / "people.yaml"


def config_of(tmp_path: Path, model: Path, place: Path, *overrides: str) -> TrialConfig:
    given = (f"trial.data.table={place}", "trial.data.path=null", "trial.data.min_group_rows=3", *overrides)
    return small_study(tmp_path, model, *given).default_trial()


def test_a_crossed_attribute_has_the_groups_of_all_its_values(place: Path) -> None:
    dataset = find(str(place))
    table = dataset.load(None)
    values = table.values("gender x origin")
    assert len(values) == 6 and "female, north" in values
    assert set(table.groups("gender x origin")) <= set(values)
    assert dataset.other_values("gender x origin", "female, north") == tuple(v for v in values if v != "female, north")
    with pytest.raises(DataError, match="crosses an attribute with itself"):
        table.values("gender x gender")
    with pytest.raises(DataError, match=r"no sensitive attribute 'orign'. Did you mean 'origin'"):
        table.values("gender x orign")


def test_a_crossed_flip_changes_every_field_that_speaks_of_either_and_flips_back(place: Path) -> None:
    dataset = find(str(place))
    frame = dataset.load(None).frame.head(30)
    old = np.array([f"{g}, {o}" for g, o in zip(frame["gender"], frame["origin"], strict=True)])
    new = np.array([dataset.other_values("gender x origin", value)[-1] for value in old])
    flipped = dataset.counterfactual(frame, "gender x origin", new)
    assert [f"{g}, {o}" for g, o in zip(flipped["gender"], flipped["origin"], strict=True)] == new.tolist()
    assert ((flipped["title"] == "Mr") == (flipped["gender"] == "male")).all()
    pd.testing.assert_frame_equal(dataset.counterfactual(flipped, "gender x origin", old), frame)
    with pytest.raises(DataError, match="gender x origin is never 'male, moon'"):
        dataset.counterfactual(frame, "gender x origin", np.array(["male, moon"] * 30))


def test_small_groups_are_refused_or_left_out_and_the_record_says_so(
    tmp_path: Path, tiny_model: Path, place: Path
) -> None:
    crossed = ("trial.data.sensitive=gender x origin", "trial.data.validation_rows=90", "trial.data.test_rows=90")
    refused = config_of(tmp_path, tiny_model, place, *crossed)
    with pytest.raises(DataError, match=r"group\s+gender x origin=female, east.*leave_out"):
        prepare(at_stage(refused, "baseline"), Runtime())
    config = config_of(tmp_path, tiny_model, place, *crossed, "trial.data.small_groups=leave_out")
    outcome = run_trial(at_stage(config, "cda"), Runtime())
    assert outcome.cube is not None
    assert set(outcome.cube.groups) == {f"{g}, {o}" for g in ("female", "male") for o in ("north", "south")}
    left = outcome.facts["left_out_groups"]
    assert left and all("east" in name for name in left)
    assert int(outcome.cube.counts.sum()) == outcome.facts["judged_rows"] == 90 - sum(left.values())
    assert outcome.facts["augmented_rows"] == 5 * 60  # a copy for each other crossed value
    assert {"gender", "origin"} <= set(outcome.facts["columns"])


def test_more_attributes_are_measured_beside(tmp_path: Path, tiny_model: Path, place: Path) -> None:
    overrides = ("trial.data.sensitive=gender", "trial.data.also_by=[origin, gender x origin]")
    rows = ("trial.data.validation_rows=90", "trial.data.test_rows=90")
    config = config_of(tmp_path, tiny_model, place, *overrides, *rows)
    found = run_trial(at_stage(config, "baseline"), Runtime())
    plain = run_trial(at_stage(config_of(tmp_path, tiny_model, place, overrides[0], *rows), "baseline"), Runtime())
    assert {name: found.metrics[name] for name in METRICS} == plain.metrics
    for attribute in ("origin", "gender x origin"):
        measured = found.breakdown[f"{attribute}.demographic_parity_difference"]
        assert 0 <= measured.value <= 1 and measured.n < 90  # the few of the east are too few
        assert found.metrics[f"demographic_parity_difference.{attribute}"] == measured
    many = DataConfig(
        table=str(place),
        sensitive="gender",
        also_by=("gender x origin",),
        train_rows=60,
        validation_rows=90,
        test_rows=90,
        min_group_rows=13,
    )
    with pytest.raises(DataError, match="fewer than two groups of gender x origin"):
        split_rows(find(str(place)).load(None), many)


def test_an_unknown_further_attribute_is_named_before_anything_starts(
    tmp_path: Path, tiny_model: Path, place: Path
) -> None:
    overrides = (f"trial.data.table={place}", "trial.data.path=null", "trial.data.sensitive=gender")
    study = small_study(tmp_path, tiny_model, *overrides, "trial.data.also_by=[orign]")
    config = study.default_trial()
    with pytest.raises(ConfigError, match=r"data.also_by: table .* 'orign'. Did you mean 'origin'"):
        check_settings(study, [Anchor(config.stage, config)])


def test_weights_of_augmentation_reach_the_downstream_model(tmp_path: Path, tiny_model: Path) -> None:
    config = at_stage(small_study(tmp_path, tiny_model, "downstream.inverse_regularization=1.0").default_trial(), "cda")
    weighed = {}
    for cda in (CdaWeighted(mode="weighted", share=0.5), CdaWeighted(mode="weighted", share=0.02)):
        outcome = run_trial(config.model_copy(update={"cda": cda}), Runtime())
        assert outcome.facts["augmented_rows"] == 60
        weighed[cda.share] = outcome.evidence.decided
    assert weighed[0.5] != weighed[0.02]
    reweigh = run_trial(config.model_copy(update={"cda": CdaReweigh(mode="reweigh")}), Runtime())
    assert reweigh.facts["augmented_rows"] == 0
