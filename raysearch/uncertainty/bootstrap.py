"""Bootstrap over seeds and over evaluation rows: what the objectives of all configurations might as well have been.

A draw takes new rows for the group metrics and new pairs for the intrinsic gap. Configurations that were judged on the
same rows get the *same* new rows, so that what they share cancels out of their comparison. The mean over a
configuration's seeds is then moved by a draw of that mean's own chance: residuals of all configurations with several
seeds, pooled, since two or three seeds say too little about their own spread. What trains no language model, the
baseline and augmentation alone, has no such chance in its intrinsic metrics. Where no configuration has a second seed,
the chance of seeds is unknown and left out; whoever shows the numbers must say so.

Source: Efron and Tibshirani, 1993, An Introduction to the Bootstrap (chapters 6 and 9); the pooling is ours.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from raysearch.config.metric_names import BY_SET, is_intrinsic, range_of, split
from raysearch.ledger.record import Evidence, TrialRecord
from raysearch.metrics import groups
from raysearch.pareto.front import Values, non_dominated, to_minimise
from raysearch.pareto.uncertainty import hypervolume_draws, most_uncertain, probability_non_dominated
from raysearch.uncertainty.configurations import Configuration, confidence_of

ROUNDS = 500
"""Standard error of a probability near 0.5: 0.02; enough to rank, and under a second for some hundred trials."""

_LEVEL = 1e-12
"""A bound that is met exactly is met, whatever the order in which the same numbers are added."""


@dataclass(frozen=True)
class Sureness:
    """How sure a front is.

    Attributes:
        probability: P(non-dominated) by number of the configuration's first trial.
        hypervolume: (value, low, high) of the feasible configurations' means, 95 %.
        seed_noise_known: some configuration has several seeds.
    """

    probability: dict[int, float]
    hypervolume: tuple[float, float, float]
    seed_noise_known: bool


def sureness(
    found: Sequence[Configuration],
    objectives: Mapping[str, str],
    corner: Sequence[float],
    rounds: int = ROUNDS,
    seed: int = 0,
) -> Sureness:
    """P(non-dominated) of each configuration, and the hypervolume with its interval.

    Args:
        found: configurations.
        objectives: metric -> direction.
        corner: reference point in the metrics' own signs.
        rounds: bootstrap rounds.
        seed: of the bootstrap.
    """
    return sureness_of(found, objectives, corner, *objective_draws(found, objectives, rounds, seed))


def sureness_of(
    found: Sequence[Configuration],
    objectives: Mapping[str, str],
    corner: Sequence[float],
    drawn: Values,
    allowed: NDArray[np.bool_],
) -> Sureness:
    """``sureness``, from draws that were made before.

    Args:
        found: configurations.
        objectives: metric -> direction.
        corner: reference point in the metrics' own signs.
        drawn: [rounds, configurations, objectives] minimised, as ``objective_draws`` gives them.
        allowed: [rounds, configurations].
    """
    if not len(found):
        return Sureness({}, (0.0, 0.0, 0.0), False)
    directions = list(objectives.values())
    reference = to_minimise(np.asarray([corner], dtype=np.float64), directions)[0].tolist()
    feasible = np.asarray([c.feasible for c in found], dtype=np.bool_)
    probability = probability_non_dominated(drawn, allowed)
    volumes = hypervolume_draws(drawn, allowed, reference)
    low, high = np.quantile(volumes, [0.025, 0.975]) if len(volumes) else (0.0, 0.0)
    value = hypervolume_draws(mean_objectives(found, objectives)[None], feasible, reference)[0]
    return Sureness(
        {c.trial: float(p) for c, p in zip(found, probability, strict=True)},
        (float(value), float(low), float(high)),
        any(len(c.records) > 1 for c in found),
    )


def mean_objectives(found: Sequence[Configuration], objectives: Mapping[str, str]) -> Values:
    """[configurations, objectives] means over seeds, minimised."""
    values = [[c.spread(name).mean for name in objectives] for c in found]
    return to_minimise(
        np.asarray(values, dtype=np.float64).reshape(len(found), len(objectives)), _directions(objectives)
    )


def front_members(found: Sequence[Configuration], objectives: Mapping[str, str]) -> frozenset[int]:
    """First trials of the configurations that are feasible and that no other such one beats, by means over seeds."""
    feasible = np.asarray([c.feasible for c in found], dtype=np.bool_)
    front = non_dominated(mean_objectives(found, objectives), feasible)
    return frozenset(c.trial for c, member in zip(found, front, strict=True) if member)


def _directions(objectives: Mapping[str, str]) -> list[str]:
    return list(objectives.values())


def next_replicate(
    found: Sequence[Configuration],
    objectives: Mapping[str, str],
    pending: Mapping[int, int],
    most_seeds: int,
    seed: int = 0,
) -> Configuration | None:
    """The configuration for which one more seed tells most about whether it is on the front.

    Args:
        found: configurations; anchors among them compete, but get no seeds of their own.
        objectives: metric -> direction.
        pending: seeds under way, by trial.
        most_seeds: none gets more.
        seed: of the bootstrap.
    """
    if not found:
        return None
    probability = probability_non_dominated(*objective_draws(found, objectives, ROUNDS, seed))
    searched = np.asarray([c.records[0].kind == "search" for c in found])
    seeds = np.asarray([len(c.records) + pending.get(c.trial, 0) for c in found], dtype=np.float64)
    row = most_uncertain(np.where(searched, probability, 0.0), seeds, most_seeds)
    return None if row is None else found[row]


def objective_draws(
    found: Sequence[Configuration], objectives: Mapping[str, str], rounds: int, seed: int
) -> tuple[Values, NDArray[np.bool_]]:
    """([rounds, configurations, objectives] minimised, [rounds, configurations] whether all constraints hold there).

    A constraint's violation moves with its metric, and with what it is relative to: the majority rate and the baseline,
    where that was judged on the same rows, are those of the same draw.
    """
    bounded = sorted({_bounded(name)[0] for c in found for name in c.records[0].constraints} - set(objectives))
    metrics = [*objectives, *(m for m in bounded if all(m in r.metrics for c in found for r in c.records))]
    drawn = draws(found, metrics, rounds, seed)
    allowed = np.ones(drawn.shape[:2], dtype=np.bool_)
    resampled = _Resampling(rounds, seed)
    place = {metric: column for column, metric in enumerate(metrics)}
    baselines = {_rows(c): row for row, c in reversed(list(enumerate(found))) if c.is_baseline}

    def moved(row: int, metric: str) -> Values:
        return np.asarray(drawn[:, row, place[metric]] - found[row].spread(metric).mean)

    for row, configuration in enumerate(found):
        for name in configuration.records[0].constraints:
            metric, sign, relative = _bounded(name)
            violation = np.full(rounds, configuration.violation(name))
            if metric in place:
                move = moved(row, metric)
                if relative.startswith("baseline") and _rows(configuration) in baselines:
                    move = move - moved(baselines[_rows(configuration)], metric)
                elif relative.startswith("majority_rate"):
                    move = move - np.mean([resampled.majority(r.evidence) for r in configuration.records], axis=0)
                violation += move if sign == "<=" else -move
            allowed[:, row] &= violation <= _LEVEL
    return to_minimise(drawn[..., : len(objectives)], list(objectives.values())), allowed


def _bounded(constraint: str) -> tuple[str, str, str]:
    """(metric, sign, bound) of a constraint's name, ``accuracy >= baseline - 0.03``; a crossed attribute has spaces."""
    parts = re.match("(.+) (<=|>=) (.+)", constraint)
    return (parts[1], parts[2], parts[3]) if parts else (constraint, ">=", "")


