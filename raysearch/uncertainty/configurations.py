"""Records -> configurations: trials that differ in their seed alone are one configuration, measured several times."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from raysearch.ledger.record import TrialRecord


@dataclass(frozen=True)
class Spread:
    """A metric over a configuration's seeds.

    Attributes:
        mean: over seeds.
        standard_error: of the mean: sd / sqrt(count); NaN for one seed, about whose chance nothing is known.
        count: seeds.
    """

    mean: float
    standard_error: float
    count: int


@dataclass(frozen=True)
class Configuration:
    """A configuration with its complete trials, the first of which names it.

    Attributes:
        records: complete trials, by number; the first is not a replicate.
    """

    records: tuple[TrialRecord, ...]

    @property
    def trial(self) -> int:
        """Number of its first trial."""
        return self.records[0].trial

    @property
    def is_baseline(self) -> bool:
        """Whether it is what all else is compared with."""
        return (self.records[0].kind, self.records[0].stage) == ("anchor", "baseline")

    @property
    def trains_model(self) -> bool:
        """Whether it changes the language model; else intrinsic metrics are those of the model as it came."""
        return self.records[0].stage not in ("baseline", "cda")

    @property
    def feasible(self) -> bool:
        """Whether all constraints hold on average; they are linear in the metrics, so this judges the mean metrics."""
        return all(self.violation(name) <= 0 for name in self.records[0].constraints)

    def violation(self, constraint: str) -> float:
        """Mean over seeds of how far a constraint is from holding; <= 0 is feasible."""
        return self._mean([record.constraints[constraint] for record in self.records])

    def spread(self, metric: str) -> Spread:
        """A metric over the seeds."""
        values = [record.metrics[metric].value for record in self.records]
        count, mean = len(values), self._mean(values)
        if count < 2:
            return Spread(mean, math.nan, count)
        variance = sum((value - mean) ** 2 for value in values) / (count - 1)
        return Spread(mean, math.sqrt(variance / count), count)

    @staticmethod
    def _mean(values: Sequence[float]) -> float:
        return math.fsum(values) / len(values)


def measured(found: Sequence[Configuration], metrics: Iterable[str]) -> list[Configuration]:
    """Those that have all of some metrics, in every seed."""
    wanted = set(metrics)
    return [one for one in found if all(wanted <= record.metrics.keys() for record in one.records)]


def configurations(records: Sequence[TrialRecord]) -> list[Configuration]:
    """Complete trials by configuration, by first trial; replicates of what is not complete are left out."""
    seeds: dict[int, list[TrialRecord]] = {}
    for record in sorted(records, key=lambda record: (record.replicate_of is not None, record.trial)):
        if record.state != "complete":
            continue
        if record.replicate_of is None:
            seeds[record.trial] = [record]
        elif record.replicate_of in seeds:
            seeds[record.replicate_of].append(record)
    return [Configuration(tuple(found)) for _, found in sorted(seeds.items())]


def confidence_of(record: TrialRecord) -> float:
    """Level of the intervals in a record."""
    return float((record.config.get("evaluation") or {}).get("confidence", 0.95))
