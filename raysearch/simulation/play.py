"""A search on a simulated clock: the real searcher and the real halving, no training, no Ray processes.

Deterministic: the same problem, searcher and number of workers give the same trials in the same order.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from raysearch.ledger.record import ProposalRecord
from raysearch.pareto.front import hypervolume, to_minimise
from raysearch.pipeline.leg import WHOLE, Leg
from raysearch.search.halving import Arrival, Rungs
from raysearch.search.price import Price, update_of
from raysearch.search.searcher import Partial, Verdict
from raysearch.simulation.problem import Outcome, Problem


@dataclass(frozen=True)
class Played:
    """A simulated trial at its end.

    Attributes:
        trial: its number.
        params: its parameters.
        state: ``complete``, ``stopped``, ``gated`` or ``failed``.
        fidelity: how far it came.
        outcome: what it showed there.
        price: what it cost.
        finished_s: when it ended on the simulated clock.
    """

    trial: int
    params: Mapping[str, Any]
    state: str
    fidelity: int
    outcome: Outcome
    price: Price
    finished_s: float

    @property
    def cost_s(self) -> float:
        """All of it."""
        return self.price.update_s + self.price.rest_s


class AnySearcher(Protocol):
    """Ray Tune's searcher interface."""

    def suggest(self, trial_id: str) -> Any: ...

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None: ...


class SimulatedDesk:
    """The searcher's desk without a ledger: ``play`` leaves the verdict of each trial here before it ends."""

    def __init__(self) -> None:
        self.params: dict[int, dict[str, Any]] = {}
        self.verdicts: dict[int, Verdict] = {}

    def hand_out(self, proposal: ProposalRecord) -> Sequence[Leg]:
        """Every trial is one leg; ``play`` has rungs of its own."""
        self.params[proposal.trial] = proposal.params
        return [WHOLE]

    def settle(self, proposal: ProposalRecord, lost: bool) -> Verdict | None:
        """The verdict that ``play`` left."""
        return self.verdicts.pop(proposal.trial)

    def replicate(self, number: int, pending: Mapping[int, int]) -> ProposalRecord | None:
        """None: a simulated search spends nothing on replicates."""
        return None


@dataclass
class _Running:
    trial_id: str
    number: int
    params: Mapping[str, Any]
    fidelity: int = 0
    update_s: float = 0.0
    rest_s: float = 0.0
    end: int = 0


