"""The report's figures as files: PNG to look at, PDF to print. Each shows what a view of the page shows."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from raysearch.report.front_figure import BLUE, GREY, ORANGE, STYLE, draw_front
from raysearch.report.front_table import ARROW, feasible, on_front, short
from raysearch.report.importance import ObjectiveImportance
from raysearch.report.importance_figure import draw_dependence
from raysearch.report.page.links import links
from raysearch.report.page.progress import costs, progress
from raysearch.report.transfer import transfer_table
from raysearch.report.transfer_figure import draw_transfer

if TYPE_CHECKING:
    from raysearch.report.page.build import Gathered

FORMATS = (".png", ".pdf")
PURPLE = "#CC79A7"
"""Okabe and Ito's fourth: trials that ended early; they have a marker of their own besides."""


def draw_all(gathered: Gathered, importance: Sequence[ObjectiveImportance], folder: Path) -> list[Path]:
    """Draws what there is to draw.

    Args:
        gathered: the run.
        importance: of its parameters; may be empty.
        folder: that the files go to.
    """
    table, objectives, title = gathered.table, gathered.objectives, gathered.study.config.name
    drawn: list[Path] = []

    def draw(name: str, how: Callable[[Path], Any]) -> None:
        for suffix in FORMATS:
            how(folder / f"{name}{suffix}")
            drawn.append(folder / f"{name}{suffix}")

    columns = [f"metric.{name}" for name in objectives]
    if ((table["state"] == "complete") & table[columns].notna().all(axis=1)).any():
        measured = table[(table["state"] != "complete") | table[columns].notna().all(axis=1)]
        draw("front", lambda path: draw_front(measured, objectives, path, title))
    pairs = [pair for pair in itertools.combinations(objectives, 2) if _both(table, pair).any()]
    if pairs:
        draw("objectives", lambda path: draw_pairs(gathered, pairs, path))
    if gathered.records:
        draw("budget", lambda path: draw_budget(gathered, path))
    linked = links(gathered.records)[0]
    if linked:
        of_gap = transfer_table(gathered.records)
        draw("transfer", lambda path: draw_transfer(gathered.records, of_gap, "intrinsic_gap", path, title))
    if importance:
        draw("importance", lambda path: draw_dependence(importance, gathered.found, path, title))
    return drawn


def _both(table: pd.DataFrame, pair: tuple[str, str]) -> pd.Series[bool]:
    return table[[f"metric.{name}" for name in pair]].notna().all(axis=1)


def draw_pairs(gathered: Gathered, pairs: Sequence[tuple[str, str]], path: Path) -> None:
    """Pairs of objectives, trials by what became of them."""
    table, objectives = gathered.table, gathered.objectives
    front, holds, complete = on_front(table, objectives), feasible(table), table["state"] == "complete"
    anchor = table["kind"] == "anchor"
    kinds: tuple[tuple[Any, str, dict[str, Any]], ...] = (
        (complete & holds & ~front & ~anchor, "dominated", {"color": GREY, "s": 24, "alpha": 0.6}),
        (complete & ~holds & ~anchor, "infeasible", {"facecolor": "none", "edgecolor": GREY, "s": 32}),
        (~complete & ~anchor, "ended early", {"color": PURPLE, "marker": "x", "s": 32}),
        (front & ~anchor, "on the front", {"color": BLUE, "s": 50}),
        (anchor, "anchor", {"color": ORANGE, "marker": "D", "s": 60}),
    )
    width = min(3, len(pairs))
    height = -(-len(pairs) // width)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(4.6 * width, 3.8 * height + 0.8), dpi=110, layout="constrained")
        axes = figure.subplots(height, width, squeeze=False).ravel()
        for axis in axes[len(pairs) :]:
            axis.set_visible(False)
        for axis, (across, up) in zip(axes, pairs, strict=False):
            for mask, label, look in kinds:
                rows = table[mask & _both(table, (across, up))]
                if len(rows):
                    axis.scatter(rows[f"metric.{across}"], rows[f"metric.{up}"], label=label, **look)
            axis.set_xlabel(f"{short(across)} {ARROW[objectives[across]]}")
            axis.set_ylabel(f"{short(up)} {ARROW[objectives[up]]}")
            axis.grid(alpha=0.25)
        found = {text: handle for axis in axes for handle, text in zip(*axis.get_legend_handles_labels(), strict=True)}
        figure.legend(list(found.values()), list(found), loc="outside lower center", ncol=len(found), frameon=False)
        figure.suptitle(f"{gathered.study.config.name}: objectives in pairs (arrows point to the better side)")
        figure.savefig(path)


def draw_budget(gathered: Gathered, path: Path) -> None:
    """Hypervolume over the group-hours spent, and the hours by stage."""
    found = progress(gathered.records, gathered.objectives, gathered.study.config.corner)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(11, 4.6), dpi=110, layout="constrained")
        volume, cost = figure.subplots(1, 2, width_ratios=(3, 2))
        volume.step([0.0, *found.hours], [0.0, *found.volume], where="post", color=BLUE, linewidth=2.5)
        volume.set(xlabel="group-hours spent", ylabel="hypervolume")
        volume.grid(alpha=0.25)
        _stages(cost, costs(gathered.records))
        figure.suptitle(f"{gathered.study.config.name}: what the budget bought, and where it went")
        figure.savefig(path)


def _stages(axis: Axes, found: Sequence[tuple[str, float]]) -> None:
    names, hours = [name for name, _ in found][::-1], [spent for _, spent in found][::-1]
    axis.barh(names, hours, color=GREY)
    axis.set_xlabel("group-hours")
    axis.margins(x=0.2)
    for name, spent in zip(names, hours, strict=True):
        axis.annotate(f"{spent:.2f}", (spent, name), xytext=(5, -5), textcoords="offset points")
