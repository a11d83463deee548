"""The ledger's table with one row a configuration: replicates are folded into the trial that they repeat.

To the columns of ``ledger.read`` come ``seeds``, ``se.NAME`` (standard error over seeds; empty for one seed) and
``p_front`` (probability of being on the front; empty for what is not complete). ``metric.NAME`` is then the mean over
seeds, ``low.NAME`` and ``high.NAME`` of an objective its bootstrap interval over seeds and rows, and ``feasible``
judges the mean. ``change_low.NAME`` and ``change_high.NAME`` are the interval of an objective's difference to the
baseline: in each draw both are judged on the same new rows and pairs, so that what they share cancels out.
``attrs["hypervolume"]`` is (value, low, high) of the whole front.
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
from raysearch.uncertainty.bootstrap import ROUNDS, objective_draws, sureness_of
from raysearch.uncertainty.configurations import Configuration, configurations, measured


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
    found = configurations(records)
    judged = measured(found, objectives)
    minimised, allowed = objective_draws(judged, objectives, ROUNDS, 0)
    sure = sureness_of(judged, objectives, corner, minimised, allowed)
    drawn = to_minimise(minimised, list(objectives.values()))  # turned back: the same signs
    table.attrs = {"hypervolume": sure.hypervolume, "seed_noise_known": sure.seed_noise_known}
    table["seeds"] = 1
    table["p_front"] = table["trial"].map(sure.probability)
    at = {trial: index for index, trial in enumerate(table["trial"])}
    for name, (low, high) in _changes(judged, objectives, drawn).items():
        table[f"change_low.{name}"], table[f"change_high.{name}"] = table["trial"].map(low), table["trial"].map(high)
    for position, configuration in enumerate(judged):
        index = at[configuration.trial]
        count = len(configuration.records)
        if count < 2:
            continue
        table.loc[index, "seeds"] = count
        table.loc[index, "feasible"] = configuration.feasible
        for column, name in enumerate(objectives):
            spread = configuration.spread(name)
            low, high = np.quantile(drawn[:, position, column], [0.025, 0.975])
            table.loc[index, f"metric.{name}"] = spread.mean
            table.loc[index, f"se.{name}"] = spread.standard_error
            table.loc[index, f"low.{name}"] = min(float(low), spread.mean)
            table.loc[index, f"high.{name}"] = max(float(high), spread.mean)
        for name in (c.removeprefix("metric.") for c in map(str, table.columns) if c.startswith("metric.")):
            if name not in objectives and all(name in record.metrics for record in configuration.records):
                table.loc[index, f"metric.{name}"] = configuration.spread(name).mean
    return table


def _changes(
    judged: Sequence[Configuration], objectives: Mapping[str, str], drawn: Values
) -> dict[str, tuple[dict[int, float], dict[int, float]]]:
    """Objective -> (trial -> lower end, trial -> upper end) of the paired difference to the baseline, 95 %.

    Args:
        judged: configurations.
        objectives: metric -> direction.
        drawn: [rounds, configurations, objectives] in the metrics' own signs.
    """
    base = [row for row, c in enumerate(judged) if (c.records[0].kind, c.records[0].stage) == ("anchor", "baseline")]
    if not base:
        return {}
    low, high = np.quantile(drawn - drawn[:, base[:1]], [0.025, 0.975], axis=0)
    trials = [configuration.trial for configuration in judged]
    return {
        name: tuple(dict(zip(trials, end[:, column].tolist(), strict=True)) for end in (low, high))  # type: ignore[misc]
        for column, name in enumerate(objectives)
    }
