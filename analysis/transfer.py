#!/usr/bin/env python3
"""Does lower intrinsic bias go with lower extrinsic bias? Spearman's rank correlation over all trials, with interval.

A row for each model and table, stage and metric; a value above 0 says that trials with a lower intrinsic gap decide
less unequally, too. Few trials give wide intervals, and the trials of a search are no random sample. Works on the
ledger alone.

Example:
    python analysis/transfer.py runs/demo-20260101-120000 --csv transfer.csv --png transfer.png
    python analysis/transfer.py RUN --metric accuracy --intrinsic intrinsic_gap.race
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.table import Table
from rich.text import Text

from raysearch.errors import UserError
from raysearch.ledger.run_folder import RunFolder
from raysearch.report.front_table import short
from raysearch.report.stages import WHERE
from raysearch.report.transfer import FEW, LEAST, transfer_table
from raysearch.report.transfer_figure import draw_transfer


def main() -> int:
    """Reads the arguments, prints the table, writes what is asked. Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="a run's folder")
    parser.add_argument("--metric", action="append", default=[], help="extrinsic metric, several times (default: all)")
    parser.add_argument("--intrinsic", default="intrinsic_gap", metavar="METRIC", help="default: %(default)s")
    parser.add_argument("--csv", type=Path, help="write the table's rows")
    parser.add_argument("--png", type=Path, help="draw the trials")
    arguments = parser.parse_args()
    console = Console()
    try:
        run = RunFolder.open(arguments.run)
        records = list(run.ledger)
        table = transfer_table(records, arguments.metric, arguments.intrinsic)
        for where, rows in table.groupby(list(WHERE), sort=False):
            of = " on ".join(Path(str(part)).name for part in where)
            console.print(Text(f"{of}: {short(arguments.intrinsic)} against", style="bold"), shown(rows))
        console.print(
            f"Not shown: stages with fewer than {LEAST} configurations. Dim: fewer than {FEW}, so wide intervals. "
            "Of twenty intervals one leaves out the truth."
        )
        if arguments.csv:
            table.to_csv(arguments.csv, index=False)
        if arguments.png:
            draw_transfer(records, table, arguments.intrinsic, arguments.png, run.study().config.name)
        if run.is_driven():
            console.print("The run is still going: this is of the trials so far.")
    except (UserError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def shown(rows: pd.DataFrame) -> Table:
    """The correlations of one model and table, narrow enough for 80 columns."""
    table = Table()
    for head in ("metric", "stage"):
        table.add_column(head)
    for head in ("n", "rho", "interval"):
        table.add_column(head, justify="right", no_wrap=True)
    for row in rows[rows["n"] >= LEAST].sort_values("metric", kind="stable").to_dict("records"):
        known = pd.notna(row["rho"])
        cells = (f"{row['rho']:+.2f}", f"{row['low']:+.2f} to {row['high']:+.2f}") if known else ("", row["note"])
        table.add_row(
            short(row["metric"]), row["stage"], str(row["n"]), *cells, style="dim" if row["note"] or not known else ""
        )
    return table


if __name__ == "__main__":
    sys.exit(main())
