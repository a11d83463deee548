"""The front as a picture: the first objective against each of the others, trials by what they are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib
import pandas as pd

matplotlib.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from raysearch.report.front_table import on_front, short

_BLUE, _ORANGE, _GREY = "#0072B2", "#D55E00", "#8C8C8C"
"""Okabe and Ito's colours, told apart by colour-blind people; every kind has a marker of its own besides."""
_ANCHOR_MARKERS = {"baseline": "s", "cda": "D", "unlearning": "^", "combined": "v"}
_TEXT_SIZE = 13
"""Large enough to read the picture at half its size."""


def draw_front(table: pd.DataFrame, objectives: Mapping[str, str], path: Path, title: str) -> Path:
    """Draws the trials of a run and saves a PNG.

    Args:
        table: the ledger's table with at least one complete trial.
        objectives: name -> direction; the first is drawn across, each other in a panel of its own.
        path: of the PNG.
        title: of the run.
    """
    names = list(objectives)
    across, others = names[0], names[1:] or names[:1]
    complete = table[table["state"] == "complete"].copy()
    complete["front"] = on_front(complete, objectives)
    with plt.rc_context({"font.size": _TEXT_SIZE, "axes.spines.top": False, "axes.spines.right": False}):
        figure, axes = plt.subplots(1, len(others), figsize=(5.0 * len(others), 5.6), squeeze=False)
        for axis, name in zip(axes[0], others, strict=True):
            _panel(axis, complete, across, name, objectives)
        handles: dict[str, Any] = {}
        for axis in axes[0]:
            for handle, text in zip(*axis.get_legend_handles_labels(), strict=True):
                handles.setdefault(text, handle)
        figure.legend(handles.values(), handles.keys(), loc="lower center", ncol=min(6, len(handles)), frameon=False)
        searched = int((complete["kind"] == "search").sum())
        figure.suptitle(f"{title}: {searched} sampled trials and {len(complete) - searched} anchors", fontsize=_TEXT_SIZE + 3)
        figure.tight_layout(rect=(0.0, 0.08, 1.0, 0.98))
        figure.savefig(path, dpi=110)
        plt.close(figure)
    return path


def _panel(axis: Axes, trials: pd.DataFrame, across: str, name: str, objectives: Mapping[str, str]) -> None:
    x, y = f"metric.{across}", f"metric.{name}"
    searched = trials[trials["kind"] == "search"]
    feasible = searched["feasible"] == True  # noqa: E712  None is neither
    groups = (
        (searched[searched["front"]], {"marker": "o", "color": _BLUE, "s": 110}, "on the front"),
        (searched[feasible & ~searched["front"]], {"marker": "o", "color": _GREY, "s": 60}, "dominated"),
        (searched[~feasible], {"marker": "x", "color": _GREY, "s": 70, "linewidths": 2}, "infeasible"),
    )
    for rows, style, text in groups:
        if len(rows):
            axis.scatter(rows[x], rows[y], label=text, zorder=3, **style)
    for _, row in trials[trials["kind"] == "anchor"].iterrows():
        marker = _ANCHOR_MARKERS[row["stage"]]
        filled = _ORANGE if row["front"] else "white"
        axis.scatter(
            row[x], row[y], marker=marker, s=150, facecolor=filled, edgecolor=_ORANGE, linewidths=2.2, zorder=4,
            label=f"{row['stage']} alone" if row["stage"] != "baseline" else "baseline",
        )
    for row in trials[trials["front"]].to_dict("records"):
        axis.errorbar(
            row[x], row[y],
            xerr=[[max(0.0, row[x] - row[f"low.{across}"])], [max(0.0, row[f"high.{across}"] - row[x])]],
            yerr=[[max(0.0, row[y] - row[f"low.{name}"])], [max(0.0, row[f"high.{name}"] - row[y])]],
            color=_BLUE if row["kind"] == "search" else _ORANGE, alpha=0.25, linewidth=1.2, zorder=2,
        )
        axis.annotate(str(row["trial"]), (row[x], row[y]), xytext=(7, 7), textcoords="offset points", fontsize=11)
    axis.set_xlabel(_axis_label(across, objectives[across]))
    axis.set_ylabel(_axis_label(name, objectives[name]))
    axis.grid(alpha=0.25)


def _axis_label(name: str, direction: str) -> str:
    return f"{short(name)} ({'lower' if direction == 'minimize' else 'higher'} is better)"
