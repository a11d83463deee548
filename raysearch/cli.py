"""The command line: verbs only; each says what to call and how the answer is shown.

Exit codes: 0 done; 1 failed (a trial, a study, a difference); 2 the user's mistake; 130 stopped by the user.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from raysearch import __version__
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


def _console(**options: Any) -> Console:
    """A console on a copy of standard output: during a study the original goes to a log file."""
    return Console(file=os.fdopen(os.dup(1), "w", buffering=1), **options)


@contextmanager
def _exit_codes() -> Iterator[None]:
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


@app.command(epilog="`raysearch run demo` · `raysearch run my.yaml --trials 50 --workers 4 --address auto`")
def run(
    file: Space = "demo",
    out: Annotated[Path | None, typer.Option(help="The run's folder; default runs/NAME-DATE-TIME.")] = None,
    trials: Annotated[int | None, typer.Option(min=1, help="Sampled trials, anchors not counted.")] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Worker processes in all; groups are workers / workers_per_group.")
    ] = None,
    address: Annotated[
        str | None, typer.Option(help="A Ray cluster: `auto` or HOST:PORT. Default: this machine.")
    ] = None,
    settings: Settings = None,
) -> None:
    """Search a space: anchors first, then sampled trials, on Ray Train worker groups; ends with the front."""
    from raysearch.config.load import load_study
    from raysearch.ledger.run_folder import new_run_path
    from raysearch.report.live import LiveScreen
    from raysearch.study import run_study

    console = _console()
    with _exit_codes():
        overrides = list(settings or [])
        if trials is not None:
            overrides.append(f"search.trials={trials}")
        study = load_study(file, overrides)
        if workers is not None:
            study = load_study(
                file, [*overrides, f"workers.groups={_groups(workers, study.config.workers.workers_per_group)}"]
            )
        path = out or new_run_path(study.config.name)
        try:
            with LiveScreen(console).shown() as screen:
                folder = run_study(study, path, screen, address)
        except UserError:
            raise
        except (KeyboardInterrupt, RaysearchError):
            if (path / "ledger").is_dir():
                console.print(f"\nWhat was finished: [cyan]raysearch front {path}[/]; the log: {path}/logs/ray.log")
            raise
        _show_front(folder.path, console, picture=True)
        console.print(f"\nRun folder: [cyan]{folder.path}[/]")
        console.print(f"Curves: tensorboard --logdir {folder.path}/tensorboard", highlight=False)


def _groups(workers: int, per_group: int) -> int:
    if workers % per_group:
        raise UserError(
            f"--workers {workers}: a trial needs {per_group} workers (workers.workers_per_group); give a multiple of it"
        )
    return workers // per_group


@app.command(epilog="`raysearch front runs/demo-20260101-120000` · `raysearch front RUN --json | jq .front`")
def front(folder: Run, as_json: AsJson = False) -> None:
    """Show the Pareto front of a run: the feasible trials that no other beats in every objective."""
    with _exit_codes():
        if as_json:
            from raysearch.ledger.read import read_frame, read_study
            from raysearch.report.front_table import pareto_front

            objectives = read_study(folder).config.objectives
            found = pareto_front(read_frame(folder), objectives)
            records = json.loads(found.dropna(axis="columns", how="all").to_json(orient="records"))
            _print_json({"run": str(folder), "objectives": objectives, "front": records})
        else:
            _show_front(folder, _console(), picture=True)


def _show_front(folder: Path, console: Console, picture: bool) -> None:
    from raysearch.ledger.read import read_frame, read_study
    from raysearch.report.front_figure import draw_front
    from raysearch.report.front_table import front_table, pareto_front

    study = read_study(folder)
    table = read_frame(folder)
    objectives = study.config.objectives
    console.print(front_table(table, objectives))
    pareto_front(table, objectives).to_csv(folder / "front.csv", index=False)
    console.print(f"Table: {folder}/front.csv", highlight=False)
    if picture and (table["state"] == "complete").any():
        console.print(
            f"Picture: {draw_front(table, objectives, folder / 'front.png', study.config.name)}", highlight=False
        )


@app.command(epilog="`raysearch status runs/demo-20260101-120000 --json`")
def status(folder: Run, as_json: AsJson = False) -> None:
    """Say what a run holds: trials by state, failures by reason, seconds by stage."""
    from raysearch.ledger.run_folder import RunFolder
    from raysearch.report.status import status_table, summarize

    with _exit_codes():
        summary = summarize(RunFolder.open(folder))
        if as_json:
            _print_json(summary)
        else:
            _console().print(status_table(summary))


@app.command(epilog="`raysearch debug demo --stage combined --set unlearning.steps=3`")
def debug(
    file: Space = "demo",
    settings: Settings = None,
    stage: Annotated[
        str | None, typer.Option(help="baseline, cda, unlearning or combined; default: as the file says.")
    ] = None,
) -> None:
    """Run one trial in this process, without Ray, and print each stage's inputs and outputs. Breakpoints work."""
    from raysearch.config.load import load_study
    from raysearch.registry import suggestion

    console = _console(soft_wrap=True)
    with _exit_codes():
        stages = ("baseline", "cda", "unlearning", "combined")
        if stage is not None and stage not in stages:
            raise UserError(f"--stage {stage}: no such stage. {suggestion(stage, stages)}")
        study = load_study(file, settings or [])

        from raysearch.replay import at_stage, run_here
        from raysearch.report.debug_screen import DebugScreen

        config = study.default_trial()
        config = config if stage is None else at_stage(config, stage)
        console.print(f"stage {config.stage}, no Ray; distributions at their defaults, change them with --set")
        outcome = run_here(config, DebugScreen(console))
        console.rule("[bold]seconds", align="left")
        console.print("  ".join(f"{name} {seconds:.1f}" for name, seconds in outcome.costs_s.items()), highlight=False)


