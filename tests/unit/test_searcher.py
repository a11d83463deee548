"""The searcher on a real Optuna journal, driven as Ray Tune drives it, without Ray."""

from __future__ import annotations

import json
import math
import pickle
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState
from ray.tune.search import Searcher

from raysearch.config.schema import ConstraintConfig, SamplerConfig, StudyConfig
from raysearch.config.space import Choice, Float, Int
from raysearch.errors import ConfigError
from raysearch.search import constraints
from raysearch.search.samplers import build
from raysearch.search.searcher import ParetoSearcher, Proposal, Verdict, open_study

SPACE = {
    "x": Float(0.0, 1.0),
    "n": Int(1, 8, log=True),
    "cda": Choice(({"mode": "none"}, {"mode": "replace", "fraction": Float(0.2, 0.8)})),
}
CONFIG = StudyConfig.model_validate(
    {"name": "s", "trial": {}, "objectives": {"intrinsic_gap": "minimize", "accuracy": "maximize"}}
)
ANCHORS = [("baseline", {"b": 1}), ("cda", {"c": 1}), ("unlearning", {"u": 1})]


def searcher_of(tmp_path: Path, settle, anchors=ANCHORS, trials: int = 4, concurrent: int = 2):
    study = open_study(tmp_path / "optuna.journal", "run", CONFIG)
    return study, ParetoSearcher(study, SPACE, anchors, settle, trials, concurrent)


def fine(proposal: Proposal, lost: bool) -> Verdict:
    return Verdict((0.1 * proposal.number, 0.5), {"c": -1.0})


def run_out(searcher: ParetoSearcher, limit: int = 50) -> list[int]:
    numbers = []
    for step in range(limit):
        given = searcher.suggest(f"t{step}")
        if given == Searcher.FINISHED:
            return numbers
        assert isinstance(given, dict)
        numbers.append(given["number"])
        searcher.on_trial_complete(f"t{step}", {})
    raise AssertionError("never finished")


def test_the_baseline_runs_first_and_alone_then_the_other_anchors_then_samples(tmp_path: Path) -> None:
    _, searcher = searcher_of(tmp_path, fine)
    first = searcher.suggest("a")
    assert json.loads(first["config"]) == {"b": 1}
    assert searcher.suggest("b") is None
    searcher.on_trial_complete("a", {})
    assert json.loads(searcher.suggest("b")["config"]) == {"c": 1}
    assert json.loads(searcher.suggest("c")["config"]) == {"u": 1}
    assert searcher.suggest("d") is None, "two are out already"


def test_every_number_is_given_once_and_the_search_ends(tmp_path: Path) -> None:
    study, searcher = searcher_of(tmp_path, fine)
    assert run_out(searcher) == list(range(7))
    assert [t.state for t in study.trials] == [TrialState.COMPLETE] * 4
    assert [t.user_attrs["trial"] for t in study.trials] == [3, 4, 5, 6]


def test_vectors_directions_and_constraints_reach_optuna(tmp_path: Path) -> None:
    def settle(proposal: Proposal, lost: bool) -> Verdict:
        return Verdict((0.5, 0.9), {"too far": 1.0 if proposal.number % 2 else -1.0})

    study, searcher = searcher_of(tmp_path, settle, anchors=[])
    run_out(searcher)
    assert [d.name for d in study.directions] == ["MINIMIZE", "MAXIMIZE"]
    assert study.trials[0].values == [0.5, 0.9]
    assert {t.number for t in study.best_trials} == {0, 2}


@pytest.mark.parametrize("values", [None, (math.nan, 0.5), (0.1, math.inf)])
def test_failure_and_nan_are_failures_with_a_reason_never_complete(tmp_path: Path, values) -> None:
    study, searcher = searcher_of(tmp_path, lambda p, lost: Verdict(values, {}, "out of memory"), anchors=[])
    run_out(searcher)
    assert [t.state for t in study.trials] == [TrialState.FAIL] * 4
    assert {t.user_attrs["reason"] for t in study.trials} == {"out of memory"}


def test_a_trial_completed_twice_counts_once(tmp_path: Path) -> None:
    settled = []

    def settle(proposal: Proposal, lost: bool) -> Verdict:
        settled.append(proposal.number)
        return fine(proposal, lost)

    _, searcher = searcher_of(tmp_path, settle)
    searcher.suggest("a")
    searcher.on_trial_complete("a", {})
    searcher.on_trial_complete("a", {}, error=True)
    searcher.on_trial_complete("never suggested", {})
    assert settled == [0]