def _rows(configuration: Configuration) -> tuple[str, str, str]:
    """What a configuration was judged on, and of which model."""
    record = configuration.records[0]
    return record.evidence.rows, record.evidence.pairs, str((record.config.get("model") or {}).get("source"))


def draws(found: Sequence[Configuration], metrics: Sequence[str], rounds: int, seed: int) -> Values:
    """Bootstrap draws of every configuration's metrics.

    A drawn seed moves all metrics of a configuration together, as it did where it was recorded.

    Returns:
        [rounds, configurations, metrics], in the metrics' own signs.
    """
    rng = np.random.default_rng([seed, 0xB007])
    resampled = _Resampling(rounds, seed)
    residuals = {trains: _pooled_residuals(found, metrics, trains) for trains in (True, False)}
    low, high = np.asarray([range_of(metric) for metric in metrics]).reshape(-1, 2).T
    values = np.empty((rounds, len(found), len(metrics)))
    for row, configuration in enumerate(found):
        values[:, row] = np.mean(
            [np.column_stack([resampled.metric(r, metric) for metric in metrics]) for r in configuration.records],
            axis=0,
        )
        pool = residuals[configuration.trains_model]
        if len(pool):
            picked = rng.integers(len(pool), size=(rounds, len(configuration.records)))
            values[:, row] += pool[picked].mean(axis=1)
    return np.clip(values, low, high)


def _pooled_residuals(found: Sequence[Configuration], metrics: Sequence[str], trains: bool) -> Values:
    """[seeds, metrics] deviations from each configuration's mean, times sqrt(k / (k - 1)): the variance of one seed.

    For configurations that train the language model, of such ones; for the others of the others, and while none of them
    has a second seed the same deviations, but for the intrinsic metrics, which then do not change with the seed.
    """
    repeated = [configuration for configuration in found if len(configuration.records) > 1]
    own = [configuration for configuration in repeated if configuration.trains_model == trains]
    borrowed = not own and not trains
    pooled: list[list[float]] = []
    for configuration in repeated if borrowed else own:
        count = len(configuration.records)
        scale = (count / (count - 1)) ** 0.5
        means = [configuration.spread(metric).mean for metric in metrics]
        pooled += [
            [scale * (record.metrics[m].value - mean) for m, mean in zip(metrics, means, strict=True)]
            for record in configuration.records
        ]
    residuals = np.asarray(pooled, dtype=np.float64).reshape(len(pooled), len(metrics))
    return residuals * [not (borrowed and is_intrinsic(metric)) for metric in metrics]