@app.command(epilog="`raysearch replay runs/demo-20260101-120000 4`")
def replay(folder: Run, trial: Annotated[int, typer.Argument(min=0, help="Number of a recorded trial.")]) -> None:
    """Run a recorded trial again in this process and compare every metric. Exit code 1 where one differs."""
    from raysearch.ledger.run_folder import RunFolder

    console = _console(soft_wrap=True)
    with _exit_codes():
        run_folder = RunFolder.open(folder)
        run_folder.ledger.get(trial)

        from raysearch import replay as replaying
        from raysearch.report.live import Bar

        with Bar(_console(), f"trial {trial}") as bar:
            found = replaying.replay(run_folder, trial, bar)
        for difference in found.differences:
            mark = "same" if difference.same else f"differs by {difference.again - difference.recorded:+.3g}"
            console.print(
                f"{difference.metric:<32} recorded {difference.recorded:.6f}  again {difference.again:.6f}  {mark}",
                highlight=False,
            )
        for change in found.changed:
            console.print(f"not as it was: {change}", highlight=False)
        if not found.same:
            raise typer.Exit(FAILED)


@app.command(epilog="`raysearch fetch smollm2-135m` · `raysearch fetch --list`")
def fetch(
    name: Annotated[str | None, typer.Argument(help="A model, table or text by name.")] = None,
    list_all: Annotated[bool, typer.Option("--list", help="Show what can be fetched.")] = False,
) -> None:
    """Get a model or table into the local cache, checked by SHA-256; does nothing when it is there."""
    from raysearch.assets.catalog import ARCHIVES

    console = _console(soft_wrap=True)
    with _exit_codes():
        if list_all or name is None:
            for key, archive in ARCHIVES.items():
                console.print(f"[bold]{key:<22}[/] {archive.description} ({archive.licence})", highlight=False)
            return
        console.print(f"{name}: {_fetch_path(name, console.print)}", highlight=False)


def _fetch_path(name: str, say: Callable[[str], Any]) -> str:
    from raysearch import registry
    from raysearch.assets.archive import fetch as fetch_archive
    from raysearch.config.schema import ModelConfig
    from raysearch.models.sources import PINNED, download, resolve, verify

    if name in registry.names("dataset"):
        name = registry.get("dataset", name).archive
    if "/" in name:
        return download(ModelConfig(source=name))
    if name in PINNED:
        location = resolve(ModelConfig(source=name), say).location
        if not verify(Path(location)):
            raise UserError(
                f"{location}: the weights are not those that were converted. Delete that folder and fetch again."
            )
        return location
    return str(fetch_archive(name, say))


@app.command(epilog="`raysearch validate my.yaml` · `raysearch validate demo --set unlearning.lr=1e-3`")
def validate(file: Space, settings: Settings = None) -> None:
    """Check a study's file: every key, every distribution, every end point. Starts nothing, loads no model."""
    from raysearch.config.load import load_study
    from raysearch.config.space import parameters

    with _exit_codes():
        study = load_study(file, settings or [])
        found = parameters(study.space)
        console = _console(soft_wrap=True)
        console.print(
            f"{study.path}: valid; {len(found)} parameters, {study.config.search.trials} trials", highlight=False
        )
        for name, parameter in found.items():
            under = "".join(f" when {other} = {value}" for other, value in parameter.conditions)
            console.print(f"  {name}: {parameter.distribution}{under}", highlight=False, markup=False)


@app.command(epilog="`raysearch schema > raysearch.schema.json`")
def schema() -> None:
    """Print the JSON Schema of a study's file, for editors that complete and check YAML."""
    from raysearch.config.json_schema import study_schema

    _print_json(study_schema())


@app.command()
def version() -> None:
    """Print the version."""
    print(__version__)


def _print_json(value: Any) -> None:
    json.dump(value, sys.stdout, indent=1)
    sys.stdout.write("\n")


def main() -> None:
    """Entry point of the command `raysearch`."""
    app()


if __name__ == "__main__":
    main()
