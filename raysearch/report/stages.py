"""Stage against stage: the two tables of the method's source, for any run. From the ledger alone; no torch, no Ray."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from raysearch.errors import UserError
from raysearch.ledger.record import TrialRecord
from raysearch.uncertainty.bootstrap import draws
from raysearch.uncertainty.configurations import Configuration

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
        low: lower end of the interval.
        high: upper end.
    """

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:.3f} ({self.low:.3f} to {self.high:.3f})"


NOTHING = Cell(float("nan"), float("nan"), float("nan"))
ROUNDS = 2000
"""Of the bootstrap: an interval's ends are quantiles far out, and a table has few of them."""


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
    ``NAME``, ``low.NAME``, ``high.NAME`` (empty where no trial has it), and ``change.NAME``, ``change_low.NAME``,
    ``change_high.NAME``: (value - baseline) / baseline of the same model and table, empty where there is no baseline,
    or it is 0.

    Intervals are of 95 %. Of one trial a value has its own, by bootstrap over judged rows or pairs. Of several, and in
    a change, each draw takes new rows for all trials together, so that the chance of rows that trials share stays in
    their mean and cancels out of their difference, and moves a mean over several trials by Student's t of their own
    spread, which holds the chance of seeds.

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
    drawn = {metric: _Draws(complete, metric) for metric in metrics}
    rows = []
    for place, found in sorted(groups.items(), key=lambda item: (item[0][:-1], STAGES.index(item[0][-1]))):
        row: dict[str, Any] = dict(zip([*by, "stage"], place, strict=True))
        row |= {"configurations": len({_without_seed(record) for record in found}), "trials": len(found)}
        where = tuple(str(setting(found[0], path)) for path in WHERE.values())
        for metric in metrics:
            value = drawn[metric].cell(found)
            row |= {metric: value.mean, f"low.{metric}": value.low, f"high.{metric}": value.high}
            change = drawn[metric].change(found, baselines.get(where, []))
            row |= {f"change.{metric}": change.mean}
            row |= {f"change_low.{metric}": change.low, f"change_high.{metric}": change.high}
        rows.append(row)
    return pd.DataFrame(rows)


class _Draws:
    """What a metric of some trials might as well have been.

    Args:
        records: complete trials.
        metric: that some of them have.
    """

    def __init__(self, records: Sequence[TrialRecord], metric: str) -> None:
        having = [Configuration((record,)) for record in records if metric in record.metrics]
        values = draws(having, [metric], ROUNDS, 0)[:, :, 0] if having else np.empty((ROUNDS, 0))
        self._metric = metric
        self._values = {one.trial: values[:, place] for place, one in enumerate(having)}

    def cell(self, records: Sequence[TrialRecord]) -> Cell:
        """The mean over trials; NaN where none of them has the metric."""
        found = [record.metrics[self._metric] for record in records if self._metric in record.metrics]
        if not found:
            return NOTHING
        if len(found) == 1:
            return Cell(found[0].value, found[0].low, found[0].high)
        return _cell(float(np.mean([one.value for one in found])), self._mean(records))

    def change(self, records: Sequence[TrialRecord], baseline: Sequence[TrialRecord]) -> Cell:
        """(mean - baseline) / baseline."""
        value, base = self.cell(records), self.cell(baseline)
        if not base.mean or np.isnan(value.mean + base.mean):
            return NOTHING
        with np.errstate(divide="ignore", invalid="ignore"):
            ratios = self._mean(records) / self._mean(baseline) - 1
        return _cell(value.mean / base.mean - 1, ratios[np.isfinite(ratios)])

    def _mean(self, records: Sequence[TrialRecord]) -> NDArray[np.float64]:
        """[rounds] the mean over trials, moved by the chance of which trials there are."""
        having = [record for record in records if record.trial in self._values]
        mean = np.mean([self._values[record.trial] for record in having], axis=0)
        if len(having) < 2:
            return np.asarray(mean)
        error = np.std([record.metrics[self._metric].value for record in having], ddof=1) / np.sqrt(len(having))
        rng = np.random.default_rng([len(having), *(record.trial for record in having)])
        return np.asarray(mean + error * rng.standard_t(len(having) - 1, size=ROUNDS))


def _cell(value: float, drawn: NDArray[np.float64]) -> Cell:
    if not len(drawn):
        return Cell(value, np.nan, np.nan)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Cell(value, min(float(low), value), max(float(high), value))


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
