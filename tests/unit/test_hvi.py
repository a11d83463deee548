"""Our sampler: the space as a cube, the model, and what is asked for."""

from __future__ import annotations

import numpy as np
import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raysearch.config.schema import SamplerConfig
from raysearch.config.space import Choice, Float, Int, assemble
from raysearch.errors import ConfigError
from raysearch.pareto.front import hypervolume
from raysearch.search.distributions import distribution
from raysearch.search.gaussian_process import GaussianProcess
from raysearch.search.hvi import Goal, HypervolumeSampler
from raysearch.search.samplers import build
from raysearch.search.searcher import Partial, Verdict, choose, tell
from raysearch.search.storage import add, study_in_memory
from raysearch.search.unit_cube import UnitCube

SPACE = {
    "lr": Float(1e-3, 1e-1, log=True),
    "steps": Int(10, 50, step=20),
    "m": Choice(("a", {"mode": "b", "f": Float(0.0, 2.0, step=0.5)})),
}
CUBE = UnitCube(SPACE)


@given(st.lists(st.floats(0.0, 1.0), min_size=4, max_size=4))
def test_every_point_of_the_cube_is_a_configuration_and_comes_back(point: list[float]) -> None:
    params = CUBE.params(np.asarray(point))
    assemble(SPACE, params)
    again = CUBE.params(CUBE.point(params))
    assert again == {name: pytest.approx(value) for name, value in params.items()}
    assert ("m.f" in params) == (params["m"] == "b")


def test_columns_say_what_exists() -> None:
    points = np.stack([CUBE.point({"lr": 1e-2, "steps": 50, "m": "a"}), CUBE.point({"lr": 0.1, "m": "b", "m.f": 1.0})])
    columns = CUBE.columns(points)
    assert columns[0] == pytest.approx([0.5, 1.0, 1.0, 0.0, 0.0, 0.0])
    assert columns[1] == pytest.approx([1.0, 0.5, 0.0, 1.0, 1.0, 0.5])


def test_the_model_predicts_what_it_has_not_seen_and_is_unsure_far_away() -> None:
    rng = np.random.default_rng(0)
    inputs = rng.uniform(size=(40, 3))

    def function(x):
        return np.sin(3 * x[:, 0]) + x[:, 1] ** 2

    model = GaussianProcess().fit(inputs[:25], function(inputs[:25]), anew=True)
    mean, deviation = model.predict(inputs[25:])
    truth = function(inputs[25:])
    assert np.mean((mean - truth) ** 2) < 0.05 * truth.var()
    assert model.mean(inputs[25:]) == pytest.approx(mean)
    assert deviation.mean() > 2 * model.predict(inputs[:25])[1].mean()


PLANE = {"x": Float(0.0, 1.0), "y": Float(0.0, 1.0), "z": Float(0.0, 1.0)}
GOAL = Goal(PLANE, ["minimize", "maximize"], [1.5, -1.5])


def outcome(params) -> tuple[tuple[float, float], dict[str, float]]:
    """A front at y = 0.7, z = 0.3 of which the part x < 0.3 is not feasible."""
    away = 3 * (params["y"] - 0.7) ** 2 + 3 * (params["z"] - 0.3) ** 2
    return (params["x"] + away, params["x"] ** 0.5 - 1 - away), {"c": 0.3 - params["x"]}


def play(name: str, seed: int, trials: int = 30, gate: bool = False) -> tuple[float, list[dict]]:
    study = study_in_memory(GOAL, SamplerConfig(name=name, seed=seed, startup_trials=6))
    asked_for, good = [], []
    for _ in range(trials):
        asked = study.ask()
        params = {leaf: choose(asked, leaf, PLANE[leaf]) for leaf in PLANE}
        values, violations = outcome(params)
        asked_for.append(params)
        if gate and violations["c"] > 0:
            tell(study, asked, Verdict("pruned", None, violations, "gated"))
            continue
        tell(study, asked, Verdict("complete", values, violations))
        if violations["c"] <= 0:
            good.append([values[0], -values[1]])
    return hypervolume(np.asarray(good), [1.5, 1.5]), asked_for


@pytest.mark.parametrize("gate", [False, True])
def test_it_finds_the_feasible_front_sooner_than_chance(gate: bool) -> None:
    ours = [play("hvi", seed, gate=gate)[0] for seed in range(5)]
    random = [play("random", seed, trials=60)[0] for seed in range(5)]
    assert np.median(ours) > np.median(random)  # with half the trials


