"""Verbs that read a run: front, status, report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from raysearch.cli.app import AsJson, Run, app, console_on, exit_codes, print_json, show_front


@app.command(epilog="`raysearch front runs/demo-20260101-120000` · `raysearch front RUN --json | jq .front`")
def front(folder: Run, as_json: AsJson = False) -> None:
    """Show the Pareto front of a run: the feasible trials that no other beats in every objective."""
    with exit_codes():
        if as_json:
            from raysearch.ledger.read import read_study
            from raysearch.report.front_table import pareto_front
            from raysearch.uncertainty.table import read_configurations

            objectives = read_study(folder).config.objectives
            table = read_configurations(folder)
            found = pareto_front(table, objectives)
            records = json.loads(found.dropna(axis="columns", how="all").to_json(orient="records"))
            value, low, high = table.attrs["hypervolume"]
            volume = {"value": value, "low": low, "high": high}
            print_json({"run": str(folder), "objectives": objectives, "hypervolume": volume, "front": records})
        else:
            show_front(folder, console_on(), picture=True)


@app.command(epilog="`raysearch status runs/demo-20260101-120000` · `raysearch status RUN --json | jq .hypervolume`")
def status(folder: Run, as_json: AsJson = False) -> None:
    """Say in one screen how a run stands: trials by state, best values, hypervolume, rate, cost, what is left."""
    from raysearch.ledger.run_folder import RunFolder
    from raysearch.report.screen import Screen
    from raysearch.report.status import overview, summarize

    with exit_codes():
        run = RunFolder.open(folder)
        if as_json:
            print_json(summarize(run))
        else:
            console_on().print(Screen(overview(run)))


@app.command(epilog="`raysearch report runs/demo-20260101-120000` · `raysearch report RUN --out DIR`")
def report(
    folder: Run,
    out: Annotated[Path | None, typer.Option("--out", help="Write here, not to RUN/report.")] = None,
) -> None:
    """Write one HTML file that opens offline: recommended trade-offs, the front, every trial, what was not tested."""
    from raysearch.report.page.build import write_report

    with exit_codes():
        page, *figures = write_report(folder, out)
        console = console_on(soft_wrap=True)
        console.print(f"Report: {page}", markup=False, highlight=False)
        if figures:
            console.print(
                f"Figures beside it: {', '.join(path.name for path in figures)}", markup=False, highlight=False
            )
