"""Three trade-offs at most to look at first: what decision rules take from the front, and how firmly. No torch, no Ray.

A rule is applied to the means over seeds, and then again to each bootstrap draw with the front of that draw. What it
takes in few of the draws, it has taken by chance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from raysearch.errors import UserError
from raysearch.ledger.run_folder import RunFolder
from raysearch.pareto.choice import RULES, Rule, bends, best, shares
from raysearch.pareto.front import Mask, Values, non_dominated
from raysearch.pareto.uncertainty import probability_non_dominated
from raysearch.registry import suggestion
from raysearch.uncertainty.bootstrap import ROUNDS, mean_objectives, objective_draws
from raysearch.uncertainty.configurations import Configuration, configurations, measured


@dataclass(frozen=True)
class Recommendation:
    """A configuration that one rule or more take.

    Attributes:
        trial: number of the configuration's first trial; an anchor may be it.
        rules: that take it, by name (``pareto.choice.RULES``).
        stability: share of the bootstrap draws in which a rule takes it, mean over ``rules``.
        p_front: probability that it holds all constraints and is on the front.
    """

    trial: int
    rules: tuple[str, ...]
    stability: float
    p_front: float


def recommend(run: Path | str, weights: Mapping[str, float] | None = None) -> list[Recommendation]:
    """What the rules take from a run's front.

    Args:
        run: its folder.
        weights: objective -> how much a loss in it counts, measured by the front's range; 1 for those left out.

    Returns:
        One entry a trial, most rules first, then the most stable; empty where nothing is complete and feasible.

    Raises:
        RunFolderError: not a run folder, or a record cannot be read.
        UserError: a weight for what is no objective, or weights that are negative or all 0.
    """
    folder = RunFolder.open(run)
    objectives = folder.study().config.objectives
    weighed(objectives, weights)  # a mistake in them shows also where there is nothing to choose from yet
    return recommend_among(configurations(list(folder.ledger)), objectives, weights)


def recommend_among(
    found: Sequence[Configuration],
    objectives: Mapping[str, str],
    weights: Mapping[str, float] | None = None,
    rounds: int = ROUNDS,
    seed: int = 0,
) -> list[Recommendation]:
    """``recommend`` for configurations that are read already.

    Args:
        found: configurations; those without all objectives are left out.
        objectives: metric -> direction.
        weights: as in ``recommend``.
        rounds: bootstrap rounds.
        seed: of the bootstrap.
    """
    shared = weighed(objectives, weights)
    judged = measured(found, objectives)
    feasible = np.asarray([c.feasible for c in judged], dtype=np.bool_)
    if not feasible.any():
        return []
    means = mean_objectives(judged, objectives)
    drawn, allowed = objective_draws(judged, objectives, rounds, seed)
    p_front = probability_non_dominated(drawn, allowed)
    rules: dict[int, list[str]] = {}
    firmness: dict[int, list[float]] = {}
    for name, rule in RULES.items():
        row = taken(rule, means, feasible, shared)
        if row is None or (name == "knee" and not bends(means[non_dominated(means, feasible)])):
            continue
        again = [taken(rule, values, mask, shared) for values, mask in zip(drawn, allowed, strict=True)]
        rules.setdefault(row, []).append(name)
        firmness.setdefault(row, []).append(sum(other == row for other in again) / rounds)
    chosen = [
        Recommendation(judged[row].trial, tuple(names), float(np.mean(firmness[row])), float(p_front[row]))
        for row, names in rules.items()
    ]
    return sorted(chosen, key=lambda one: (-len(one.rules), -one.stability, one.trial))


def taken(rule: Rule, values: Values, feasible: Mask, weights: Sequence[float]) -> int | None:
    """The row that a rule takes from the front of some rows; None where none is feasible.

    Args:
        rule: one of ``RULES``.
        values: [rows, objectives], minimised.
        feasible: [rows].
        weights: [objectives].
    """
    front = np.flatnonzero(non_dominated(values, feasible))
    row = best(rule(values[front], weights), values[front])
    return None if row is None else int(front[row])


def weighed(objectives: Mapping[str, str], weights: Mapping[str, float] | None) -> list[float]:
    """A weight for each objective, as shares that sum to 1.

    Raises:
        UserError: a weight for what is no objective, or weights that are negative or all 0.
    """
    for name in weights or {}:
        if name not in objectives:
            raise UserError(f"weight {name}: the study has no such objective. {suggestion(name, objectives)}")
    try:
        return list(map(float, shares([(weights or {}).get(name, 1.0) for name in objectives], len(objectives))))
    except ValueError as error:
        raise UserError(f"weights of objectives: {error}") from error
