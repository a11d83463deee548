"""Two runs side by side, on one reference point and with one bootstrap. From the ledgers alone; no torch, no Ray.

Where both runs were judged on the same rows, each draw takes the same new rows for both, so that what they share
cancels out of the comparison.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from raysearch.errors import UserError
from raysearch.ledger.run_folder import RunFolder
from raysearch.pareto.compare import epsilon, igd_plus
from raysearch.pareto.front import Mask, Values, hypervolume, non_dominated, to_minimise
from raysearch.pareto.uncertainty import hypervolume_draws
from raysearch.report.stages import setting
from raysearch.uncertainty.bootstrap import ROUNDS, mean_objectives, objective_draws
from raysearch.uncertainty.configurations import Configuration, configurations, measured

_SAME = ("model.source", "data.table", "data.sensitive", "evaluation.split", "downstream.kind")
"""Settings in which two runs should agree, or their numbers are of different things."""


@dataclass(frozen=True)
class Best:
    """The best feasible configuration in one objective; ``low`` to ``high`` is its bootstrap interval."""

    trial: int
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Side:
    """One of two runs.

    Attributes:
        name: of its folder.
        found: complete configurations with all objectives.
        front: [configurations] on the run's own front.
        draws: [rounds, configurations, objectives] minimised.
        allowed: [rounds, configurations] whether all constraints hold.
        best: objective -> best, None where nothing is feasible.
        hypervolume: (value, low, high) within the common reference point.
        epsilon: by how much its front must be moved in every objective to be as good as the other's everywhere.
        igd_plus: how much worse its front is than the other's, on average.
        joint: share of the members of both runs' joint front that it is expected to hold, over draws.
    """

    name: str
    found: tuple[Configuration, ...]
    front: Mask
    draws: Values
    allowed: NDArray[np.bool_]
    best: Mapping[str, Best | None]
    hypervolume: tuple[float, float, float]
    epsilon: float
    igd_plus: float
    joint: float

    @property
    def feasible(self) -> int:
        """How many configurations hold all constraints."""
        return sum(c.feasible for c in self.found)


@dataclass(frozen=True)
class Comparison:
    """Two runs with the same objectives.

    Attributes:
        objectives: metric -> direction.
        reference: the common reference point, in the metrics' own signs.
        sides: both runs, in the order given.
        larger: share of the draws in which the first has the larger hypervolume; draws that are level count half.
        notes: what makes the two hard to compare, in whole sentences.
    """

    objectives: Mapping[str, str]
    reference: Mapping[str, float]
    sides: tuple[Side, Side]
    larger: float
    notes: tuple[str, ...]


def compare_runs(one: Path | str, other: Path | str, rounds: int = ROUNDS, seed: int = 0) -> Comparison:
    """Compares two runs.

    The reference point is the runs' own where they agree, else in each objective the worse of both, so that it hides no
    trial that one of the studies counts.

    Args:
        one: a run's folder.
        other: another's.
        rounds: bootstrap rounds.
        seed: of the bootstrap.

    Raises:
        RunFolderError: not a run folder, or a record cannot be read.
        UserError: other objectives or directions, or a run without complete trials.
    """
    runs = (RunFolder.open(one), RunFolder.open(other))
    objectives = _common_objectives(runs)
    groups = tuple(_measured(run, objectives) for run in runs)
    reference, notes = _reference(runs, objectives)
    notes += _differences(runs, groups)
    directions = list(objectives.values())
    corner = to_minimise(np.asarray([list(reference.values())]), directions)[0].tolist()
    everything = [*groups[0], *groups[1]]
    draws, allowed = objective_draws(everything, objectives, rounds, seed)
    joint = np.asarray([non_dominated(*drawn) for drawn in zip(draws, allowed, strict=True)])
    parts = (slice(0, len(groups[0])), slice(len(groups[0]), len(everything)))
    volumes = [hypervolume_draws(draws[:, part], allowed[:, part], corner) for part in parts]
    means = [mean_objectives(group, objectives) for group in groups]
    fronts = [non_dominated(v, np.asarray([c.feasible for c in g])) for v, g in zip(means, groups, strict=True)]
    sides = []
    for here, there in ((0, 1), (1, 0)):
        part, front, values = parts[here], fronts[here], means[here]
        low, high = np.quantile(volumes[here], [0.025, 0.975])
        sides.append(
            Side(
                name=runs[here].path.resolve().name,
                found=tuple(groups[here]),
                front=front,
                draws=draws[:, part],
                allowed=allowed[:, part],
                best=_best(groups[here], objectives, draws[:, part]),
                hypervolume=(hypervolume(values[front], corner), float(low), float(high)),
                epsilon=epsilon(values[front], means[there][fronts[there]]),
                igd_plus=igd_plus(values[front], means[there][fronts[there]]),
                joint=float(joint[:, part].sum() / max(1, joint.sum())),
            )
        )
    larger = float(np.mean((volumes[0] > volumes[1]) + 0.5 * (volumes[0] == volumes[1])))
    return Comparison(objectives, reference, (sides[0], sides[1]), larger, tuple(notes))


def _common_objectives(runs: tuple[RunFolder, RunFolder]) -> Mapping[str, str]:
    first, second = (dict(run.study().config.objectives) for run in runs)
    if first == second:
        return first
    said = [", ".join(f"{name} ({way})" for name, way in found.items()) for found in (first, second)]
    raise UserError(
        f"the runs have different objectives, so their fronts cannot be compared. {runs[0].path}: {said[0]}; "
        f"{runs[1].path}: {said[1]}. Take runs of studies with the same `objectives`"
    )


def _measured(run: RunFolder, objectives: Mapping[str, str]) -> list[Configuration]:
    found = measured(configurations(list(run.ledger)), objectives)
    if not found:
        raise UserError(
            f"{run.path}: no complete trial with all objectives ({', '.join(objectives)}); `raysearch status` says why "
            "trials failed"
        )
    return found


def _reference(runs: tuple[RunFolder, RunFolder], objectives: Mapping[str, str]) -> tuple[dict[str, float], list[str]]:
    configs = [run.study().config for run in runs]
    one, other = (dict(zip(config.objectives, config.corner, strict=True)) for config in configs)
    if one == other:
        return {name: one[name] for name in objectives}, []
    worse = {
        name: (max if direction == "minimize" else min)(one[name], other[name])
        for name, direction in objectives.items()
    }
    return worse, ["The studies have different reference points; in each objective the worse of both is taken."]


def _differences(runs: tuple[RunFolder, RunFolder], groups: tuple[list[Configuration], ...]) -> list[str]:
    """What a reader must know before believing a difference."""
    notes = []
    for path in _SAME:
        values = [sorted({str(setting(c.records[0], path)) for c in group}) for group in groups]
        if values[0] != values[1]:
            notes.append(f"{path} differs: {', '.join(values[0])} against {', '.join(values[1])}.")
    records = [[record for c in group for record in c.records] for group in groups]
    if {r.evidence.rows for r in records[0]} != {r.evidence.rows for r in records[1]}:
        notes.append("The runs were judged on different rows; a difference may come from the rows.")
    if {r.evidence.pairs for r in records[0]} != {r.evidence.pairs for r in records[1]}:
        notes.append("The runs were judged on different stereotype pairs.")
    versions = [{name: v for record in found for name, v in record.definitions.items()} for found in records]
    changed = sorted(name for name in versions[0].keys() & versions[1] if versions[0][name] != versions[1][name])
    if changed:
        notes.append(f"Definitions have changed between the runs: {', '.join(changed)}.")
    bounds = [{name for record in found for name in record.constraints} for found in records]
    if bounds[0] != bounds[1]:
        notes.append(f"Constraints differ: {', '.join(sorted(bounds[0] ^ bounds[1]))} in one run only.")
    notes += [
        f"{run.path.resolve().name} is still going: this is of its trials so far." for run in runs if run.is_driven()
    ]
    return notes


def _best(found: list[Configuration], objectives: Mapping[str, str], draws: Values) -> dict[str, Best | None]:
    feasible = [row for row, c in enumerate(found) if c.feasible]
    best: dict[str, Best | None] = {}
    for column, (name, direction) in enumerate(objectives.items()):
        sign = 1.0 if direction == "minimize" else -1.0
        if not feasible:
            best[name] = None
            continue
        row = feasible[int(np.argmin([sign * found[row].spread(name).mean for row in feasible]))]
        value = found[row].spread(name).mean
        low, high = np.quantile(sign * draws[:, row, column], [0.025, 0.975])
        best[name] = Best(found[row].trial, value, min(float(low), value), max(float(high), value))
    return best
