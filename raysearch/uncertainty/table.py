"""The ledger's table with one row a configuration: replicates are folded into the trial that they repeat.

To the columns of ``ledger.read`` come ``seeds``, ``se.NAME`` (standard error over seeds; empty for one seed) and
``p_front`` (probability of being on the front; empty for what is not complete). ``metric.NAME`` is then the mean over
seeds, ``low.NAME`` and ``high.NAME`` of an objective its bootstrap interval over seeds and rows, and ``feasible``
judges the mean. ``attrs["hypervolume"]`` is (value, low, high) of the whole front.
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
from raysearch.uncertainty.bootstrap import ROUNDS, draws, sureness
from raysearch.uncertainty.configurations import configurations, measured


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
    sure = sureness(judged, objectives, corner)
    drawn = draws(judged, list(objectives), ROUNDS, 0)
    table.attrs = {"hypervolume": sure.hypervolume, "seed_noise_known": sure.seed_noise_known}
    table["seeds"] = 1
    table["p_front"] = table["trial"].map(sure.probability)
    at = {trial: index for index, trial in enumerate(table["trial"])}
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
