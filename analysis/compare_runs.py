#!/usr/bin/env python3
"""Two studies side by side: best values, hypervolume on a common reference point, epsilon, IGD+, and how sure it is.

Both must have the same objectives; whatever else differs (data, constraints, judged rows) is said below the table.
Works on the ledgers alone.

Example:
    python analysis/compare_runs.py runs/demo-20260101-120000 runs/demo-20260102-120000 --csv runs.csv --png runs.png
"""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from raysearch.errors import UserError
from raysearch.report.front_table import ARROW, short
from raysearch.report.run_comparison import Comparison, Side, compare_runs
from raysearch.report.run_comparison_figure import draw_runs


def main() -> int:
    """Reads the arguments, prints the table, writes what is asked. Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("one", type=Path, help="a run's folder")
    parser.add_argument("other", type=Path, help="another run's folder")
    parser.add_argument("--csv", type=Path, help="write one row a quantity")
    parser.add_argument("--png", type=Path, help="draw both fronts")
    arguments = parser.parse_args()
    console = Console()
    try:
        found = compare_runs(arguments.one, arguments.other)
        console.print(shown(found))
        for note in found.notes:
            console.print(escape(f"Note: {note}"))
        if arguments.csv:
            rows(found).to_csv(arguments.csv, index=False)
        if arguments.png:
            draw_runs(found, arguments.png)
    except (UserError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def rows(found: Comparison) -> pd.DataFrame:
    """One row a quantity and run: ``run``, ``quantity``, ``value``, ``low``, ``high``, ``trial``."""
    cells: list[dict[str, object]] = []
    for side, larger in zip(found.sides, (found.larger, 1.0 - found.larger), strict=True):
        for name, best in side.best.items():
            cells.append({"run": side.name, "quantity": f"best {name}"} | (vars(best) if best else {}))
        value, low, high = side.hypervolume
        cells.append({"run": side.name, "quantity": "hypervolume", "value": value, "low": low, "high": high})
        plain = {
            "complete configurations": len(side.found),
            "feasible": side.feasible,
            "on its front": int(side.front.sum()),
            "epsilon": side.epsilon,
            "igd_plus": side.igd_plus,
            "P(larger hypervolume)": larger,
            "share of the joint front": side.joint,
        }
        cells += [{"run": side.name, "quantity": quantity, "value": value} for quantity, value in plain.items()]
    return pd.DataFrame(cells, columns=["run", "quantity", "value", "low", "high", "trial"])


def shown(found: Comparison) -> Table:
    """The comparison for a terminal of 80 columns."""
    table = Table(title="Two runs, feasible trials only", title_justify="left")
    table.add_column("")
    for side in found.sides:
        table.add_column(escape(side.name), justify="right", overflow="fold")
    one, other = found.sides
    table.add_row("complete / feasible / front", *map(_counts, found.sides), end_section=True)
    for name, direction in found.objectives.items():
        table.add_row(f"best {short(name)} {ARROW[direction]}", *(_best(side, name) for side in found.sides))
    table.add_section()
    table.add_row(f"hypervolume {ARROW['maximize']}", *(_interval(*side.hypervolume) for side in found.sides))
    table.add_row("P(larger hypervolume)", f"{found.larger:.2f}", f"{1 - found.larger:.2f}")
    table.add_row("share of the joint front", f"{one.joint:.2f}", f"{other.joint:.2f}")
    table.add_row(f"epsilon to reach the other {ARROW['minimize']}", _number(one.epsilon), _number(other.epsilon))
    table.add_row(f"IGD+ to the other {ARROW['minimize']}", _number(one.igd_plus), _number(other.igd_plus))
    corner = ", ".join(f"{short(name)} {value:g}" for name, value in found.reference.items())
    table.caption = escape(
        f"Brackets: 95 % of bootstrap draws over rows and seeds. Epsilon: by how much a front must be better in every "
        f"objective to reach the other everywhere. Reference point: {corner}."
    )
    table.caption_justify = "left"
    return table


def _counts(side: Side) -> str:
    return f"{len(side.found)} / {side.feasible} / {int(side.front.sum())}"


def _best(side: Side, name: str) -> str:
    best = side.best[name]
    return "none feasible" if best is None else f"{_interval(best.value, best.low, best.high)}\ntrial {best.trial}"


def _interval(value: float, low: float, high: float) -> str:
    return escape(f"{value:.3f} [{low:.3f}, {high:.3f}]")


def _number(value: float) -> str:
    return f"{value:.4f}" if math.isfinite(value) else "no front"


if __name__ == "__main__":
    sys.exit(main())
