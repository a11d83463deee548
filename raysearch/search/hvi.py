"""A sampler that asks for the largest expected gain of feasible hypervolume, written for few and costly trials.

A Gaussian process an objective and a constraint, over the parameters and the share of the full fidelity. A candidate's
worth is the hypervolume that its predicted vector would add to the front, times the probability that it is feasible;
trials that are out count with their predicted vectors, so that workers are not given the same point. Greedy on the mean
on purpose: with some dozens of trials, adding the standard deviation was measured to be worse (docs/log.md). With
``cost_aware`` the gain is counted a second that the trial is expected to cost, and candidates that share an unlearned
update with a complete trial cost no unlearning.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import moocore
import numpy as np
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState
from scipy.stats import norm

from raysearch.config.space import parameters
from raysearch.pareto.front import hypervolume, to_minimise
from raysearch.search.distributions import distribution
from raysearch.search.gaussian_process import GaussianProcess
from raysearch.search.price import Prices
from raysearch.search.unit_cube import UnitCube

Matrix = NDArray[np.float64]
PARTIAL = "partial"
"""User attribute of an early-stopped trial: its share of the full fidelity, and its objectives there."""

_LEAST_COMPLETE = 3
_MOST_POINTS = 300
"""Beyond so many, the latest are used, and the front: the cost of a fit grows with the cube."""
_REFIT_EVERY = 6
_LEAST_PROBABILITY = 0.02
_NEAR = (0.02, 0.05, 0.1, 0.25)
"""Standard deviations of a candidate's distance from the point that it was made of."""
_MOVED = (0.3, 0.6, 1.0)
"""Probabilities of each coordinate to be moved."""
_BEST = 15


@dataclass(frozen=True)
class Goal:
    """What is searched, and for what.

    Attributes:
        space: a tree of constants and distributions.
        directions: ``minimize`` or ``maximize``, one an objective.
        corner: the hypervolume's reference point, in the objectives' own signs.
        updates_kept: whether a trial can go on from a complete trial's unlearned update; not with rungs on its steps.
    """

    space: Any
    directions: Sequence[str]
    corner: Sequence[float]
    updates_kept: bool = True


@dataclass(frozen=True)
class _Evidence:
    """Trials as rows. What is not known of one is NaN: a gated trial has no objectives, and some violations only."""

    points: Matrix
    share: Matrix
    values: Matrix
    violations: Matrix
    running: Matrix

    @property
    def full(self) -> NDArray[np.bool_]:
        """Complete trials."""
        found: NDArray[np.bool_] = (self.share >= 1.0) & np.isfinite(self.values).all(axis=1)
        return found


