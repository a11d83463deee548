"""Does lower intrinsic bias go with lower extrinsic bias? Rank correlations over all trials. No torch, no Ray.

One point a configuration, means over its seeds; anchors and infeasible configurations take part, since the question is
about the method and not about what may be used. For each model and table there is a row for every stage and one for all
stages together. Read them together: stages differ in both biases, so the pooled row may show a link that no stage has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from raysearch.config.metric_names import split
from raysearch.errors import UserError
from raysearch.ledger.record import TrialRecord
from raysearch.report.stages import STAGES, WHERE, setting
from raysearch.uncertainty.configurations import Configuration, configurations, measured

Values = NDArray[np.float64]

EXTRINSIC = ("accuracy_parity", "demographic_parity_difference", "equalized_odds_difference")
"""Looked at where nothing else is asked: less is better in each, as in the intrinsic gap."""
ALL = "all stages"
LEAST = 5
"""Below this many configurations no correlation is given."""
FEW = 30
"""Below this many an interval is so wide that it is worth a warning."""
_ROUNDS = 2000


@dataclass(frozen=True)
class Correlation:
    """Spearman's rank correlation.

    Attributes:
        rho: -1 to 1; NaN where it is not defined.
        low: lower end of the bootstrap interval, 95 %.
        high: upper end.
        note: why there is none, or why it is to be taken with care; may be empty.
    """

    rho: float
    low: float
    high: float
    note: str


def spearman(one: Values, other: Values, rounds: int = _ROUNDS, seed: int = 0) -> Correlation:
    """Spearman's rho with the percentile interval over resampled pairs.

    Noise in both measurements pulls it towards 0, and trials of a search are no random sample of the settings: the
    interval says what other trials of the same search might have shown, no more. Percentile interval: Efron and
    Tibshirani, 1993, An Introduction to the Bootstrap, chapter 13.

    Args:
        one: [points].
        other: [points].
        rounds: of the bootstrap.
        seed: of the bootstrap.
    """
    nothing = (float("nan"),) * 3
    if len(one) < LEAST:
        return Correlation(*nothing, f"fewer than {LEAST} points")
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return Correlation(*nothing, "one of the two never changes")
    picked = np.random.default_rng(seed).integers(len(one), size=(rounds, len(one)))
    drawn = _correlations(one[picked], other[picked])
    low, high = np.quantile(drawn[np.isfinite(drawn)], [0.025, 0.975])  # a draw of equal points has no correlation
    return Correlation(
        float(_correlations(one[None], other[None])[0]), float(low), float(high), "few points" if len(one) < FEW else ""
    )


def transfer_table(
    records: Sequence[TrialRecord], metrics: Sequence[str] = (), intrinsic: str = "intrinsic_gap"
) -> pd.DataFrame:
    """One row for each model, table, stage (and all stages) and extrinsic metric.

    Columns: those of ``stages.WHERE``, ``stage``, ``metric``, ``n`` (configurations), and what a ``Correlation`` has.

    Args:
        records: of a run.
        metrics: extrinsic ones; empty takes all recorded ones of ``EXTRINSIC``, by whatever attribute.
        intrinsic: the other axis.

    Raises:
        UserError: no complete trial, or a metric that none of them has.
    """
    found, names = chosen(records, metrics, intrinsic)
    rows = []
    for where, group in places(found).items():
        for stage in (*STAGES, ALL):
            here = [c for c in group if stage in (c.records[0].stage, ALL)]
            for name in names if here else ():
                both = points(here, intrinsic, name)
                correlation = spearman(*both.T)
                rows.append(
                    dict(zip(WHERE, where, strict=True))
                    | {"stage": stage, "metric": name, "n": len(both)}
                    | vars(correlation)
                )
    return pd.DataFrame(rows)


def chosen(
    records: Sequence[TrialRecord], metrics: Sequence[str], intrinsic: str
) -> tuple[list[Configuration], list[str]]:
    """(configurations, extrinsic metrics to look at); for errors see ``transfer_table``."""
    found = configurations(records)
    if not found:
        raise UserError("no complete trial to compare; `raysearch status` says why trials failed")
    known = sorted({name for c in found for record in c.records for name in record.metrics})
    names = list(metrics) or [name for name in known if split(name)[0] in EXTRINSIC]
    for name in (intrinsic, *names):
        if name not in known:
            raise UserError(f"no trial has the metric '{name}'; recorded are: {', '.join(known)}")
    if not names:
        raise UserError(f"no trial has an extrinsic metric; recorded are: {', '.join(known)}")
    return found, names


def places(found: Sequence[Configuration]) -> dict[tuple[str, ...], list[Configuration]]:
    """Configurations by model and table."""
    groups: dict[tuple[str, ...], list[Configuration]] = {}
    for one in found:
        where = tuple(str(setting(one.records[0], path)) for path in WHERE.values())
        groups.setdefault(where, []).append(one)
    return dict(sorted(groups.items()))


def points(found: Sequence[Configuration], one: str, other: str) -> Values:
    """[configurations that have both, 2] means over seeds."""
    having = measured(found, (one, other))
    values = [[c.spread(name).mean for name in (one, other)] for c in having]
    return np.asarray(values, dtype=np.float64).reshape(len(having), 2)


def _correlations(one: Values, other: Values) -> Values:
    """[rounds] Pearson's correlation of mean ranks; NaN where a row's values are all equal."""
    ranked = [stats.rankdata(values, axis=1) for values in (one, other)]
    first, second = (ranks - ranks.mean(axis=1, keepdims=True) for ranks in ranked)
    scale = np.sqrt((first**2).sum(axis=1) * (second**2).sum(axis=1))
    product = (first * second).sum(axis=1)
    return np.asarray(np.divide(product, scale, out=np.full(len(one), np.nan), where=scale > 0))
