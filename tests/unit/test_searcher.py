"""The searcher on a real Optuna journal, driven as Ray Tune drives it, without Ray."""

from __future__ import annotations

import json
import math
import pickle
from collections import deque
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState
from ray.tune.search import Searcher

from raysearch.config.load import Study
from raysearch.config.schema import ConstraintConfig, SamplerConfig, StudyConfig
from raysearch.config.space import Choice, Float, Int
from raysearch.errors import ConfigError, UserError
from raysearch.ledger.record import ProposalRecord
from raysearch.pipeline.leg import Leg
from raysearch.search import constraints, storage
from raysearch.search.hvi import Goal
from raysearch.search.samplers import build
from raysearch.search.searcher import Agenda, ParetoSearcher, Verdict

SPACE = {
    "x": Float(0.0, 1.0),
    "n": Int(1, 8, log=True),
    "cda": Choice(({"mode": "none"}, {"mode": "replace", "fraction": Float(0.2, 0.8)})),
}
CONFIG = StudyConfig.model_validate(
    {"name": "s", "trial": {}, "objectives": {"intrinsic_gap": "minimize", "accuracy": "maximize"}}
)
GOAL = Goal(SPACE, ["minimize", "maximize"], CONFIG.corner)
ANCHORS = [("baseline", {"b": 1}), ("cda", {"c": 1}), ("unlearning", {"u": 1})]


class Desk:
    """A desk without workers: every trial ends as ``settle`` says; replicates are those of a list."""

    def __init__(self, settle, replicates=()) -> None:
        self.given: list[ProposalRecord] = []
        self._settle = settle
        self._replicates = deque(replicates)

    def hand_out(self, proposal: ProposalRecord) -> list[Leg]:
        self.given.append(proposal)
        return [Leg()]

    def settle(self, proposal: ProposalRecord, lost: bool) -> Verdict | None:
        return self._settle(proposal, lost)

    def replicate(self, number: int, pending) -> ProposalRecord | None:
        if not self._replicates:
            return None
        return ProposalRecord(trial=number, kind="replicate", config={}, replicate_of=self._replicates.popleft())


def agenda_of(anchors=ANCHORS, trials: int = 4, points=(), replicates: int = 0) -> Agenda:
    waiting = deque(
        ProposalRecord(trial=n, kind="anchor", config=config, anchor=stage) for n, (stage, config) in enumerate(anchors)
    )
    return Agenda(waiting, deque(enumerate(points)), trials, replicates, len(anchors), bool(anchors))


def study_of(folder: Path, config: StudyConfig = CONFIG, so_far: int = 0) -> optuna.Study:
    study = Study(config, SPACE, folder / "study.yaml", "")
    return storage.new_study(storage.open_storage(folder / "optuna.journal"), "run", study, so_far)


def searcher_of(tmp_path: Path, settle, anchors=ANCHORS, trials: int = 4, concurrent: int = 2, **agenda):
    study = study_of(tmp_path)
    desk = Desk(settle, agenda.pop("seeds", ()))
    return study, ParetoSearcher(study, SPACE, agenda_of(anchors, trials, **agenda), desk, concurrent)


def fine(proposal: ProposalRecord, lost: bool) -> Verdict:
    return Verdict("complete", (0.1 * proposal.trial, 0.5), {"c": -1.0})


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


def test_the_baseline_goes_first_the_other_anchors_beside_it_and_samples_when_it_is_known(tmp_path: Path) -> None:
    _, searcher = searcher_of(tmp_path, fine, concurrent=4)
    given = [searcher.suggest(name) for name in "abc"]
    assert [json.loads(one["config"]) for one in given] == [{"b": 1}, {"c": 1}, {"u": 1}]
    assert searcher.suggest("d") is None, "a sample waits for the baseline"
    searcher.on_trial_complete("a", {})
    assert searcher.suggest("d")["number"] == 3
    assert searcher.suggest("e")["number"] == 4
    assert searcher.suggest("f") is None, "four are out already"


