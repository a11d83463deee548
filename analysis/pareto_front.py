#!/usr/bin/env python3
"""The Pareto front of a run as a table, and as CSV, Parquet, LaTeX or PNG where asked. Works on the ledger alone.

Below it stand three trade-offs at most that decision rules take from the front, and how often they would take the same
ones on other draws of rows and seeds. ``--weight`` says what a loss in an objective counts, measured by the front's
range.

Example:
    python analysis/pareto_front.py runs/demo-20260101-120000 --csv front.csv --png front.png
    python analysis/pareto_front.py RUN --weight accuracy=3 --weight intrinsic_gap=2
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
from rich.console import Console

from raysearch.errors import UserError
from raysearch.ledger.read import read_study, to_parquet
from raysearch.ledger.run_folder import RunFolder
from raysearch.report.front_figure import draw_front
from raysearch.report.front_table import front_table, pareto_front
from raysearch.report.recommend import recommend
from raysearch.uncertainty.table import read_configurations


def main() -> int:
    """Reads the arguments, prints the front, writes what is asked. Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="a run's folder")
    parser.add_argument("--weight", action="append", default=[], metavar="METRIC=NUMBER", help="default: 1 for each")
    parser.add_argument("--csv", type=Path, help="write the front's rows, all columns")
    parser.add_argument("--parquet", type=Path, help="the same as Parquet")
    parser.add_argument("--latex", type=Path, help="write trial, stage and objectives as a LaTeX table")
    parser.add_argument("--png", type=Path, help="draw all trials and the front")
    arguments = parser.parse_args()
    try:
        table, study = read_configurations(arguments.run), read_study(arguments.run)
        objectives = study.config.objectives
        console = Console()
        console.print(front_table(table, objectives))
        for one in recommend(arguments.run, weights(arguments.weight)):
            console.print(
                f"Recommended by {' and '.join(one.rules)}: trial {one.trial}, taken in {one.stability:.0%} of the "
                f"draws, P {one.p_front:.2f}",
                highlight=False,
            )
        if arguments.png and not (table["state"] == "complete").any():
            raise UserError(f"{arguments.run}: no complete trial to draw; `raysearch status` says why trials failed")
        lacking = [name for name in objectives if f"metric.{name}" not in table]
        if arguments.png and lacking:
            raise UserError(f"{arguments.run}: no trial has the metric '{lacking[0]}', so there is no front to draw")
        write(pareto_front(table, objectives), objectives, arguments.csv, arguments.parquet, arguments.latex)
        if arguments.png:
            draw_front(table, objectives, arguments.png, study.config.name)
        if RunFolder.open(arguments.run).is_driven():
            console.print("The run is still going: this is of the trials so far.")
    except (UserError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def weights(given: Sequence[str]) -> dict[str, float]:
    """``METRIC=NUMBER`` as a mapping."""
    found = {}
    for text in given:
        name, _, number = text.partition("=")
        try:
            found[name] = float(number)
        except ValueError:
            raise UserError(f"--weight {text}: not METRIC=NUMBER, such as accuracy=3") from None
    return found


def write(
    front: pd.DataFrame, objectives: Mapping[str, str], csv: Path | None, parquet: Path | None, latex: Path | None
) -> None:
    """Writes the front's rows to each path that is given."""
    if csv:
        front.to_csv(csv, index=False)
    if parquet:
        to_parquet(front, parquet)
    if latex:
        columns = ["trial", "stage", *(f"metric.{name}" for name in objectives)]
        rows = front[columns].rename(columns=lambda name: name.removeprefix("metric.").replace("_", " "))
        latex.write_text(rows.to_latex(index=False, float_format="%.3f"), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
