#!/usr/bin/env python3
"""Which parameter matters to which objective: PED-ANOVA and permutation importance, side by side.

PED-ANOVA: in what do the best trials differ from all? Its shares sum to 1 even where nothing matters, so each stands
beside what chance alone gives. Permutation: how much worse does a random forest foretell trials that it never saw when
the parameter is shuffled? It says so where the forest explains nothing. Works on the ledger alone.

Example:
    python analysis/importance.py runs/demo-20260101-120000 --csv importance.csv --png dependence.png
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from raysearch.errors import UserError
from raysearch.ledger.run_folder import RunFolder
from raysearch.report.front_table import short, short_parameters
from raysearch.report.importance import ObjectiveImportance, importance_frame, importances
from raysearch.report.importance_figure import draw_dependence
from raysearch.uncertainty.configurations import configurations


def main() -> int:
    """Reads the arguments, prints a table an objective, writes what is asked. Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="a run's folder")
    parser.add_argument("--csv", type=Path, help="write one row an objective and parameter")
    parser.add_argument("--png", type=Path, help="draw partial dependence on the parameters that matter most")
    arguments = parser.parse_args()
    console = Console()
    try:
        run = RunFolder.open(arguments.run)
        study = run.study()
        measured = configurations(list(run.ledger))
        found = importances(measured, study.config.objectives, study.space)
        for one in found:
            console.print(shown(one))
        if arguments.csv:
            importance_frame(found).to_csv(arguments.csv, index=False)
        if arguments.png:
            draw_dependence(found, measured, arguments.png, study.config.name)
        if run.is_driven():
            console.print("The run is still going: this is of the trials so far.")
    except (UserError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def shown(one: ObjectiveImportance) -> Table:
    """An objective's parameters; what is not above chance is dim."""
    table = Table(title=f"{short(one.objective)}: {one.trials} configurations", title_justify="left")
    table.add_column("parameter", overflow="fold")
    for head in ("trials", "PED-ANOVA", "by chance", "permutation", "over folds"):
        table.add_column(head, justify="right", no_wrap=True)
    names = short_parameters([f"param.{row.parameter}" for row in one.parameters])
    for row in one.parameters:
        above = row.ped_anova > row.chance or (one.explained > 0 and row.low > 0)
        table.add_row(
            names[f"param.{row.parameter}"],
            str(row.trials),
            f"{row.ped_anova:.2f}",
            f"< {row.chance:.2f}",
            *((f"{row.permutation:+.2f}", f"{row.low:+.2f} to {row.high:+.2f}") if one.explained > 0 else ("", "")),
            style="" if above else "dim",
        )
    table.caption = (
        f"On trials that it never saw the forest explains {one.explained:.0%} of the variance."
        if one.explained > 0
        else "The forest explains nothing on trials that it never saw: no permutation importance."
    )
    table.caption_justify = "left"
    return table


if __name__ == "__main__":
    sys.exit(main())
