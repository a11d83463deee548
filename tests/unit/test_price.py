"""The price of a trial: what determines an update, and a sampler that takes what is paid for."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import optuna
import pytest

from raysearch.config.schema import EarlyStoppingConfig, SamplerConfig, TrialConfig
from raysearch.config.space import Choice, Float
from raysearch.search.hvi import Goal, HypervolumeSampler
from raysearch.search.price import PRICE, Price, Prices, determines_update, update_of
from raysearch.search.searcher import Verdict, tell
from raysearch.search.unit_cube import UnitCube
from raysearch.simulation.problem import Outcome
from raysearch.simulation.run import search

SPACE = {
    "unlearning": {"lr": Float(1e-4, 1e-2, log=True), "steps": Float(1.0, 9.0)},
    "cda": Choice(("none", "duplicate")),
    "downstream": {"c": Float(0.0, 1.0)},
}


def test_every_part_of_a_trial_is_before_or_after_the_update() -> None:
    before = {name for name in TrialConfig.model_fields if determines_update(name)}
    assert before == {"model", "stereotypes", "unlearning", "seed"}, "a new part: does the update depend on it?"
    assert not determines_update("unlearning.task_vector_scale")
    params = {"unlearning.lr": 0.1, "cda": "none", "unlearning.task_vector_scale": 0.5}
    assert update_of(params) == (("unlearning.lr", 0.1),)


def test_the_price_of_a_record_is_its_unlearning_and_the_rest() -> None:
    assert Price.of({"unlearning": 3.0, "model": 1.0, "total": 5.0}) == Price(3.0, 2.0)
    assert Price.of({"total": 5.0}) == Price(0.0, 5.0)


def told(number: int) -> tuple[optuna.Study, list[dict[str, object]]]:
    """A study with complete trials: the more steps the dearer; the rest costs 2 s."""
    study = optuna.create_study(directions=["minimize", "minimize"], sampler=optuna.samplers.RandomSampler(0))
    given = []
    for _ in range(number):
        asked = study.ask()
        steps = asked.suggest_float("unlearning.steps", 1.0, 9.0)
        asked.suggest_float("unlearning.lr", 1e-4, 1e-2, log=True)
        asked.suggest_categorical("cda", ["none", "duplicate"])
        c = asked.suggest_float("downstream.c", 0.0, 1.0)
        tell(study, asked, Verdict("complete", (1.0 - steps / 9.0, 1.0 - c), price=Price(10.0 * steps, 2.0)))
        given.append(asked.params)
    return study, given


def test_prices_are_learnt_and_a_sibling_has_its_owners_own_numbers() -> None:
    study, given = told(12)
    assert study.trials[0].user_attrs[PRICE] == {"update_s": 10.0 * given[0]["unlearning.steps"], "rest_s": 2.0}
    cube = UnitCube(SPACE)
    prices = Prices(cube)
    assert prices.shared
    assert prices.learn(study.trials)
    at = np.asarray([cube.point({**given[0], "unlearning.steps": steps}) for steps in (2.0, 8.0)])
    cheap, dear = prices.seconds(at, update_is_kept=False)
    assert dear > 2 * cheap
    assert prices.seconds(at, update_is_kept=True) == pytest.approx([2.0, 2.0], rel=0.05)
    points, owners = prices.siblings(np.random.default_rng(0), 50)
    updates = {update_of(params) for params in given}
    for point, owner in zip(points, owners, strict=True):
        assert update_of(prices.exactly(cube.params(point), int(owner))) in updates, "or it is trained anew"


def test_who_shares_nothing_has_no_siblings() -> None:
    assert not Prices(UnitCube({"unlearning": {"lr": Float(0.0, 1.0)}})).shared
    assert not Prices(UnitCube({"cda": Choice(("none", "duplicate"))})).shared
    assert not Prices(UnitCube(SPACE)).learn([])


@pytest.mark.parametrize(("kept", "same"), [(True, True), (False, False)])
def test_the_sampler_takes_an_update_that_is_paid_for_only_where_it_is_kept(kept: bool, same: bool) -> None:
    study, given = told(12)
    goal = Goal(SPACE, ["minimize", "minimize"], [1.0, 1.0], updates_kept=kept)
    study.sampler = HypervolumeSampler(goal, seed=0, n_startup_trials=3, cost_aware=True)
    updates = {update_of(params) for params in given}
    found = []
    for _ in range(4):
        asked = study.ask()
        params = {"unlearning.steps": asked.suggest_float("unlearning.steps", 1.0, 9.0)}
        params["unlearning.lr"] = asked.suggest_float("unlearning.lr", 1e-4, 1e-2, log=True)
        found.append(update_of(params) in updates)
        study.tell(asked, state=optuna.trial.TrialState.FAIL)
    assert any(found) == same


class Shared:
    """A problem whose update costs 9 s and whose rest 1 s."""

    space: ClassVar = SPACE
    objectives: ClassVar = {"a": "minimize", "b": "minimize"}
    corner = (1.0, 1.0)
    full = 9

    def outcome(self, params, fidelity: int, seed: int) -> Outcome:
        return Outcome((1.0 - params["unlearning.steps"] / 9.0, 1.0 - params["downstream.c"]))

    def price(self, params, start: int, end: int, gated: bool) -> Price:
        return Price(float(end - start), 1.0)


def test_the_simulator_charges_a_shared_update_once() -> None:
    options = {"cost_aware": True}
    played = search(Shared(), SamplerConfig(options=options, startup_trials=4), 16, 1, None, gate=False).played
    seen: set[object] = set()
    for trial in played:
        again = update_of(trial.params) in seen
        assert trial.cost_s == (1.0 if again else 10.0)
        seen.add(update_of(trial.params))
    assert len(seen) < len(played), "some trial shared an update"
    with_rungs = search(
        Shared(), SamplerConfig(options=options, startup_trials=4), 16, 1, EarlyStoppingConfig(rungs=(3,)), gate=False
    )
    assert len({update_of(trial.params) for trial in with_rungs.played}) == 16, "no state of a rung is kept"