class Simulation:
    """One search.

    Args:
        problem: what is searched.
        searcher: ours, or any of Ray Tune's.
        params_of: from a suggestion to (number, parameters).
        workers: trials at a time.
        trials: most trials.
        rungs: halving; None takes every trial to its full fidelity.
        levels: fidelities of the rungs.
        gate: whether trials that break an early constraint end before the costly part.
        desk: told verdicts before a trial ends; None for searchers that read results.
        result_of: what such a searcher is told of a trial's end.
        seed: of the trials.
        budget_s: stop handing out trials when so much cost is spent.
        updates_kept: whether trials that differ only after unlearning share its cost, as the stage cache lets them.
    """

    def __init__(
        self,
        problem: Problem,
        searcher: AnySearcher,
        params_of: Callable[[Any], tuple[int, Mapping[str, Any]]],
        workers: int,
        trials: int,
        rungs: Rungs | None = None,
        levels: Sequence[int] = (),
        gate: bool = False,
        desk: SimulatedDesk | None = None,
        result_of: Callable[[Played], tuple[dict[str, Any] | None, bool]] = lambda played: (None, False),
        seed: int = 0,
        budget_s: float = float("inf"),
        updates_kept: bool = False,
    ) -> None:
        self._updates_kept = updates_kept and not levels
        self._kept: set[object] = set()
        self._problem = problem
        self._searcher = searcher
        self._params_of = params_of
        self._workers = workers
        self._left = trials
        self._rungs = rungs
        self._levels = [level for level in levels if level < problem.full] if rungs is not None else []
        self._gate = gate
        self._desk = desk
        self._result_of = result_of
        self._seed = seed
        self._budget_s = budget_s
        self._spent_s = 0.0
        self._clock: list[tuple[float, int, _Running]] = []
        self._count = 0
        self._played: list[Played] = []

    def run(self) -> list[Played]:
        """Plays to the end. Returns trials in the order in which they ended."""
        now = 0.0
        while True:
            while len(self._clock) < self._workers and self._start(now):
                pass
            if not self._clock:
                return self._played
            now, _, running = heapq.heappop(self._clock)
            self._leg_done(running, now)

    def _start(self, now: float) -> bool:
        if self._left <= 0 or self._spent_s >= self._budget_s:
            return False
        trial_id = f"simulated-{self._count}"
        given = self._searcher.suggest(trial_id)
        if not isinstance(given, dict):
            return False
        self._left -= 1
        number, params = self._params_of(given)
        self._schedule(_Running(trial_id, number, params), now)
        return True

    def _schedule(self, running: _Running, now: float) -> None:
        """Puts the end of the next leg on the clock."""
        running.end = next((level for level in self._levels if level > running.fidelity), self._problem.full)
        outcome = self._problem.outcome(running.params, running.end, self._seed)
        price = self._problem.price(running.params, running.fidelity, running.end, self._is_gated(running, outcome))
        update_s = 0.0 if update_of(running.params) in self._kept else price.update_s
        running.update_s += update_s
        running.rest_s += price.rest_s
        cost = update_s + price.rest_s
        self._spent_s += cost
        self._count += 1
        heapq.heappush(self._clock, (now + cost, self._count, running))

    def _is_gated(self, running: _Running, outcome: Outcome) -> bool:
        """The gate judges at full fidelity alone: what training is meant to mend may be broken before."""
        return self._gate and running.end == self._problem.full and outcome.gated

    def _leg_done(self, running: _Running, now: float) -> None:
        outcome = self._problem.outcome(running.params, running.end, self._seed)
        running.fidelity = running.end
        if self._updates_kept and outcome.values is not None and update_of(running.params):
            self._kept.add(update_of(running.params))
        state = "complete"
        if outcome.values is None:
            state = "failed"
        elif self._is_gated(running, outcome):
            state = "gated"
        elif running.end < self._problem.full and self._rungs is not None:
            arrival = Arrival(running.number, running.end, outcome.values, tuple(outcome.constraints.values()))
            if self._rungs.goes_on(arrival):
                self._schedule(running, now)
                return
            state = "stopped"
        price = Price(running.update_s, running.rest_s)
        played = Played(running.number, running.params, state, running.end, outcome, price, now)
        self._played.append(played)
        if self._desk is not None:
            self._desk.verdicts[running.number] = _verdict(played, self._problem.full)
        result, error = self._result_of(played)
        self._searcher.on_trial_complete(running.trial_id, result, error)


def our_params(desk: SimulatedDesk) -> Callable[[Any], tuple[int, Mapping[str, Any]]]:
    """How ``ParetoSearcher``'s suggestions are read."""

    def read(given: Any) -> tuple[int, Mapping[str, Any]]:
        number = int(given["number"])
        return number, desk.params[number] or json.loads(given["config"])

    return read


def _verdict(played: Played, full: int) -> Verdict:
    if played.state == "complete":
        return Verdict("complete", played.outcome.values, played.outcome.constraints, price=played.price)
    if played.state == "failed":
        return Verdict("failed", reason="it failed where it was recorded to fail")
    if played.state == "gated" or played.outcome.values is None:
        return Verdict("pruned", None, played.outcome.early, played.state)
    partial = Partial(played.fidelity / full, played.outcome.values)
    return Verdict("pruned", None, played.outcome.constraints, played.state, partial)


def hypervolume_over_cost(
    played: Sequence[Played], objectives: Mapping[str, str], corner: Sequence[float]
) -> list[tuple[float, float]]:
    """(cost spent so far in seconds, hypervolume of the feasible complete trials so far) after each trial."""
    directions = list(objectives.values())
    reference = to_minimise(np.asarray([corner], dtype=np.float64), directions)[0].tolist()
    points: list[tuple[float, float]] = []
    front = np.empty((0, len(directions)))
    spent = volume = 0.0
    for trial in played:
        spent += trial.cost_s
        if trial.state == "complete" and trial.outcome.feasible and trial.outcome.values is not None:
            front = np.vstack([front, to_minimise(np.asarray([trial.outcome.values]), directions)])
            volume = hypervolume(front, reference)
        points.append((spent, volume))
    return points
