"""Stage against stage: the two tables of the method's source, for any run. From the ledger alone; no torch, no Ray."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from raysearch.errors import UserError
from raysearch.ledger.record import TrialRecord

STAGES = ("baseline", "cda", "unlearning", "combined")
WHERE = {"model": "model.source", "table": "data.table"}
"""Column -> path in the configuration: what a row is of, besides its stage."""
INTRINSIC = ("intrinsic_gap", "answer_mass_ratio", "perplexity_ratio")
EXTRINSIC = (
    "accuracy",
    "accuracy_parity",
    "demographic_parity_difference",
    "equalized_odds_difference",
)
SHORT = {
    "intrinsic_gap": "gap",
    "answer_mass_ratio": "answer mass",
    "perplexity_ratio": "perplexity",
    "accuracy": "Acc",
    "accuracy_parity": "AccP",
    "demographic_parity_difference": "DP",
    "equalized_odds_difference": "EqOdds",
}
"""Column heads, as the source has them."""


@dataclass(frozen=True)
class Cell:
    """A metric of some trials.

    Attributes:
        mean: over the trials.
        low: lower end of the interval; of one trial its own bootstrap interval, of more Student's t over them.
        high: upper end.
    """

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:.3f} ({self.low:.3f} to {self.high:.3f})"


def cell(records: Sequence[TrialRecord], metric: str, confidence: float = 0.95) -> Cell | None:
    """A metric over trials; None where none of them has it."""
    found = [record.metrics[metric] for record in records if metric in record.metrics]
    if not found:
        return None
    if len(found) == 1:
        return Cell(found[0].value, found[0].low, found[0].high)
    return over_seeds([estimate.value for estimate in found], confidence)


def over_seeds(values: Sequence[float], confidence: float = 0.95) -> Cell:
    """Mean with the interval of Student's t; of one value, itself thrice."""
    mean = float(np.mean(values))
    if len(values) < 2:
        return Cell(mean, mean, mean)
    quantile = stats.t.ppf((1 + confidence) / 2, len(values) - 1)
    half = float(quantile * np.std(values, ddof=1) / np.sqrt(len(values)))
    return Cell(mean, mean - half, mean + half)


def stage_table(records: Sequence[TrialRecord], metrics: Sequence[str], by: Mapping[str, str] = WHERE) -> pd.DataFrame:
    """One row for each value of ``by`` and each stage, in the stages' order.

    Columns: those of ``by``, ``stage``, ``configurations`` (different ones, seeds apart), ``trials``; for each metric
    ``NAME``, ``low.NAME``, ``high.NAME`` (empty where no trial has it), and ``change.NAME``: (value - baseline) /
    baseline of the same model and table, empty where there is no baseline, or it is 0.

    Args:
        records: of a run; only complete ones count, and of those that are the same, seed and all, one.
        metrics: to show.
        by: column -> dotted path in the configuration.

    Raises:
        UserError: no complete trial, or a path that no configuration has.
    """
    complete = _each_once([record for record in records if record.state == "complete"])
    if not complete:
        raise UserError("no complete trial to compare; `raysearch status` says why trials failed")
    groups: dict[tuple[str, ...], list[TrialRecord]] = {}
    for record in complete:
        place = (*(str(setting(record, path)) for path in by.values()), record.stage)
        groups.setdefault(place, []).append(record)
    baselines: dict[tuple[str, ...], list[TrialRecord]] = {}
    for record in complete:
        if record.stage == "baseline":
            where = tuple(str(setting(record, path)) for path in WHERE.values())
            baselines.setdefault(where, []).append(record)
    rows = []
    for place, found in sorted(groups.items(), key=lambda item: (item[0][:-1], STAGES.index(item[0][-1]))):
        row: dict[str, Any] = dict(zip([*by, "stage"], place, strict=True))
        row |= {"configurations": len({_without_seed(record) for record in found}), "trials": len(found)}
        where = tuple(str(setting(found[0], path)) for path in WHERE.values())
        for metric in metrics:
            measured, base = cell(found, metric), cell(baselines.get(where, []), metric)
            value, low, high = (np.nan,) * 3 if measured is None else (measured.mean, measured.low, measured.high)
            row |= {metric: value, f"low.{metric}": low, f"high.{metric}": high}
            row[f"change.{metric}"] = value / base.mean - 1 if base is not None and base.mean else np.nan
        rows.append(row)
    return pd.DataFrame(rows)


def _each_once(records: Sequence[TrialRecord]) -> list[TrialRecord]:
    """Without repetitions: a grid has a cell that is also an anchor, and one measurement is no two seeds."""
    return list({(_without_seed(record), record.seed): record for record in reversed(records)}.values())[::-1]


def setting(record: TrialRecord, path: str) -> Any:
    """What a trial's configuration has at a dotted path; None below a block that is switched off.

    Raises:
        UserError: there is no such key.
    """
    node: Any = record.config
    for key in path.split("."):
        if node is not None and (not isinstance(node, dict) or key not in node):
            raise UserError(f"{path}: trial {record.trial}'s configuration has no '{key}'")
        node = None if node is None else node[key]
    return node


def _without_seed(record: TrialRecord) -> str:
    return repr(sorted((key, repr(value)) for key, value in record.config.items() if key != "seed"))
