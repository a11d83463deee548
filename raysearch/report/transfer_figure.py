"""Intrinsic against extrinsic bias: a panel a metric, a row of panels a model and table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import pandas as pd
from matplotlib.figure import Figure

from raysearch.ledger.record import TrialRecord
from raysearch.report.front_figure import BLUE, GREY, ORANGE, STYLE
from raysearch.report.front_table import short
from raysearch.report.stages import STAGES
from raysearch.report.transfer import ALL, chosen, places, points

_LOOKS = {
    "baseline": ("s", ORANGE),
    "cda": ("D", ORANGE),
    "unlearning": ("^", GREY),
    "combined": ("o", BLUE),
}


def draw_transfer(records: Sequence[TrialRecord], table: pd.DataFrame, intrinsic: str, path: Path, title: str) -> Path:
    """Draws the configurations that ``transfer_table`` correlates, with the correlation over all stages.

    Args:
        records: of a run.
        table: as ``transfer_table`` gave it for them.
        intrinsic: the metric across.
        path: of the PNG.
        title: of the run.
    """
    names = list(dict.fromkeys(table["metric"]))
    found, _ = chosen(records, names, intrinsic)
    groups = places(found)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(max(9.0, 4.8 * len(names)), 4.9 * len(groups) + 0.9), dpi=110, layout="constrained")
        axes = figure.subplots(len(groups), len(names), squeeze=False)
        for row, (where, group) in zip(axes, groups.items(), strict=True):
            for axis, name in zip(row, names, strict=True):
                for stage in STAGES:
                    both = points([c for c in group if c.records[0].stage == stage], intrinsic, name)
                    marker, color = _LOOKS[stage]
                    if len(both):
                        axis.scatter(*both.T, marker=marker, color=color, s=60, alpha=0.75, linewidths=0, label=stage)
                axis.set_xlabel(short(intrinsic))
                axis.set_ylabel(short(name))
                axis.set_title(_said(table, where, name), fontsize=STYLE["font.size"])
                axis.grid(alpha=0.25)
            row[0].set_ylabel(f"{' on '.join(Path(part).name for part in where)}\n{row[0].get_ylabel()}")
        shown = [axis.get_legend_handles_labels() for axis in axes.flat]
        known = {text: handle for handles, texts in shown for handle, text in zip(handles, texts, strict=True)}
        order = [stage for stage in STAGES if stage in known]
        figure.legend([known[stage] for stage in order], order, loc="outside lower center", ncol=4, frameon=False)
        figure.suptitle(f"{title}: intrinsic against extrinsic bias, one point a configuration")
        figure.savefig(path)
    return path


def _said(table: pd.DataFrame, where: Sequence[str], name: str) -> str:
    here = (table["stage"] == ALL) & (table["metric"] == name)
    for column, value in zip(table.columns, where, strict=False):
        here &= table[column] == value
    (row,) = table[here].to_dict("records")
    if pd.isna(row["rho"]):
        return f"no correlation: {row['note']}"
    return f"rank correlation {row['rho']:.2f} [{row['low']:.2f}, {row['high']:.2f}], n = {row['n']}"
