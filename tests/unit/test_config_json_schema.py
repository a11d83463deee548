"""The JSON Schema agrees with the reader about right and wrong files."""

from __future__ import annotations

import copy
import dataclasses
from typing import Any

import jsonschema
import pytest

from raysearch.config import catalog
from raysearch.config.json_schema import study_schema
from raysearch.config.load import load_study
from raysearch.config.space import Choice, Float, Int

VALIDATOR = jsonschema.Draft202012Validator(study_schema())


def as_json(value: Any) -> Any:
    """Distributions as an editor sees their tags: mappings and lists."""
    if isinstance(value, Choice):
        return {"options": [as_json(option) for option in value.options]} | (
            {"default": value.default} if value.default else {}
        )
    if isinstance(value, Float | Int):
        return {key: entry for key, entry in dataclasses.asdict(value).items() if entry is not None}
    if isinstance(value, dict):
        return {key: as_json(entry) for key, entry in value.items()}
    return value


def demo() -> dict[str, Any]:
    study = load_study("demo")
    return {**study.config.model_dump(mode="json", exclude={"trial"}), "trial": as_json(study.space)}


def test_it_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(study_schema())


@pytest.mark.parametrize("name", catalog.names())
def test_shipped_studies_are_valid(name: str) -> None:
    study = load_study(name)
    data = {**study.config.model_dump(mode="json", exclude={"trial"}), "trial": as_json(study.space)}
    assert [error.message for error in VALIDATOR.iter_errors(data)] == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("serach",), {}),
        (("search", "trails"), 3),
        (("trial", "unlerning"), {}),
        (("trial", "unlearning", "lrr"), 1e-4),
        (("trial", "unlearning", "losses", "klx"), {"weight": 1}),
        (("trial", "unlearning", "losses", "kl", "wieght"), 1),
        (("trial", "unlearning", "lr"), {"low": 1e-4, "hihg": 1e-3}),
        (("trial", "unlearning", "lr"), "1e-4"),
        (("trial", "data", "table"), "german"),
        (("trial", "model", "dtype"), ["float32", "bf16"]),
        (("trial", "cda"), [{"mode": "replace", "fracton": 0.5}]),
        (("workers", "groups"), {"low": 1, "high": 2}),
        (("objectives", "acuracy"), "maximize"),
        (("objectives", "intrinsic_gap.rase"), "minimize"),
        (("objectives", "perplexity_ratio.race"), "minimize"),
        (("constraints",), [{"metric": "intrinsic_gapp.race", "at_most": 0.1}]),
        (("reference_point",), {"intrinsic_gap.rase": 0.5}),
        (("anchors", "unlearning", "steps"), {"low": 1, "high": 2}),
    ],
)
def test_mistakes_are_invalid(path: tuple[str, ...], value: Any) -> None:
    data = demo()
    block = data
    for step in path[:-1]:
        block = block[step]
    before = copy.deepcopy(data)
    block[path[-1]] = value
    assert VALIDATOR.is_valid(before)
    assert not VALIDATOR.is_valid(data)


def test_metrics_of_a_set_or_an_attribute_are_valid() -> None:
    data = demo()
    data["objectives"] = {"intrinsic_gap.race": "minimize", "demographic_parity_difference.sex x race": "minimize"}
    data["constraints"] = [{"metric": "intrinsic_signed_gap.religion", "at_most": 0.2}]
    data["reference_point"] = {"intrinsic_gap.race": 0.5}
    assert [error.message for error in VALIDATOR.iter_errors(data)] == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("seed", {"low": 1, "high": 5, "step": 2}),
        ("cda", {"mode": ["none", "duplicate"]}),
        ("cda", [{"mode": "none"}, {"mode": "replace", "fraction": {"low": 0.1, "high": 0.5}}]),
        ("unlearning", [None, {"lora": {"rank": [4, 8]}}]),
        ("text", {"max_columns": [None, 4]}),
    ],
)
def test_every_value_of_a_trial_may_be_a_distribution(key: str, value: Any) -> None:
    data = demo()
    data["trial"][key] = value
    assert VALIDATOR.is_valid(data)
