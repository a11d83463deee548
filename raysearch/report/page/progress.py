"""How a run came to its front: hypervolume over the budget spent, cost by stage, and how trials ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from raysearch.ledger.record import TrialRecord
from raysearch.pareto.front import hypervolume, non_dominated, to_minimise

STATE_WORDS = {
    "failed": "failed",
    "gated": "ended before the downstream stage: an intrinsic constraint did not hold",
    "stopped": "stopped early at a rung",
}


@dataclass(frozen=True)
class Progress:
    """A run over time.

    Attributes:
        hours: group-hours spent when each trial ended.
        volume: hypervolume of what was then complete and feasible, each trial as it was first measured.
        trials: their numbers, in the order in which they ended.
    """

    hours: list[float]
    volume: list[float]
    trials: list[int]


def progress(records: Sequence[TrialRecord], objectives: Mapping[str, str], corner: Sequence[float]) -> Progress:
    """Hypervolume after each trial; anchors count, replicates cost but add none: they measure again what is there.

    Args:
        records: of a run.
        objectives: metric -> direction.
        corner: reference point in the metrics' own signs.
    """
    directions = list(objectives.values())
    reference = to_minimise(np.asarray([corner], dtype=np.float64), directions)[0].tolist()
    best = np.empty((0, len(objectives)))
    spent = volume = 0.0
    found = Progress([], [], [])
    for record in sorted(records, key=lambda one: (one.finished_at, one.trial)):
        spent += record.costs_s.get("total", 0.0) / 3600
        if record.kind != "replicate" and record.state == "complete" and record.feasible:
            values = [record.objectives.get(name, np.nan) for name in objectives]
            joined = np.vstack([best, to_minimise(np.asarray([values], dtype=np.float64), directions)])
            kept = non_dominated(joined)
            if kept[-1]:
                best = joined[kept]
                volume = hypervolume(best, reference)
        found.hours.append(spent)
        found.volume.append(volume)
        found.trials.append(record.trial)
    return found


def costs(records: Sequence[TrialRecord]) -> list[tuple[str, float]]:
    """(stage, hours over all trials), the dearest first; what no stage accounts for is ``other``."""
    spent: Counter[str] = Counter()
    for record in records:
        spent.update(record.costs_s)
    total = float(spent.pop("total", 0.0))
    found: list[tuple[str, float]] = sorted(spent.items(), key=lambda item: -item[1])
    if total - sum(spent.values()) > 0.005 * total:
        found.append(("other", total - sum(spent.values())))
    return [(name, seconds / 3600) for name, seconds in found if seconds > 0]


@dataclass(frozen=True)
class Ended:
    """Trials that are not complete, and why.

    Attributes:
        state: in words.
        reason: the record's own.
        trials: their numbers.
        example: the error's text of the first one.
    """

    state: str
    reason: str
    trials: list[int]
    example: str


def endings(records: Sequence[TrialRecord]) -> list[Ended]:
    """Trials that did not complete, by state and reason, the most frequent first."""
    found: dict[tuple[str, str], list[TrialRecord]] = {}
    for record in records:
        if record.state != "complete":
            found.setdefault((record.state, record.reason or "no reason was recorded"), []).append(record)
    return [
        Ended(STATE_WORDS[state], reason, [r.trial for r in group], " ".join((group[0].detail or "").split())[:300])
        for (state, reason), group in sorted(found.items(), key=lambda item: -len(item[1]))
    ]
