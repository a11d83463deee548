"""Verbs that look on while others work: watch, dashboard."""

from __future__ import annotations

import os
import sys
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from raysearch.cli.app import STOPPED, Run, app, console_on, exit_codes


@contextmanager
def _until_stopped() -> Iterator[None]:
    """Ctrl-C ends the looking, not the run."""
    try:
        yield
    except KeyboardInterrupt:
        raise typer.Exit(STOPPED) from None


@app.command(epilog="`raysearch watch runs/demo-20260101-120000` · `raysearch watch RUN --once`")
def watch(
    folder: Run,
    once: Annotated[bool, typer.Option("--once", help="Show the screen once and end.")] = False,
) -> None:
    """Show how a run goes, from any terminal or machine that sees its folder; ends when nothing is left to do.

    Ctrl-C ends the watching, not the run.
    """
    from raysearch.ledger.run_folder import RunFolder
    from raysearch.report.watch import watch as look_on

    with exit_codes(), _until_stopped():
        look_on(RunFolder.open(folder), console_on(), once)


@app.command(epilog="`raysearch dashboard runs/demo-20260101-120000` · `raysearch dashboard RUN --port 0 --no-open`")
def dashboard(
    folder: Run,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Of this machine; 0 takes one that is free.")] = 8080,
    no_open: Annotated[bool, typer.Option("--no-open", help="Print the address, and open no browser.")] = False,
) -> None:
    """Serve optuna-dashboard on a run's study, to look at only, until Ctrl-C. Needs `raysearch[dashboard]`."""
    from raysearch.ledger.run_folder import RunFolder
    from raysearch.search.dashboard import check_installed, server
    from raysearch.search.storage import holding

    console = console_on(soft_wrap=True)
    with exit_codes(), _until_stopped():
        run = RunFolder.open(folder)
        check_installed()
        storage = holding(run.optuna_name, run.journal)
        if storage is None:  # a copy of a ledger alone, or its database is not the one that is named here
            console.print(f"{run.path}: its Optuna study is not here; shown from the ledger as it is now", markup=False)
            from raysearch.study.agenda import from_ledger

            storage = from_ledger(run)
        served, address = server(storage, run.optuna_name, port)
        with served:
            console.print(f"{run.optuna_name}: {address} (Ctrl-C ends it)", highlight=False, markup=False)
            if not no_open and _has_screen():
                webbrowser.open(address)
            served.serve_forever()


def _has_screen() -> bool:
    """Without one a browser would be one of the terminal's, and hold it."""
    return sys.platform in ("darwin", "win32") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