def test_an_anchor_that_is_done_before_the_baseline_is_judged_after_it(tmp_path: Path) -> None:
    settled = []

    def settle(proposal: ProposalRecord, lost: bool) -> Verdict:
        settled.append(proposal.anchor)
        return fine(proposal, lost)

    _, searcher = searcher_of(tmp_path, settle, concurrent=3)
    for name in "abc":
        searcher.suggest(name)
    for name in "cba":
        searcher.on_trial_complete(name, {})
        searcher.on_trial_complete(name, {}, error=name != "a")
        assert len(settled) == (3 if name == "a" else 0)
    assert settled == ["baseline", "unlearning", "cda"]
    assert searcher.suggest("d")["number"] == 3 and len(searcher.out()) == 1


def test_anchors_are_not_judged_when_the_baseline_fails(tmp_path: Path) -> None:
    settled = []

    def settle(proposal: ProposalRecord, lost: bool) -> Verdict:
        settled.append(proposal.anchor)
        searcher.stop()
        return Verdict("failed", reason="no model")

    _, searcher = searcher_of(tmp_path, settle, concurrent=3)
    for name in "abc":
        searcher.suggest(name)
    for name in "bac":
        searcher.on_trial_complete(name, {})
    assert settled == ["baseline"] and not searcher.exhausted
    assert searcher.suggest("d") == Searcher.FINISHED


def test_every_number_is_given_once_and_the_search_ends(tmp_path: Path) -> None:
    study, searcher = searcher_of(tmp_path, fine)
    assert run_out(searcher) == list(range(7))
    assert [t.state for t in study.trials] == [TrialState.COMPLETE] * 4
    assert [t.user_attrs["trial"] for t in study.trials] == [3, 4, 5, 6]


def test_vectors_directions_and_constraints_reach_optuna(tmp_path: Path) -> None:
    def settle(proposal: ProposalRecord, lost: bool) -> Verdict:
        return Verdict("complete", (0.5, 0.9), {"too far": 1.0 if proposal.trial % 2 else -1.0})

    study, searcher = searcher_of(tmp_path, settle, anchors=[])
    run_out(searcher)
    assert [d.name for d in study.directions] == ["MINIMIZE", "MAXIMIZE"]
    assert study.trials[0].values == [0.5, 0.9]
    assert {t.number for t in study.best_trials} == {0, 2}


@pytest.mark.parametrize("values", [None, (math.nan, 0.5), (0.1, math.inf)])
def test_failure_and_nan_are_failures_with_a_reason_never_complete(tmp_path: Path, values) -> None:
    study, searcher = searcher_of(
        tmp_path, lambda p, lost: Verdict("complete", values, {}, "out of memory"), anchors=[]
    )
    run_out(searcher)
    assert [t.state for t in study.trials] == [TrialState.FAIL] * 4
    assert {t.user_attrs["reason"] for t in study.trials} == {"out of memory"}


def test_a_trial_completed_twice_counts_once(tmp_path: Path) -> None:
    settled = []

    def settle(proposal: ProposalRecord, lost: bool) -> Verdict:
        settled.append(proposal.trial)
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


def test_early_ended_trials_are_pruned_with_their_violations_never_complete(tmp_path: Path) -> None:
    study, searcher = searcher_of(
        tmp_path, lambda p, lost: Verdict("pruned", None, {"gap": 0.2}, "gated"), anchors=[], trials=30
    )
    run_out(searcher)
    assert {t.state for t in study.trials} == {TrialState.PRUNED}
    assert {t.values for t in study.trials} == {None}
    assert study.trials[0].constraints == {"gap": 0.2}
    assert study.best_trials == []


