"""The front as a picture: the first objective against each of the others, trials by what they are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from raysearch.report.front_table import feasible, on_front, short

BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#7A7A7A"
"""Okabe and Ito's colours, safe for colour-blind readers; every kind has a marker or filling of its own besides."""
_ANCHORS = {"baseline": ("s", "baseline"), "cda": ("D", "CDA alone"), "unlearning": ("^", "unlearning alone")}
_OTHER_ANCHOR = ("v", "combined")
_TEXT_SIZE = 13
"""Large enough to read the picture at half its size."""
STYLE: Any = {
    "font.size": _TEXT_SIZE,
    "text.parse_math": False,  # names are the user's, dollar signs and all
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.constrained_layout.w_pad": 0.12,
    "figure.constrained_layout.h_pad": 0.1,
}
_OFFSETS = ((7, 6), (7, -16), (-20, 6), (-20, -16), (-6, 11), (-6, -22))
"""Where a trial's number is tried around its point, in points; where none is free the number is left out."""


def draw_front(table: pd.DataFrame, objectives: Mapping[str, str], path: Path, title: str) -> Path:
    """Draws the trials of a run and saves a PNG. Numbers name sampled trials on the front; failed ones are not drawn.

    Args:
        table: the ledger's table with at least one complete trial.
        objectives: name -> direction; the first is drawn across, each other in a panel of its own.
        path: of the PNG.
        title: of the run.
    """
    names = list(objectives)
    across, others = names[0], names[1:] or names[:1]
    complete = table[table["state"] == "complete"].copy()
    complete["feasible"] = feasible(complete)
    complete["front"] = on_front(complete, objectives)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(max(9.0, 5.2 * len(others)), 5.8), dpi=110, layout="constrained")
        axes = figure.subplots(1, len(others), squeeze=False)[0]
        for axis, name in zip(axes, others, strict=True):
            _panel(axis, complete, across, name)
            axis.set_xlabel(_axis_label(across, objectives[across]))
            axis.set_ylabel(_axis_label(name, objectives[name]))
        handles, texts = axes[0].get_legend_handles_labels()
        figure.legend(handles, texts, loc="outside lower center", ncol=3 if len(others) < 3 else 6, frameon=False)
        figure.suptitle(_title(title, complete, table), fontsize=_TEXT_SIZE + 3)
        figure.draw_without_rendering()  # the panels get their final size only now, and the numbers need it
        for axis, name in zip(axes, others, strict=True):
            _number(axis, complete, across, name)
        figure.savefig(path)
    return path


def _panel(axis: Axes, trials: pd.DataFrame, across: str, name: str) -> None:
    x, y = f"metric.{across}", f"metric.{name}"
    searched = trials[trials["kind"] == "search"]
    kinds: tuple[tuple[pd.DataFrame, dict[str, Any], str], ...] = (
        (searched[searched["front"]], {"color": BLUE, "s": 110}, "on the front"),
        (searched[searched["feasible"] & ~searched["front"]], {"color": GREY, "s": 55}, "dominated"),
        (
            searched[~searched["feasible"]],
            {"facecolor": "none", "edgecolor": GREY, "s": 55, "linewidths": 1.5},
            "infeasible",
        ),
    )
    for rows, look, text in kinds:
        if len(rows):
            axis.scatter(rows[x], rows[y], label=f"{text} ({len(rows)})", zorder=3, **look)
    for row in trials[trials["kind"] == "anchor"].to_dict("records"):
        marker, text = _ANCHORS.get(row["stage"], _OTHER_ANCHOR)
        filling = ORANGE if row["front"] else "white"
        text += "" if row["feasible"] else ", infeasible"
        axis.scatter(
            row[x],
            row[y],
            marker=marker,
            s=150,
            facecolor=filling,
            edgecolor=ORANGE,
            linewidths=2.2,
            zorder=4,
            label=text,
        )
    for row in trials[trials["front"]].to_dict("records"):
        axis.errorbar(
            row[x],
            row[y],
            xerr=_reach(row, across),
            yerr=_reach(row, name),
            color=BLUE if row["kind"] == "search" else ORANGE,
            alpha=0.25,
            linewidth=1.2,
            zorder=2,
        )
    axis.grid(alpha=0.25)


def _reach(row: Mapping[Any, Any], name: str) -> list[list[float]]:
    """How far an interval goes below and above its value."""
    value = row[f"metric.{name}"]
    return [[max(0.0, value - row[f"low.{name}"])], [max(0.0, row[f"high.{name}"] - value)]]


def _number(axis: Axes, trials: pd.DataFrame, across: str, name: str) -> None:
    """Writes the number of each sampled trial on the front beside it, where it covers no other point or number."""
    places = axis.transData.transform(trials[[f"metric.{across}", f"metric.{name}"]].to_numpy(dtype=float))
    taken = [Bbox.from_bounds(x - 8, y - 8, 16, 16) for x, y in places]
    named = np.asarray(trials["front"] & (trials["kind"] == "search"))  # an anchor has a marker of its own
    for number, place in zip(trials["trial"][named], places[named], strict=True):
        x, y = axis.transData.inverted().transform(place)
        for offset in _OFFSETS:
            text = axis.annotate(
                str(number), (x, y), xytext=offset, textcoords="offset points", fontsize=_TEXT_SIZE - 2
            )
            box = text.get_window_extent()
            if not any(box.overlaps(other) for other in taken):
                taken.append(box)
                break
            text.remove()


def _title(title: str, complete: pd.DataFrame, table: pd.DataFrame) -> str:
    searched = int((complete["kind"] == "search").sum())
    early, failed = int(table["state"].isin(["stopped", "gated"]).sum()), int((table["state"] == "failed").sum())
    left_out = f", {early} ended early" * bool(early) + f", {failed} failed" * bool(failed)
    return f"{title}: n = {searched} sampled trials and {len(complete) - searched} anchors{left_out}"


def _axis_label(name: str, direction: str) -> str:
    return f"{short(name)} ({'lower' if direction == 'minimize' else 'higher'} is better)"