class _Resampling:
    """New rows and new pairs, the same for all records that were judged on the same ones."""

    def __init__(self, rounds: int, seed: int) -> None:
        self._rounds = rounds
        self._seed = seed
        self._weights: dict[str, NDArray[np.int64]] = {}
        self._last: tuple[Evidence, str, NDArray[np.int64]] | None = None

    def metric(self, record: TrialRecord, metric: str) -> Values:
        """[rounds] a metric of a record on new rows or pairs; for others, normal draws that fit the interval."""
        evidence, estimate = record.evidence, record.metrics[metric]
        name, part = split(metric)
        if name in groups.METRICS and evidence.rows and (not part or part in evidence.also_by):
            if self._last is None or self._last[0] is not evidence or self._last[1] != part:
                self._last = (evidence, part, self._cubes(evidence, part))  # a record's metrics come one after another
            drawn = groups.METRICS[name](self._last[2])
            return np.where(np.isfinite(drawn), drawn, estimate.value)
        if name in BY_SET and evidence.pairs and (not part or part in dict(evidence.pair_sets)):
            return self._gaps(evidence, name, part)
        halves = NormalDist().inv_cdf((1.0 + confidence_of(record)) / 2)  # half-width of an interval, in deviations
        spread = max(0.0, (estimate.high - estimate.low) / (2 * halves))
        rng = np.random.default_rng([self._seed, record.trial, *metric.encode()])
        return np.asarray(rng.normal(estimate.value, spread, self._rounds))

    def majority(self, evidence: Evidence) -> Values:
        """[rounds] by how much the share of the larger label differs on new rows; 0 where rows are not recorded."""
        if not evidence.rows:
            return np.zeros(self._rounds)
        target = np.asarray(evidence.target, dtype=np.float64)
        drawn = self._counts(evidence.rows, np.asarray(evidence.group, dtype=np.int64)) @ target / len(target)
        share = target.mean()
        return np.asarray(np.maximum(drawn, 1.0 - drawn) - max(share, 1.0 - share))

    def _gaps(self, evidence: Evidence, metric: str, of_set: str) -> Values:
        """[rounds] mean gap on new pairs, of one set or of all: as many of each set are drawn as there are."""
        gaps = np.asarray(evidence.pair_gaps)
        sets = np.asarray([name for name, count in evidence.pair_sets for _ in range(count)] or [""] * len(gaps))
        weights = self._counts(evidence.pairs, np.unique(sets, return_inverse=True)[1])
        kept = sets == of_set if of_set else np.ones(len(gaps), dtype=np.bool_)
        values = np.abs(gaps) if metric == "intrinsic_gap" else gaps
        return np.asarray(weights[:, kept] @ values[kept] / kept.sum())

    def _cubes(self, evidence: Evidence, attribute: str) -> NDArray[np.int64]:
        """[rounds, groups, 2, 2] counts on new rows, redrawn within each group as in ``metrics.groups.measure``.

        By a further attribute the same new rows are counted, so that a draw moves all metrics together.
        """
        weights = self._counts(evidence.rows, np.asarray(evidence.group, dtype=np.int64))
        group = np.asarray(evidence.also_by[attribute] if attribute else evidence.group, dtype=np.int64)
        kept = group >= 0
        weights, group = weights[:, kept], group[kept]
        target, decided = np.asarray(evidence.target)[kept], np.asarray(evidence.decided)[kept]
        cell = (group * 2 + target) * 2 + decided
        count = int(group.max()) + 1
        indicator = np.zeros((len(group), count * 4))
        indicator[np.arange(len(group)), cell] = 1
        counted = weights.astype(np.float64) @ indicator  # exact, and whole numbers have no fast product
        return counted.astype(np.int64).reshape(self._rounds, count, 2, 2)

    def _counts(self, name: str, strata: NDArray[np.int64]) -> NDArray[np.int64]:
        """[rounds, items] how often each item is drawn, within its stratum; made once a name."""
        if name not in self._weights:
            rng = np.random.default_rng([self._seed, *name.encode()])
            counts = np.zeros((self._rounds, len(strata)), dtype=np.int64)
            for stratum in np.unique(strata):
                items = np.flatnonzero(strata == stratum)
                counts[:, items] = rng.multinomial(len(items), np.full(len(items), 1 / len(items)), size=self._rounds)
            self._weights[name] = counts
        return self._weights[name]
