"""What all verbs share: the application, its exit codes, the console, and how a front is shown.

Exit codes: 0 done; 1 failed (a trial, a study, a difference); 2 the user's mistake; 130 stopped by the user.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from raysearch.errors import RaysearchError, UserError

DONE, FAILED, MISTAKE, STOPPED = 0, 1, 2, 130

app = typer.Typer(
    name="raysearch",
    help="Find the front of trade-offs between intrinsic bias, group fairness and accuracy of an LLM.",
    epilog="First steps: `raysearch run demo`, then `raysearch front RUN`. A space of your own: copy "
    "search_spaces/demo.yaml, then `raysearch validate FILE`.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)

Space = Annotated[str, typer.Argument(help="A study's YAML file, or the name of a shipped one: demo, german_credit.")]
Run = Annotated[Path, typer.Argument(help="A run's folder, as `raysearch run` printed it.")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Change one value: `--set unlearning.lr=1e-4`. May be repeated."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


def console_on(**options: Any) -> Console:
    """A console on a copy of standard output: during a study the original goes to a log file."""
    return Console(file=os.fdopen(os.dup(1), "w", buffering=1), **options)


@contextmanager
def exit_codes() -> Iterator[None]:
    """Turns errors into one clear message and an exit code; a user's mistake never shows a traceback."""
    errors = Console(stderr=True, soft_wrap=True)
    try:
        yield
    except UserError as error:
        errors.print(f"[bold red]error:[/] {escape(str(error))}", highlight=False)
        raise typer.Exit(MISTAKE) from None
    except RaysearchError as error:
        errors.print(f"[bold red]failed:[/] {escape(str(error))}", highlight=False)
        raise typer.Exit(FAILED) from None
    except KeyboardInterrupt:
        errors.print("stopped; finished trials are in the ledger")
        raise typer.Exit(STOPPED) from None


@app.callback()
def _common(
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Show what libraries have to say.")] = False,
) -> None:
    logging.basicConfig(level=logging.INFO if verbose else logging.ERROR, format="%(name)s: %(message)s")
    if not verbose:
        warnings.simplefilter("ignore")
        os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
        os.environ.setdefault("TQDM_DISABLE", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


@contextmanager
def kept_work(path: Path, console: Console) -> Iterator[None]:
    """Says, where a study ends before its time, what is left of it and how it goes on."""
    try:
        yield
    except UserError:
        raise
    except (KeyboardInterrupt, RaysearchError):
        if (path / "ledger").is_dir():
            console.print(
                f"\nWhat was finished: raysearch front {path}; go on: raysearch resume {path}; "
                f"the log: {path}/logs/ray.log",
                markup=False,
                soft_wrap=True,
            )
        raise


def show_end(path: Path, console: Console) -> None:
    show_front(path, console, picture=True)
    console.print(f"\nRun folder: [cyan]{escape(str(path))}[/]")
    console.print(f"Curves: tensorboard --logdir {escape(str(path))}", highlight=False)


def show_front(folder: Path, console: Console, picture: bool) -> None:
    from raysearch.ledger.read import read_study
    from raysearch.report.front_figure import draw_front
    from raysearch.report.front_table import front_table, pareto_front
    from raysearch.uncertainty.table import read_configurations

    study = read_study(folder)
    table = read_configurations(folder)
    objectives = study.config.objectives
    console.print(front_table(table, objectives))
    try:
        pareto_front(table, objectives).to_csv(folder / "front.csv", index=False)
        console.print(f"Table: {escape(str(folder))}/front.csv", highlight=False)
        if picture and (table["state"] == "complete").any():
            drawn = draw_front(table, objectives, folder / "front.png", study.config.name)
            console.print(f"Picture: {escape(str(drawn))}", highlight=False)
    except OSError as error:  # the table above is what was asked for; a run that may only be read still shows it
        console.print(f"front.csv and front.png are not written: {error.strerror}: {error.filename}", markup=False)


def print_json(value: Any) -> None:
    json.dump(value, sys.stdout, indent=1)
    sys.stdout.write("\n")