class HypervolumeSampler(BaseSampler):
    """Optuna's interface; random until it knows enough.

    Args:
        goal: space, directions, reference point.
        seed: of all that is drawn.
        n_startup_trials: finished trials, stopped and gated ones included, before the models are used.
        candidates: points that are compared in a round.
        rounds: of the search for the best candidate; each after the first looks around the best so far.
        cost_aware: whether to ask for the largest gain a second instead of the largest gain.
    """

    def __init__(
        self,
        goal: Goal,
        seed: int = 0,
        n_startup_trials: int = 10,
        candidates: int = 300,
        rounds: int = 8,
        cost_aware: bool = False,
    ) -> None:
        if candidates < _BEST or rounds < 1:
            raise ValueError(f"candidates must be at least {_BEST} and rounds at least 1")
        self._cube = UnitCube(goal.space)
        self._leaves = {name: distribution(p.distribution) for name, p in parameters(goal.space).items()}
        self._directions = list(goal.directions)
        self._corner: Matrix = to_minimise(np.asarray([goal.corner], dtype=np.float64), self._directions)[0]
        self._rng = np.random.default_rng(seed)
        self._random = RandomSampler(seed)
        self._unknown = [np.nan] * len(self._directions)
        self._startup = n_startup_trials
        self._candidates = candidates
        self._rounds = rounds
        self._models: dict[int, GaussianProcess] = {}
        self._fitted_to = -_REFIT_EVERY
        self._prices = Prices(self._cube) if cost_aware else None
        self._price_known = False
        self._updates_kept = goal.updates_kept

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """All parameters that may exist."""
        return self._leaves

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """The best candidate's parameters; none while too little is known."""
        known = self._evidence(study, trial)
        if len(known.points) < self._startup or known.full.sum() < _LEAST_COMPLETE:
            return {}
        self._fit(known)
        self._price_known = self._prices is not None and self._prices.learn(study.get_trials(deepcopy=False))
        front = self._front(known)
        best, worth = self._best(known, front)
        return self._sibling(front, worth) or self._cube.params(best)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """At random."""
        return self._random.sample_independent(study, trial, param_name, param_distribution)

    def reseed_rng(self) -> None:
        """Another seed."""
        self._rng = np.random.default_rng()
        self._random.reseed_rng()

    def _evidence(self, study: Study, asked: FrozenTrial) -> _Evidence:
        points, share, values, found, running = [], [], [], [], []
        for trial in study.get_trials(deepcopy=False):
            partial = trial.user_attrs.get(PARTIAL)
            told: Mapping[str, float] = trial.constraints or {}
            if trial.state == TrialState.RUNNING and trial.number != asked.number:
                running.append(self._cube.point(trial.params))
            if trial.state == TrialState.COMPLETE:
                values.append(trial.values)
            elif trial.state == TrialState.PRUNED and (partial is not None or told):
                values.append(self._unknown if partial is None else partial["values"])
            else:
                continue
            points.append(self._cube.point(trial.params))
            share.append(1.0 if partial is None else min(float(partial["share"]), 0.999))
            found.append(told)
        names = sorted({name for told in found for name in told})
        violations = [[told.get(name, np.nan) for name in names] for told in found]
        width = self._cube.dimensions
        evidence = _Evidence(
            np.asarray(points, dtype=np.float64).reshape(len(points), width),
            np.asarray(share, dtype=np.float64),
            to_minimise(
                np.asarray(values, dtype=np.float64).reshape(len(points), len(self._directions)), self._directions
            ),
            np.asarray(violations, dtype=np.float64).reshape(len(points), len(names)),
            np.asarray(running, dtype=np.float64).reshape(len(running), width),
        )
        return _thinned(evidence)

    def _columns(self, points: Matrix, share: Matrix | float = 1.0) -> Matrix:
        return np.column_stack([self._cube.columns(points), np.broadcast_to(share, len(points))])

    def _fit(self, known: _Evidence) -> None:
        anew = len(known.points) - self._fitted_to >= _REFIT_EVERY
        if anew:
            self._fitted_to = len(known.points)
        columns = self._columns(known.points, known.share)
        for index, targets in enumerate([*known.values.T, *map(_softened, known.violations.T)]):
            rows = np.isfinite(targets)
            self._models.setdefault(index, GaussianProcess()).fit(columns[rows], targets[rows], anew)

    def _sibling(self, front: Matrix, worth: float) -> dict[str, Any] | None:
        """Of candidates that share a complete trial's update the best, if it is worth more a second than ``worth``."""
        if self._prices is None or not (self._price_known and self._updates_kept and self._prices.shared):
            return None
        points, owners = self._prices.siblings(self._rng, self._candidates)
        a_second = self._worth(points, front, 0.0) / self._prices.seconds(points, update_is_kept=True)
        best = int(a_second.argmax())
        if a_second[best] <= worth:
            return None
        return self._prices.exactly(self._cube.params(points[best]), int(owners[best]))

    def _a_second(self, worth: Matrix, points: Matrix) -> Matrix:
        """Worth as it is, or by the price where that is known."""
        if self._prices is None or not self._price_known:
            return worth
        return worth / self._prices.seconds(points, update_is_kept=False)

    def _best(self, known: _Evidence, front: Matrix) -> tuple[Matrix, float]:
        """The best point, and its worth; 0 where nothing is worth anything."""
        full = known.points[known.full]
        feasible = np.all(known.violations[known.full] <= 0, axis=1)
        if feasible.any():
            values = known.values[known.full][feasible]
            parents = full[feasible][moocore.is_nondominated(values)]
        else:
            parents = full[np.argsort(np.maximum(known.violations[known.full], 0.0).sum(axis=1))[:_BEST]]
        pool = np.vstack([self._rng.uniform(size=(self._candidates, self._cube.dimensions)), self._around(parents)])
        for optimism in (0.0, 1.0):  # where nothing better is predicted, what may be better
            worth = self._a_second(self._worth(pool, front, optimism), pool)
            for _ in range(self._rounds - 1):
                top = pool[np.argsort(-worth)[:_BEST]]
                pool = np.vstack([top, self._around(top)])
                worth = self._a_second(self._worth(pool, front, optimism), pool)
            if worth.max() > 0.0:
                return np.asarray(pool[worth.argmax()]), float(worth.max()) if optimism == 0.0 else 0.0
        if not feasible.any() and known.violations.shape[1]:
            return np.asarray(pool[self._feasibility(pool).argmax()]), 0.0
        return self._rng.uniform(size=self._cube.dimensions), 0.0

    def _around(self, points: Matrix) -> Matrix:
        parents = points[self._rng.integers(len(points), size=self._candidates)]
        size = self._rng.choice(_NEAR, size=(len(parents), 1))
        moved = self._rng.uniform(size=parents.shape) < self._rng.choice(_MOVED, size=(len(parents), 1))
        found: Matrix = np.clip(parents + moved * size * self._rng.standard_normal(parents.shape), 0.0, 1.0)
        return found

    def _front(self, known: _Evidence) -> Matrix:
        """Predicted vectors of what is feasible, running trials included: the mean takes luck out of a noisy one."""
        done = self._columns(known.points[known.full])
        feasible = np.all(known.violations[known.full] <= 0, axis=1)
        values = self._predicted(done)[feasible]
        if len(known.running):
            columns = self._columns(known.running)
            likely = np.all(self._predicted_violations(columns) <= 0, axis=1)
            values = np.vstack([values, self._predicted(columns)[likely]])
        values = values[np.all(values < self._corner, axis=1)]
        return np.asarray(values[moocore.is_nondominated(values)]) if len(values) else values

    def _predicted(self, columns: Matrix, optimism: float = 0.0) -> Matrix:
        count = len(self._directions)
        if not optimism:
            return np.column_stack([self._models[index].mean(columns) for index in range(count)])
        pairs = [self._models[index].predict(columns) for index in range(count)]
        return np.column_stack([mean - optimism * deviation for mean, deviation in pairs])

    def _predicted_violations(self, columns: Matrix) -> Matrix:
        found = [self._models[index].mean(columns) for index in range(len(self._directions), len(self._models))]
        return np.column_stack(found) if found else np.zeros((len(columns), 0))

    def _feasibility(self, points: Matrix) -> Matrix:
        """Probability that all constraints hold, taken as independent."""
        columns, found = self._columns(points), np.ones(len(points))
        for index in range(len(self._directions), len(self._models)):
            mean, deviation = self._models[index].predict(columns)
            found *= norm.cdf(-mean / deviation)
        return found

    def _worth(self, points: Matrix, front: Matrix, optimism: float) -> Matrix:
        values, odds = self._predicted(self._columns(points), optimism), self._feasibility(points)
        corner = self._corner.tolist()
        before = hypervolume(front, corner) if len(front) else 0.0
        worth = np.zeros(len(points))
        open_to = (odds > _LEAST_PROBABILITY) & np.all(values < self._corner, axis=1)
        if len(front):
            open_to &= ~np.any(np.all(front[None] <= values[:, None], axis=2), axis=1)
        for index in np.flatnonzero(open_to):
            gain = hypervolume(np.vstack([front, values[index]]), corner) - before
            worth[index] = gain * odds[index]
        return worth


def _thinned(known: _Evidence) -> _Evidence:
    count = len(known.points)
    if count <= _MOST_POINTS:
        return known
    kept = np.zeros(count, dtype=np.bool_)
    feasible = np.flatnonzero(known.full & np.all(known.violations <= 0, axis=1))
    if len(feasible):
        kept[feasible[moocore.is_nondominated(known.values[feasible])]] = True
    latest = np.flatnonzero(~kept)[::-1][: max(0, _MOST_POINTS - int(kept.sum()))]
    kept[latest] = True
    return _Evidence(known.points[kept], known.share[kept], known.values[kept], known.violations[kept], known.running)


def _softened(violations: Matrix) -> Matrix:
    """sign(v) log(1 + |v| / median): the sign is what matters, and far violations must not flatten what is near 0."""
    scale = float(np.nanmedian(np.abs(violations))) or 1.0
    found: Matrix = np.sign(violations) * np.log1p(np.abs(violations) / scale)
    return found
