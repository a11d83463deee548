#!/usr/bin/env python3
"""Baseline, CDA, unlearning and both, side by side: the two tables of the method's source, for one's own run.

Table 1 is what the language model believes (held-out gap, answer mass, perplexity), table 2 what the downstream model
does (accuracy and group metrics), each with intervals and the change against the baseline in per cent. Works on the
ledger alone.

Example:
    python analysis/compare_stages.py runs/paper_four_stages-20260101-120000 --latex tables.tex
    python analysis/compare_stages.py RUN --by unlearning.neutral.source --by unlearning.losses.kl.weight
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from raysearch.errors import UserError
from raysearch.ledger.run_folder import RunFolder
from raysearch.report.stages import EXTRINSIC, INTRINSIC, SHORT, WHERE, stage_table


def main() -> int:
    """Reads the arguments, prints both tables, writes what is asked. Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="a run's folder")
    parser.add_argument("--by", action="append", default=[], metavar="PATH", help="one more setting to tell rows by")
    parser.add_argument("--csv", type=Path, help="write both tables' rows, all columns")
    parser.add_argument("--latex", type=Path, help="write both as LaTeX tables")
    arguments = parser.parse_args()
    by = WHERE | {path: path for path in arguments.by}
    try:
        run = RunFolder.open(arguments.run)
        records = list(run.ledger)
        intrinsic, extrinsic = (stage_table(records, metrics, by) for metrics in (INTRINSIC, EXTRINSIC))
        console = Console()
        console.print(_shown("Table 1: the language model, held-out prompts", intrinsic, INTRINSIC))
        console.print(_shown("Table 2: the downstream model", extrinsic, EXTRINSIC))
        if (extrinsic["configurations"] > 1).any():
            console.print("Where a row has several configurations, it is their mean: no stage at its best.")
        console.print(
            "Intervals are of 95 %, by bootstrap over judged rows or pairs; where a row has several trials, with "
            "Student's t over them. Changes are against the baseline on the same rows and pairs."
        )
        if run.is_driven():
            console.print("The run is still going: this is of the trials so far.")
        if arguments.csv:
            keys = [*by, "stage", "configurations", "trials"]
            intrinsic.merge(extrinsic, on=keys).to_csv(arguments.csv, index=False)
        if arguments.latex:
            texts = [_latex(table, metrics) for table, metrics in ((intrinsic, INTRINSIC), (extrinsic, EXTRINSIC))]
            arguments.latex.write_text("\n".join(texts), encoding="utf-8")
    except (UserError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _keys(table: pd.DataFrame, metrics: Sequence[str]) -> list[str]:
    parts = ("", "low.", "high.", "change.", "change_low.", "change_high.")
    measured = {f"{part}{name}" for name in metrics for part in parts}
    return [str(column) for column in table.columns if column not in measured]


def _shown(title: str, table: pd.DataFrame, metrics: Sequence[str]) -> Table:
    """Narrow enough for a terminal of 80 columns: a row's keys, and a cell's interval, stand below each other."""
    keys = [key for key in _keys(table, metrics) if key not in ("configurations", "trials")]
    shown = Table(title=title, title_justify="left")
    shown.add_column("\n".join(".".join(key.split(".")[-2:]) for key in keys), overflow="fold")
    shown.add_column("settings,\ntrials", justify="right", no_wrap=True)
    for name in metrics:
        shown.add_column(SHORT[name], justify="right", no_wrap=True)
    for _, row in table.iterrows():
        cells = []
        for name in metrics:
            if pd.isna(row[name]):
                cells.append("")
                continue
            change = "\n" + "\n".join(_change(row, name, " to")) if pd.notna(row[f"change.{name}"]) else ""
            cells.append(f"{row[name]:.3f}\n{row[f'low.{name}']:.3f} to\n{row[f'high.{name}']:.3f}{change}")
        of = "\n".join("-" if row[key] == "None" else Path(str(row[key])).name for key in keys)
        shown.add_row(escape(of), f"{row['configurations']}, {row['trials']}", *cells, end_section=True)
    return shown


def _latex(table: pd.DataFrame, metrics: Sequence[str]) -> str:
    """Each metric with its interval, and its change in per cent in a column of its own."""
    keys = _keys(table, metrics)
    shown = table[keys].rename(columns=lambda name: name.replace("_", " "))
    for name in metrics:
        cells = zip(table[name], table[f"low.{name}"], table[f"high.{name}"], strict=True)
        shown[SHORT[name]] = ["" if pd.isna(v) else f"{v:.3f} [{low:.3f}, {high:.3f}]" for v, low, high in cells]
        changes = [_change(row, name, ",") if pd.notna(row[f"change.{name}"]) else () for _, row in table.iterrows()]
        shown[f"{SHORT[name]}, change"] = [" ".join(parts) for parts in changes]
    return str(shown.to_latex(index=False, escape=True))


def _change(row: pd.Series[Any], name: str, between: str) -> tuple[str, ...]:
    """A change and its interval, in per cent; the baseline's own is none."""
    value, low, high = (float(row[f"{part}.{name}"]) for part in ("change", "change_low", "change_high"))
    if low == high == 0:
        return (f"{value:+.1%}",)
    return f"{value:+.1%}", f"[{low:+.0%}{between}", f"{high:+.0%}]"


if __name__ == "__main__":
    sys.exit(main())