def test_nothing_stays_running_when_the_study_is_abandoned(tmp_path: Path) -> None:
    study, searcher = searcher_of(tmp_path, fine, anchors=[])
    searcher.suggest("a")
    searcher.suggest("b")
    searcher.abandon("stopped by the user")
    assert [t.state for t in study.trials] == [TrialState.FAIL] * 2
    assert study.trials[0].user_attrs["reason"] == "stopped by the user"


def test_a_stopped_searcher_proposes_nothing_more(tmp_path: Path) -> None:
    _, searcher = searcher_of(tmp_path, fine)
    searcher.stop()
    assert searcher.suggest("a") == Searcher.FINISHED


def test_sampled_configurations_are_those_of_their_parameters(tmp_path: Path) -> None:
    given = []
    _, searcher = searcher_of(tmp_path, lambda p, lost: given.append(p) or fine(p, lost), anchors=[], trials=12)
    run_out(searcher)
    for proposal in given:
        assert proposal.config["x"] == proposal.params["x"]
        assert proposal.config["cda"]["mode"] == proposal.params["cda"]
        assert ("cda.fraction" in proposal.params) == (proposal.params["cda"] == "replace")
    assert {p.params["cda"] for p in given} == {"none", "replace"}


def test_a_seed_repeats_the_search(tmp_path: Path) -> None:
    def params(folder: Path) -> list[dict[str, float]]:
        folder.mkdir()
        study, searcher = searcher_of(folder, fine, anchors=[], trials=6, concurrent=1)
        run_out(searcher)
        return [t.params for t in study.trials]

    assert params(tmp_path / "a") == params(tmp_path / "b")


def test_a_pickle_of_the_searcher_holds_nothing(tmp_path: Path) -> None:
    _, searcher = searcher_of(tmp_path, fine)
    assert str(tmp_path).encode() not in pickle.dumps(searcher)


def test_a_study_name_that_exists_is_never_merged_with(tmp_path: Path) -> None:
    open_study(tmp_path / "optuna.journal", "run", CONFIG)
    with pytest.raises(optuna.exceptions.DuplicatedStudyError):
        open_study(tmp_path / "optuna.journal", "run", CONFIG)


@pytest.mark.parametrize("name", ["tpe", "nsga2", "nsga3", "gp", "random", "quasi_random"])
def test_every_sampler_is_built_and_asks(tmp_path: Path, name: str) -> None:
    config = CONFIG.model_copy(
        update={"search": CONFIG.search.model_copy(update={"sampler": SamplerConfig(name=name)})}
    )
    study = open_study(tmp_path / "j", "run", config)
    assert 0 <= study.ask().suggest_float("x", 0, 1) <= 1


def test_options_of_samplers_are_checked() -> None:
    with pytest.raises(ConfigError, match=r"search\.sampler\.options\.multivariat.*Did you mean 'multivariate'"):
        build(SamplerConfig(options={"multivariat": True}))
    with pytest.raises(ConfigError, match="refuses them"):
        build(SamplerConfig(name="nsga2", options={"population_size": 1}))


METRICS = {"accuracy": 0.7, "perplexity_ratio": 1.1}


@pytest.mark.parametrize(
    ("given", "name", "violation"),
    [
        ({"metric": "accuracy", "at_least": 0.6}, "accuracy >= 0.6", -0.1),
        ({"metric": "perplexity_ratio", "at_most": 1.05}, "perplexity_ratio <= 1.05", 0.05),
        (
            {"metric": "accuracy", "at_least": -0.03, "relative_to": "baseline"},
            "accuracy >= baseline - 0.03",
            0.75 - 0.03 - 0.7,
        ),
        (
            {"metric": "accuracy", "at_least": 0.01, "relative_to": "majority_rate"},
            "accuracy >= majority_rate + 0.01",
            0.65 + 0.01 - 0.7,
        ),
    ],
)
def test_constraints_are_distances_from_their_bounds(given, name: str, violation: float) -> None:
    constraint = ConstraintConfig.model_validate(given)
    found = constraints.violations([constraint], METRICS, 0.65, {"accuracy": 0.75, "perplexity_ratio": 1.0})
    assert found == {name: pytest.approx(violation)}


def test_the_baseline_is_compared_with_itself() -> None:
    constraint = ConstraintConfig(metric="accuracy", at_least=-0.03, relative_to="baseline")
    assert constraints.violations([constraint], METRICS, 0.65, None) == {
        "accuracy >= baseline - 0.03": pytest.approx(-0.03)
    }
