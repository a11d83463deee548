#!/usr/bin/env python3
"""The Pareto front of a run as a table, and as CSV, Parquet, LaTeX or PNG where asked. Works on the ledger alone.

Example:
    python analysis/pareto_front.py runs/demo-20260101-120000 --csv front.csv --png front.png
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rich.console import Console

from raysearch.errors import UserError
from raysearch.ledger.read import read_frame, read_study
from raysearch.report.front_figure import draw_front
from raysearch.report.front_table import front_table, pareto_front


def main() -> int:
    """Reads the arguments, prints the front, writes what is asked. Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="a run's folder")
    parser.add_argument("--csv", type=Path, help="write the front's rows, all columns")
    parser.add_argument("--parquet", type=Path, help="the same as Parquet")
    parser.add_argument("--latex", type=Path, help="write trial, stage and objectives as a LaTeX table")
    parser.add_argument("--png", type=Path, help="draw all trials and the front")
    arguments = parser.parse_args()
    try:
        table, study = read_frame(arguments.run), read_study(arguments.run)
        objectives = study.config.objectives
        Console().print(front_table(table, objectives))
        front = pareto_front(table, objectives)
        if arguments.csv:
            front.to_csv(arguments.csv, index=False)
        if arguments.parquet:
            front.to_parquet(arguments.parquet, index=False)
        if arguments.latex:
            columns = ["trial", "stage", *(f"metric.{name}" for name in objectives)]
            rows = front[columns].rename(columns=lambda name: name.removeprefix("metric.").replace("_", " "))
            arguments.latex.write_text(rows.to_latex(index=False, float_format="%.3f"), encoding="utf-8")
        if arguments.png:
            if not (table["state"] == "complete").any():
                raise UserError(f"{arguments.run}: no complete trial to draw")
            draw_front(table, objectives, arguments.png, study.config.name)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"error: {error.filename}: {error.strerror}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