@pytest.mark.parametrize("name", ["tpe", "nsga2", "nsga3", "gp", "random", "quasi_random", "hvi"])
def test_samplers_bear_every_mix_of_ends(tmp_path: Path, name: str) -> None:
    """Feasible, infeasible, stopped, gated and failed trials in any order never make a sampler raise."""
    ends = [
        Verdict("pruned", None, {"c": -1.0}, "stopped"),
        Verdict("pruned", None, {"c": 0.3}, "gated"),
        Verdict("failed", None, {}, "lost"),
        Verdict("complete", (0.2, 0.5), {"c": 0.1}),
        Verdict("complete", (0.1, 0.6), {"c": -0.1}),
    ]
    config = CONFIG.model_copy(
        update={"search": CONFIG.search.model_copy(update={"sampler": SamplerConfig(name=name, startup_trials=2)})}
    )
    flat = {"x": Float(0.0, 1.0), "n": Int(1, 8)} if name == "gp" else SPACE  # GP takes no conditional parameters
    study = study_of(tmp_path, config)
    searcher = ParetoSearcher(study, flat, agenda_of([], 25), Desk(lambda p, lost: ends[min(p.trial, 24) // 5 % 5]), 1)
    assert len(run_out(searcher)) == 25


def test_points_come_first_each_once_and_what_they_leave_out_is_sampled(tmp_path: Path) -> None:
    points = [{"x": 0.25}, {"x": 0.75, "n": 3, "cda": "none"}]
    study, searcher = searcher_of(tmp_path, fine, anchors=[], trials=5, points=points, concurrent=1)
    run_out(searcher)
    assert [t.params["x"] for t in study.trials[:2]] == [0.25, 0.75]
    assert study.trials[1].params == {"x": 0.75, "n": 3, "cda": "none"}
    assert sum(t.params["x"] in (0.25, 0.75) for t in study.trials) == 2


def test_replicates_come_after_the_exploration_and_optuna_never_hears_of_them(tmp_path: Path) -> None:
    study, searcher = searcher_of(tmp_path, fine, anchors=[], trials=3, replicates=4, seeds=[1, 1])
    assert run_out(searcher) == [0, 1, 2, 3, 4], "the desk had two; the rest of the share is not spent on nothing"
    assert len(study.trials) == 3
    assert searcher.exhausted


def test_a_trial_that_ray_lost_is_handed_out_once_more_with_the_same_values(tmp_path: Path) -> None:
    study, searcher = searcher_of(tmp_path, fine, anchors=[], trials=1)
    first = searcher.suggest("a")
    searcher.on_trial_complete("a", None, error=True)
    again = searcher.suggest("b")
    assert (again["number"], again["config"]) == (first["number"], first["config"])
    searcher.on_trial_complete("b", {})
    assert [t.state for t in study.trials] == [TrialState.COMPLETE]
    assert searcher.exhausted


def test_after_an_interruption_nothing_more_is_proposed(tmp_path: Path) -> None:
    """A dead dispatcher ends every trial without an end: the budget must not go into blind proposals."""
    study, searcher = searcher_of(tmp_path, lambda p, lost: None, anchors=[], trials=50)
    for name in ("a", "b"):
        searcher.suggest(name)
    for name in ("a", "b"):
        searcher.on_trial_complete(name, {})
    assert searcher.suggest("c") == Searcher.FINISHED
    assert len(study.trials) == 2
    assert not searcher.exhausted


def test_replicates_wait_for_those_that_are_out(tmp_path: Path) -> None:
    _, searcher = searcher_of(tmp_path, fine, anchors=[], trials=1, replicates=3, seeds=[0])
    searcher.suggest("a")
    searcher.on_trial_complete("a", {})
    assert searcher.suggest("b")["number"] == 1
    assert searcher.suggest("c") is None, "the desk has none now, but what is out may change that"
    searcher.on_trial_complete("b", {})
    assert searcher.suggest("d") == Searcher.FINISHED


def test_an_interrupted_trial_is_no_end_and_leaves_nothing_running(tmp_path: Path) -> None:
    study, searcher = searcher_of(tmp_path, lambda p, lost: None, anchors=[], trials=1)
    searcher.suggest("a")
    searcher.on_trial_complete("a", {})
    assert [t.state for t in study.trials] == [TrialState.FAIL]
    assert not searcher.exhausted


def test_unfinished_trials_of_an_earlier_driver_come_first_with_their_own_values(tmp_path: Path) -> None:
    study = study_of(tmp_path)
    params = {"x": 0.125, "n": 2, "cda": "replace", "cda.fraction": 0.4}
    agenda = agenda_of([], 1)
    agenda.waiting.append(ProposalRecord(trial=7, kind="search", params=params, config={"x": 0.125}))
    agenda.next_number = 8
    searcher = ParetoSearcher(study, SPACE, agenda, Desk(fine), 1)
    assert run_out(searcher) == [7, 8]
    assert study.trials[0].params == params
    assert [t.user_attrs["trial"] for t in study.trials] == [7, 8]


@pytest.mark.parametrize("name", ["nsga2", "nsga3"])
def test_genetic_samplers_breed_from_recorded_trials(tmp_path: Path, name: str) -> None:
    sampler = SamplerConfig(name=name, options={"population_size": 20, "crossover_prob": 0.0})
    config = CONFIG.model_copy(update={"search": CONFIG.search.model_copy(update={"sampler": sampler})})
    study = study_of(tmp_path, config, 40)
    params = {"x": 0.01, "n": 2, "cda": "none"}
    storage.add(study, SPACE, [(params, Verdict("complete", (0.1, 0.9)), {}) for _ in range(40)])
    drawn = []
    for _ in range(8):
        asked = study.ask()
        drawn.append(asked.suggest_float("x", 0.0, 1.0))
        asked.suggest_int("n", 1, 8, log=True)
        asked.suggest_categorical("cda", ["none", "replace"])
        study.tell(asked, [0.1, 0.9])
    assert sum(abs(x - 0.01) < 1e-9 for x in drawn) >= 4, "most are children of the recorded parents"


def test_a_study_is_made_anew_and_recorded_trials_are_added_as_they_are(tmp_path: Path) -> None:
    first = study_of(tmp_path)
    first.ask()
    params = {"x": 0.5, "n": 2, "cda": "replace", "cda.fraction": 0.4}
    again = study_of(tmp_path)
    told = [
        (params, Verdict("complete", (0.1, 0.9), {"c": -1.0}), {"trial": 3}),
        (params, Verdict("pruned", None, {"c": 0.5}, "gated"), {"trial": 4}),
        ({"x": 0.1, "n": 1, "cda": "none"}, Verdict("failed", None, {}, "out of memory"), {"trial": 5}),
    ]
    storage.add(again, SPACE, told)
    assert [t.state for t in again.trials] == [TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL]
    assert again.trials[0].values == [0.1, 0.9]
    assert again.trials[0].params == params
    assert again.trials[1].constraints == {"c": 0.5}
    assert [t.user_attrs["trial"] for t in again.trials] == [3, 4, 5]


@pytest.mark.parametrize("name", ["tpe", "nsga2", "nsga3", "random", "quasi_random"])
def test_a_resumed_search_does_not_draw_its_first_points_again(tmp_path: Path, name: str) -> None:
    config = CONFIG.model_copy(
        update={"search": CONFIG.search.model_copy(update={"sampler": SamplerConfig(name=name)})}
    )

    def first(so_far: int) -> float:
        study = study_of(tmp_path, config, so_far)
        for _ in range(3):
            asked = study.ask()
            x = asked.suggest_float("x", 0.0, 1.0)
            study.tell(asked, [x, x])
        return x

    assert first(0) == first(0)
    assert len({first(0), first(5), first(6)}) == 3


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://me:hunter2@127.0.0.1:9/none",
        "postgresql+psycopg://me:hun@ter2@127.0.0.1:9/none",
        "postgresql+psycopg://127.0.0.1:9/none?user=me&password=hunter2",
        "nonsense hunter2",
    ],
)
def test_a_database_that_does_not_answer_is_one_line_without_its_address(
    tmp_path: Path, monkeypatch, address: str
) -> None:
    monkeypatch.setenv(storage.ADDRESS, address)
    with pytest.raises(UserError, match=r"RAYSEARCH_STORAGE .*the database does not serve") as caught:
        storage.open_storage(tmp_path / "j")
    for secret in ("hunter2", "ter2", "me:", "127.0.0.1"):
        assert secret not in str(caught.value)


@pytest.mark.parametrize("name", ["tpe", "nsga2", "nsga3", "gp", "random", "quasi_random", "hvi"])
def test_every_sampler_is_built_and_asks(tmp_path: Path, name: str) -> None:
    config = CONFIG.model_copy(
        update={"search": CONFIG.search.model_copy(update={"sampler": SamplerConfig(name=name)})}
    )
    study = study_of(tmp_path, config)
    assert 0 <= study.ask().suggest_float("x", 0, 1) <= 1


def test_options_of_samplers_are_checked() -> None:
    with pytest.raises(ConfigError, match=r"search\.sampler\.options\.multivariat.*Did you mean 'multivariate'"):
        build(SamplerConfig(name="tpe", options={"multivariat": True}), GOAL)
    with pytest.raises(ConfigError, match="refuses them"):
        build(SamplerConfig(name="nsga2", options={"population_size": 1}), GOAL)


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
