"""What a random forest answers along the parameters that matter most, a row of panels an objective."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullFormatter, StrMethodFormatter

from raysearch.report.front_figure import BLUE, GREY, STYLE
from raysearch.report.front_table import short, short_parameters
from raysearch.report.importance import Importance, ObjectiveImportance
from raysearch.uncertainty.configurations import Configuration

_COLUMNS = 3


def draw_dependence(
    found: Sequence[ObjectiveImportance], configurations: Sequence[Configuration], path: Path, title: str
) -> Path:
    """Draws partial dependence: a thin line a forest, a thick one for their mean, over the trials as dots.

    Where the thin lines part, the forests learned different things from different trials, and the curve is no finding.

    Args:
        found: as ``importances`` gives it; of each objective the first three parameters are drawn.
        configurations: that it was made from.
        path: of the PNG.
        title: of the run.
    """
    columns = min(_COLUMNS, max(len(one.parameters) for one in found))
    names = short_parameters([f"param.{p.parameter}" for p in found[0].parameters])
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(4.4 * columns, 3.5 * len(found) + 0.8), dpi=110, layout="constrained")
        axes = figure.subplots(len(found), columns, squeeze=False, sharey="row")
        for row, one in zip(axes, found, strict=True):
            for axis, parameter in zip(row, one.parameters, strict=False):
                _panel(axis, one, parameter, configurations, names)
            row[0].set_ylabel(short(one.objective))
        figure.suptitle(
            f"{title}: what a random forest foretells along a parameter, other things as they were\n"
            "faint: forests of single folds, dots: trials; importance: rise of the error when shuffled, in variances",
            fontsize=STYLE["font.size"],
        )
        figure.savefig(path)
    return path


def _panel(
    axis: Axes,
    one: ObjectiveImportance,
    parameter: Importance,
    configurations: Sequence[Configuration],
    names: Mapping[str, str],
) -> None:
    at: Sequence[Any] = parameter.dependence.at
    words = any(isinstance(value, str | bool) or value is None for value in at)
    places = np.arange(len(at)) if words else np.asarray(at, dtype=np.float64)
    having = [
        c
        for c in configurations
        if parameter.parameter in c.records[0].params and one.objective in c.records[0].metrics
    ]
    values = [c.records[0].params[parameter.parameter] for c in having]
    x = [list(at).index(value) for value in values] if words else values
    axis.scatter(
        x, [c.spread(one.objective).mean for c in having], color=GREY, alpha=0.45, s=22, zorder=2, linewidths=0
    )
    color = BLUE if one.explained > 0 else GREY
    for line in parameter.dependence.means:  # options have no order, so no line leads from one to the next
        axis.plot(
            places, line, color=color, alpha=0.45, linewidth=0 if words else 1.2, marker="_" if words else "", ms=28
        )
    mean = parameter.dependence.means.mean(axis=0)
    axis.plot(places, mean, color=color, linewidth=0 if words else 3.0, marker="D" if words else "", ms=10)
    if words:
        axis.set_xticks(places, [str(value) for value in at])
        axis.set_xlim(-0.4, len(at) - 0.6)
    elif parameter.log:
        axis.set_xscale("log")
        axis.xaxis.set_major_locator(FixedLocator(log_ticks(min(values), max(values))))
        axis.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axis.xaxis.set_minor_formatter(NullFormatter())
    axis.set_xlabel(names[f"param.{parameter.parameter}"])
    span = f"{parameter.low:.2f} to {parameter.high:.2f}"
    said = f"importance {parameter.permutation:.2f} ({span})" if one.explained > 0 else "the forest explains nothing"
    axis.set_title(said, fontsize=STYLE["font.size"] - 1)
    axis.grid(alpha=0.25)


def log_ticks(low: float, high: float) -> list[float]:
    """Round numbers on a log axis, four at most; matplotlib's own run into each other within one decade."""
    decades = 10.0 ** np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1)
    ticks: list[float] = []
    for digits in ((1,), (1, 3), (1, 2, 5), (1, 2, 3, 5, 7), range(1, 10)):
        ticks = [float(digit * decade) for decade in decades for digit in digits if low <= digit * decade <= high]
        if len(ticks) >= 3:
            break
    return ticks[:: max(1, -(-len(ticks) // 4))]
