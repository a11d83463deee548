"""Two fronts in one picture: the first objective against each other one, with what half of the draws attain."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from raysearch.pareto.compare import attainment
from raysearch.pareto.front import Values
from raysearch.report.front_figure import BLUE, ORANGE, STYLE
from raysearch.report.front_table import short
from raysearch.report.run_comparison import Comparison, Side
from raysearch.uncertainty.bootstrap import mean_objectives

_LOOKS = ((BLUE, "o", "-"), (ORANGE, "^", "--"))
_DRAWS = 200
"""Of the bootstrap, for the surfaces: their steps are wider than what more of them would move."""


def draw_runs(found: Comparison, path: Path) -> Path:
    """Draws both fronts as points, and as lines and bands the attainment of 50 %, and of 5 to 95 %, of the draws.

    A panel shows two objectives; a point that looks beaten there is better in another one. The lines lie below the
    points: each draw's front is chosen anew, and chance helps in the choice (the winner's curse).

    Args:
        found: two runs.
        path: of the PNG.
    """
    across, *others = found.objectives
    others = others or [across]
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(max(9.0, 5.2 * len(others)), 6.2), dpi=110, layout="constrained")
        axes = figure.subplots(1, len(others), squeeze=False)[0]
        for axis, name in zip(axes, others, strict=True):
            for side, (color, marker, line) in zip(found.sides, _LOOKS, strict=True):
                _side(axis, found, side, (across, name), (color, marker, line))
            for label, set_label in ((across, axis.set_xlabel), (name, axis.set_ylabel)):
                better = "lower" if found.objectives[label] == "minimize" else "higher"
                set_label(f"{short(label)} ({better} is better)")
            axis.grid(alpha=0.25)
        handles, texts = axes[0].get_legend_handles_labels()
        figure.legend(handles, texts, loc="outside lower center", ncol=2, frameon=False)
        figure.suptitle(
            f"Fronts of {found.sides[0].name} and {found.sides[1].name}\n"
            "line: attained in half of the bootstrap draws, band: in 5 to 95 %"
        )
        figure.savefig(path)
    return path


def _side(axis: Axes, found: Comparison, side: Side, names: tuple[str, str], look: tuple[str, str, str]) -> None:
    color, marker, line = look
    columns = [list(found.objectives).index(name) for name in names]
    signs = np.asarray([1.0 if found.objectives[name] == "minimize" else -1.0 for name in names])
    members = mean_objectives(side.found, found.objectives)[side.front][:, columns] * signs
    label = f"{side.name} ({len(members)} on its front)"
    axis.scatter(members[:, 0], members[:, 1], color=color, marker=marker, s=70, zorder=3, label=label)
    picked = range(0, len(side.draws), max(1, len(side.draws) // _DRAWS))
    sets = [side.draws[draw][side.allowed[draw]][:, columns] for draw in picked]
    limits = np.asarray([max(np.quantile(one.draws[:, :, column], 0.95) for one in found.sides) for column in columns])
    likely, median, sure = (_steps(attainment(sets, share), limits) * signs for share in (0.05, 0.5, 0.95))
    axis.plot(*median.T, color=color, linewidth=2.5, linestyle=line, zorder=2)
    if len(likely):
        sure = sure if len(sure) else (limits * signs)[None]  # so many draws attain nothing: no end to the band
        axis.fill(*np.concatenate([likely, sure[::-1]]).T, color=color, alpha=0.15, linewidth=0, zorder=1)


def _steps(corners: Values, limits: Values) -> Values:
    """The edge of what the corners attain, as points of a line: down to the first corner, and from each to the next."""
    x, y = corners[(corners <= limits).all(axis=1)].T
    if not len(x):
        return np.empty((0, 2))
    return np.column_stack([np.append(np.repeat(x, 2), limits[0]), np.append(limits[1], np.repeat(y, 2))])
