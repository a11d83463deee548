"""The ledger's table with one row a configuration: replicates are folded into the trial that they repeat.

To the columns of ``ledger.read`` come ``seeds``, ``se.NAME`` (standard error over seeds; empty for one seed) and
``p_front`` (probability of being on the front; empty for what is not complete). ``metric.NAME`` is then the mean over
seeds, ``constraint.NAME`` that of the violations, and ``feasible`` judges the mean. As soon as one configuration has
several seeds, ``low.NAME`` and ``high.NAME`` of all hold the chance of rows and of seeds. ``change_low.NAME`` and
``change_high.NAME`` are the interval of an objective's difference to the baseline: in each draw both are judged on the
same new rows and pairs, so that what they share cancels out. ``attrs["hypervolume"]`` is (value, low, high) of the
whole front.
Needs neither torch nor Ray.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from raysearch.ledger.read import frame
from raysearch.ledger.record import TrialRecord
from raysearch.ledger.run_folder import RunFolder
from raysearch.pareto.front import Values, to_minimise
from raysearch.uncertainty.bootstrap import ROUNDS, draws, objective_draws, sureness_of
from raysearch.uncertainty.configurations import Configuration, confidence_of, configurations, measured


def read_configurations(run: Path | str) -> pd.DataFrame:
    """All configurations of a run, one row each.

    Raises:
        RunFolderError: not a run folder, or a record cannot be read.
    """
    folder = RunFolder.open(run)
    config = folder.study().config
    return configuration_frame(list(folder.ledger), config.objectives, config.corner)


def configuration_frame(
    records: Sequence[TrialRecord], objectives: Mapping[str, str], corner: Sequence[float]
) -> pd.DataFrame:
    """Records as a table with one row a configuration; see the module's text for the columns."""
    table = frame([record for record in records if record.kind != "replicate"])
    judged = measured(configurations(records), objectives)
    minimised, allowed = objective_draws(judged, objectives, ROUNDS, 0)
    sure = sureness_of(judged, objectives, corner, minimised, allowed)
    table.attrs = {"hypervolume": sure.hypervolume, "seed_noise_known": sure.seed_noise_known}
    seeds = {configuration.trial: len(configuration.records) for configuration in judged}
    table["seeds"] = table["trial"].map(seeds).fillna(1).astype(int)
    table["p_front"] = table["trial"].map(sure.probability)
    if not judged:
        return table
    ends = [(1.0 - confidence_of(judged[0].records[0])) / 2, (1.0 + confidence_of(judged[0].records[0])) / 2]
    drawn = to_minimise(minimised, list(objectives.values()))  # turned back: the same signs
    base = next((row for row, configuration in enumerate(judged) if configuration.is_baseline), None)
    if base is not None:
        low, high = np.quantile(drawn - drawn[:, [base]], ends, axis=0)
        for column, name in enumerate(objectives):
            table = _put(table, judged, f"change_low.{name}", low[:, column])
            table = _put(table, judged, f"change_high.{name}", high[:, column])
    return _with_seeds(table, judged, objectives, ends) if sure.seed_noise_known else table


def _with_seeds(
    table: pd.DataFrame, judged: Sequence[Configuration], objectives: Mapping[str, str], ends: Sequence[float]
) -> pd.DataFrame:
    """Means over seeds; intervals with the chance of seeds for all, or what was measured least would look surest."""
    of_all = set.intersection(*(set(record.metrics) for c in judged for record in c.records))
    metrics = [*objectives, *sorted(of_all - set(objectives))]
    low, high = np.quantile(draws(judged, metrics, ROUNDS, 0), ends, axis=0)
    for column, name in enumerate(metrics):
        spreads = [configuration.spread(name) for configuration in judged]
        means = np.asarray([spread.mean for spread in spreads])
        table = _put(table, judged, f"metric.{name}", means)
        table = _put(table, judged, f"low.{name}", np.minimum(low[:, column], means))
        table = _put(table, judged, f"high.{name}", np.maximum(high[:, column], means))
        if name in objectives:
            table = _put(table, judged, f"se.{name}", np.asarray([spread.standard_error for spread in spreads]))
    for name in sorted({name for c in judged for name in c.records[0].constraints}):
        several = [c for c in judged if len(c.records) > 1 and name in c.records[0].constraints]
        table = _put(table, several, f"constraint.{name}", np.asarray([c.violation(name) for c in several]))
    feasible = {c.trial: c.feasible for c in judged if len(c.records) > 1}
    table["feasible"] = [feasible.get(trial, was) for trial, was in zip(table["trial"], table["feasible"], strict=True)]
    return table


def _put(table: pd.DataFrame, judged: Sequence[Configuration], column: str, values: Values) -> pd.DataFrame:
    """Values into the rows of their configurations; other rows keep theirs, or are empty."""
    given = table["trial"].map(dict(zip([c.trial for c in judged], values.tolist(), strict=True)))
    table[column] = given.combine_first(table[column]) if column in table else given
    return table
