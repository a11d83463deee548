"""Asynchronous successive halving on vectors of objectives, as plain decisions and as a Ray Tune scheduler.

At each rung a trial that arrives is placed among all that have reached this rung (``pareto.order``); it goes on when it
is among the first ceil(n / eta) of n. So a newcomer that dominates all others always goes on, a trial whose numbers are
not finite never does, and of many that do not dominate one another about one in eta does. Asynchronous: nobody waits
for a rung to fill; the first arrivals are judged among few (Li et al., 2020, arXiv:1810.05934).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ray.tune.schedulers import TrialScheduler

from raysearch.pareto.front import to_minimise
from raysearch.pareto.order import order
from raysearch.search.turns import InTurn


@dataclass(frozen=True)
class Arrival:
    """A trial's result at a rung.

    Attributes:
        trial: its number.
        fidelity: the rung.
        values: objectives in the study's order and sign.
        violations: of the constraints; <= 0 is feasible.
    """

    trial: int
    fidelity: int
    values: tuple[float, ...]
    violations: tuple[float, ...] = ()


class Rungs:
    """Who has reached which rung, and who goes on.

    Args:
        directions: ``minimize`` or ``maximize``, one an objective.
        reduction_factor: eta.
    """

    def __init__(self, directions: Sequence[str], reduction_factor: float) -> None:
        self._directions = tuple(directions)
        self._eta = reduction_factor
        self._arrived: dict[int, dict[int, Arrival]] = {}

    def remember(self, arrivals: Iterable[Arrival]) -> None:
        """Takes in results of earlier times without judging them."""
        for arrival in arrivals:
            self._arrived.setdefault(arrival.fidelity, {})[arrival.trial] = arrival

    def goes_on(self, arrival: Arrival) -> bool:
        """Takes in a result and says whether its trial goes on."""
        self.remember([arrival])
        return math.isfinite(sum(arrival.values)) and arrival.trial in self.best(arrival.fidelity)

    def best(self, fidelity: int) -> frozenset[int]:
        """The first ceil(n / eta) of all that have reached a rung; the order of their arrival does not matter."""
        arrivals = list(self._arrived.get(fidelity, {}).values())
        if not arrivals:
            return frozenset()
        values = to_minimise(np.asarray([arrival.values for arrival in arrivals]), self._directions)
        violations = np.asarray([sum(max(0.0, v) for v in arrival.violations) for arrival in arrivals])
        kept = math.ceil(len(arrivals) / self._eta)
        places = order(values, violations)
        return frozenset(arrival.trial for arrival, place in zip(arrivals, places, strict=True) if place < kept)


class HalvingScheduler(InTurn):
    """Ray Tune's side of it.

    Args:
        rungs: who goes on.
        arrive: number of a trial -> its result at the rung that it has just reached, after the ledger has it; None
            where there is nothing to judge.
        stop: hears the number of each trial that does not go on.
    """

    def __init__(self, rungs: Rungs, arrive: Callable[[int], Arrival | None], stop: Callable[[int], None]) -> None:
        super().__init__()
        self._rungs = rungs
        self._arrive = arrive
        self._stop = stop

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """Judges a trial at a rung; at its full fidelity Tune does not ask."""
        arrival = self._arrive(int(result["number"]))
        if arrival is None or self._rungs.goes_on(arrival):
            return str(TrialScheduler.CONTINUE)
        self._stop(arrival.trial)
        return str(TrialScheduler.STOP)
