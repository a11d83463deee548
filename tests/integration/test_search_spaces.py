"""Every search space that ships really runs: a trial of it with both mitigations, on a tiny model and small tables."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import pytest

from raysearch.config import catalog
from raysearch.config.load import Study, load_study
from raysearch.config.schema import TrialConfig
from raysearch.config.space import Choice, Parameter, labels, parameters
from raysearch.pipeline.preflight import anchors, check_settings
from raysearch.pipeline.runtime import Runtime
from raysearch.pipeline.trial import run_trial
from raysearch.replay import at_stage
from tests.small_tables import WRITERS

ROWS = ("train_rows=60", "validation_rows=90", "test_rows=90", "min_group_rows=1")
REDUCED: dict[str, Any] = {
    "unlearning": {
        "steps": 2,
        "pairs_per_step": 4,
        "neutral": {"source": "built_in", "texts": 4, "texts_per_step": 2, "max_length_tokens": 16},
    },
    "downstream": {"classifier": {"epochs": 1}},
    "stereotypes": {"evaluation_pairs": 12},
    "evaluation": {"perplexity_source": "built_in", "perplexity_texts": 4, "bootstrap_rounds": 100},
}
"""What makes a trial short and changes nothing of what it goes through."""


@functools.cache
def shipped(name: str) -> Study:
    return load_study(name)


def tables_of(name: str) -> tuple[str, ...]:
    """The tables that a space's trials may have."""
    table: Parameter | None = parameters(shipped(name).space).get("data.table")
    if table is None:
        return (shipped(name).default_trial().data.table,)
    assert isinstance(table.distribution, Choice)
    return labels(table.distribution)


CASES = [(name, table) for name in catalog.names() for table in tables_of(name)]


@pytest.fixture(scope="module")
def runtime() -> Runtime:
    return Runtime()


@pytest.fixture(scope="module")
def small_tables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("tables")
    return {table: WRITERS[table](folder / table) for _, table in CASES}


def reduced(config: TrialConfig) -> TrialConfig:
    def merged(plain: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
        below = {key: merged(plain[key], value) for key, value in changes.items() if isinstance(value, dict)}
        return plain | changes | below

    return TrialConfig.model_validate(merged(config.model_dump(mode="json"), REDUCED))


def test_the_spaces_and_the_tables_are_all_there() -> None:
    assert {"demo", "german_credit", "paper_four_stages", "model_scale"} <= set(catalog.names())
    assert {table for name, table in CASES if name == "paper_four_stages"} > {"adult"}
    assert {table for _, table in CASES} == set(WRITERS), "a table that comes with raysearch has a space that uses it"


@pytest.mark.parametrize("name", [name for name in catalog.names() if shipped(name).config.search.grid])
def test_the_unlearning_anchor_of_a_grid_is_one_of_its_cells(name: str) -> None:
    """Else a table of stages would average it with the cell whose loss weight or reference text it happens to share."""
    study = shipped(name)
    cells = [study.trial(point) for point in study.points]
    assert all(anchor.config in cells for anchor in anchors(study) if anchor.stage == "unlearning")


@pytest.mark.parametrize(("name", "table"), CASES)
def test_a_trial_of_every_space_runs(
    name: str, table: str, tiny_model: Path, small_tables: dict[str, Path], runtime: Runtime
) -> None:
    given = [f"model.source={tiny_model}", "model.dtype=float32", "model.sharding=none"]
    given += [f"data.table={table}", f"data.path={small_tables[table]}", *(f"data.{setting}" for setting in ROWS)]
    study = load_study(name, given)
    configs = check_settings(study, anchors(study))
    assert {config.data.table for config in configs} == {table}
    config = at_stage(reduced(study.default_trial()), "combined")
    outcome = run_trial(config, runtime)
    assert outcome.final and tuple(outcome.metrics) == config.measured
    assert {*study.config.objectives, *(bound.metric for bound in study.config.constraints)} <= set(outcome.metrics)
    assert len(outcome.curves) == 2 and outcome.facts["judged_rows"] > 0
