"""What a search has come to, from its records: counts, the best of each objective, hypervolume, rate, cost by stage.

The live screen, ``raysearch watch`` and ``raysearch status`` show the same numbers because they all come from here.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np

from raysearch.config.load import Study
from raysearch.ledger.record import Evidence, TrialRecord
from raysearch.pareto.front import hypervolume, to_minimise
from raysearch.uncertainty.bootstrap import mean_objectives
from raysearch.uncertainty.configurations import Configuration, configurations, measured

_LATEST = 20
"""The rate is that of so many trials: later ones may be slower than the first, or much faster where work is kept."""


@dataclass(frozen=True)
class Best:
    """The best feasible value of an objective.

    Attributes:
        value: mean over the configuration's seeds, as in the front.
        trial: the configuration's first trial.
    """

    value: float
    trial: int


@dataclass(frozen=True)
class Tally:
    """Numbers of a search.

    Attributes:
        recorded: trials in the ledger.
        anchors: of these, anchors.
        replicates: of these, further seeds.
        complete: with all objectives at full fidelity.
        feasible: of the complete, those that hold all constraints.
        stopped: ended at a rung.
        gated: ended before the downstream stage.
        failed: reason -> trials.
        best: objective -> its best feasible value; without those that have none.
        hypervolume: of the feasible configurations, within the study's reference point.
        trials_per_hour: of the latest trials, counting the time in which a trial ran; None while that is too short.
        costs_s: seconds by stage over all trials; ``total`` is the whole of a trial.
        texts_cut: texts that did not fit the model.
    """

    recorded: int = 0
    anchors: int = 0
    replicates: int = 0
    complete: int = 0
    feasible: int = 0
    stopped: int = 0
    gated: int = 0
    failed: dict[str, int] = field(default_factory=dict)
    best: dict[str, Best] = field(default_factory=dict)
    hypervolume: float = 0.0
    trials_per_hour: float | None = None
    costs_s: dict[str, float] = field(default_factory=dict)
    texts_cut: int = 0

    @property
    def failures(self) -> int:
        """Failed trials, whatever the reason."""
        return sum(self.failed.values())

    def seconds_left(self, trials: int) -> float | None:
        """How long so many more trials take at this rate."""
        return None if not self.trials_per_hour else 3600.0 * trials / self.trials_per_hour


class Tallies:
    """Records as they come, and their tally, which is made anew only where a record came.

    Args:
        study: objectives, directions and reference point.
    """

    def __init__(self, study: Study) -> None:
        self._study = study
        self._records: dict[int, TrialRecord] = {}
        self._made = (0, Tally())
        self._next_s = 0.0

    @property
    def known(self) -> frozenset[int]:
        """Numbers of the trials that are counted."""
        return frozenset(self._records)

    def add(self, records: Iterable[TrialRecord]) -> None:
        """Counts more trials."""
        light = {"evidence": Evidence(), "curves": [], "groups": {}, "breakdown": {}}  # a long study has thousands
        for record in records:
            self._records[record.trial] = record.model_copy(update=light)

    def now(self, rest: float = 0.0) -> Tally:
        """The tally of all trials so far.

        Args:
            rest: after each counting, its tally stands for so many times as long as the counting took: who has other
                work to do spends no more than a share of ``1 / (1 + rest)`` on it, however long a study grows.
        """
        records = list(self._records.values())  # one thread adds while another one looks
        begin = time.monotonic()
        if len(records) != self._made[0] and (not rest or begin >= self._next_s):
            self._made = (len(records), tally(records, self._study))
            end = time.monotonic()
            self._next_s = end + rest * (end - begin)
        return self._made[1]


def tally(records: Sequence[TrialRecord], study: Study) -> Tally:
    """Counts a study's records."""
    states = Counter(record.state for record in records)
    complete = [record for record in records if record.state == "complete"]
    costs: Counter[str] = Counter()
    for record in records:
        costs.update(record.costs_s)
    feasible = [c for c in measured(configurations(records), study.config.objectives) if c.feasible]
    return Tally(
        recorded=len(records),
        anchors=sum(record.kind == "anchor" for record in records),
        replicates=sum(record.kind == "replicate" for record in records),
        complete=len(complete),
        feasible=sum(bool(record.feasible) for record in complete),
        stopped=states["stopped"],
        gated=states["gated"],
        failed=dict(Counter(record.reason or "" for record in records if record.state == "failed")),
        best=_best(feasible, study),
        hypervolume=_hypervolume(feasible, study),
        trials_per_hour=_rate(records),
        costs_s=dict(costs),
        texts_cut=sum(int(record.facts.get("truncated_texts", 0)) for record in records),
    )


def anchors_of(study: Study) -> int:
    """How many anchors a study has (``pipeline.preflight.anchors`` makes them, and needs torch)."""
    cda = study.config.anchors.cda.mode != "none" and study.default_trial().text.include_sensitive
    return 3 if cda else 2


def _best(feasible: Sequence[Configuration], study: Study) -> dict[str, Best]:
    found = {}
    for name, direction in study.config.objectives.items() if feasible else ():
        values = [Best(c.spread(name).mean, c.trial) for c in feasible]
        choose = min if direction == "minimize" else max
        found[name] = choose(values, key=lambda best: best.value)
    return found


def _hypervolume(feasible: Sequence[Configuration], study: Study) -> float:
    objectives = study.config.objectives
    corner = np.asarray([study.config.corner], dtype=np.float64)
    reference = to_minimise(corner, list(objectives.values()))[0].tolist()
    return hypervolume(mean_objectives(feasible, objectives), reference)


def _rate(records: Sequence[TrialRecord]) -> float | None:
    """Trials an hour, over the hours in which at least one of them ran: pauses between two sittings do not count."""
    spans = [(_seconds(r.started_at), _seconds(r.finished_at)) for r in records]
    known = sorted((end, start) for start, end in spans if start and end and end >= start)[-_LATEST:]
    busy, until = 0.0, 0.0
    for start, end in sorted((start, end) for end, start in known):
        busy += max(0.0, end - max(start, until))
        until = max(until, end)
    return 3600.0 * len(known) / busy if busy >= 1.0 else None


def _seconds(at: str) -> float:
    """A time of the ledger since the epoch; 0 where it is not known."""
    try:
        return datetime.fromisoformat(at).timestamp()
    except ValueError:
        return 0.0