def test_with_a_gate_it_learns_where_trials_are_gated() -> None:
    _, asked_for = play("hvi", 0, gate=True)
    late = [params["x"] for params in asked_for[15:]]
    assert np.mean(np.asarray(late) < 0.28) < 0.1


def test_the_same_seed_asks_for_the_same() -> None:
    assert play("hvi", 3, trials=12) == play("hvi", 3, trials=12)
    assert play("hvi", 3, trials=12) != play("hvi", 4, trials=12)


def test_points_that_are_out_are_not_asked_for_again() -> None:
    study = study_in_memory(GOAL, SamplerConfig(name="hvi", startup_trials=6))
    for _ in range(8):
        asked = study.ask()
        values, violations = outcome({leaf: choose(asked, leaf, PLANE[leaf]) for leaf in PLANE})
        tell(study, asked, Verdict("complete", values, violations))
    out = [study.ask() for _ in range(4)]
    found = np.asarray([[choose(asked, leaf, PLANE[leaf]) for leaf in PLANE] for asked in out])
    distances = np.linalg.norm(found[:, None] - found[None], axis=2)[np.triu_indices(4, 1)]
    assert distances.min() > 1e-3


def test_stopped_trials_count_at_their_fidelity_and_running_ones_do_not_count() -> None:
    study = study_in_memory(GOAL, SamplerConfig(name="hvi", startup_trials=5))
    leaves = {name: distribution(leaf) for name, leaf in PLANE.items()}
    for index in range(4):
        asked = study.ask(leaves)
        values, violations = outcome(asked.params)
        if index < 3:
            tell(study, asked, Verdict("complete", values, violations))
        else:
            tell(study, asked, Verdict("pruned", None, violations, "halved", Partial(0.25, values)))
    study.ask(leaves)
    sampler = study.sampler
    known = sampler._evidence(study, study.trials[-1])
    assert known.share.tolist() == [1.0, 1.0, 1.0, 0.25]
    assert known.full.tolist() == [True, True, True, False]


def test_a_study_rebuilt_from_records_knows_the_same() -> None:
    told, rebuilt = (study_in_memory(GOAL, SamplerConfig(name="hvi", startup_trials=5)) for _ in range(2))
    verdicts = []
    for index in range(8):
        asked = told.ask()
        params = {leaf: choose(asked, leaf, PLANE[leaf]) for leaf in PLANE}
        values, violations = outcome(params)
        verdict = [
            Verdict("complete", values, violations),
            Verdict("pruned", None, violations, "halved", Partial(0.25, values)),
            Verdict("pruned", None, violations, "gated"),
            Verdict("failed", reason="lost"),
        ][index % 4]
        verdicts.append((params, verdict, {"trial": index}))
        tell(told, asked, verdict)
    add(rebuilt, PLANE, verdicts)
    last = told.trials[-1]
    ours, theirs = told.sampler._evidence(told, last), rebuilt.sampler._evidence(rebuilt, last)
    for field in ("points", "share", "values", "violations"):
        np.testing.assert_allclose(getattr(ours, field), getattr(theirs, field))
    assert ours.share.tolist() == [1.0, 0.25, 1.0, 1.0, 0.25, 1.0]
    assert ours.full.tolist() == [True, False, False, True, False, False]


def test_parameters_under_a_choice_are_asked_for_where_they_exist() -> None:
    goal = Goal(SPACE, ["minimize", "minimize"], [2.0, 2.0])
    study = optuna.create_study(
        directions=goal.directions, sampler=HypervolumeSampler(goal, n_startup_trials=4, candidates=40, rounds=2)
    )
    for _ in range(12):
        asked = study.ask()
        lr = asked.suggest_float("lr", 1e-3, 1e-1, log=True)
        asked.suggest_int("steps", 10, 50, step=20)
        f = 0.0
        if asked.suggest_categorical("m", ["a", "b"]) == "b":
            f = asked.suggest_float("m.f", 0.0, 2.0, step=0.5)
        study.tell(asked, [lr * 10 + f / 4, 1 - lr * 10 + (2 - f) / 4])
    assert len(study.best_trials) >= 2


def test_its_options_are_checked() -> None:
    assert build(SamplerConfig(name="hvi", options={"rounds": 3}), GOAL)._rounds == 3
    with pytest.raises(ConfigError, match="candidates must be at least 15"):
        build(SamplerConfig(name="hvi", options={"candidates": 3}), GOAL)
