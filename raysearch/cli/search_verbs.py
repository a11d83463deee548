"""Verbs that search: run, resume, confirm, simulate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from raysearch.cli.app import AsJson, Run, Settings, Space, app, console_on, exit_codes, kept_work, print_json, show_end
from raysearch.errors import UserError


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
    warm_start: Annotated[
        list[Path] | None,
        typer.Option(metavar="RUN", help="An earlier run whose trials inform the sampler; repeatable."),
    ] = None,
) -> None:
    """Search a space: anchors first, then sampled trials, on Ray Train worker groups; ends with the front."""
    from raysearch.config.load import load_study
    from raysearch.ledger.run_folder import new_run_path
    from raysearch.report.live import LiveScreen
    from raysearch.study import run_study

    console = console_on()
    with exit_codes():
        overrides = list(settings or [])
        if trials is not None:
            overrides.append(f"search.trials={trials}")
        study = load_study(file, overrides)
        if workers is not None:
            study = load_study(
                file, [*overrides, f"workers.groups={_groups(workers, study.config.workers.workers_per_group)}"]
            )
        path = out or new_run_path(study.config.name)
        with kept_work(path, console), LiveScreen(console).shown() as screen:
            run_study(study, path, screen, address, warm_start=warm_start or ())
        show_end(path, console)


@app.command(epilog="`raysearch resume runs/demo-20260101-120000` · `raysearch resume RUN --trials 200`")
def resume(
    folder: Run,
    trials: Annotated[
        int | None, typer.Option(min=1, help="Sampled trials in all, anchors not counted; default: as asked before.")
    ] = None,
    address: Annotated[
        str | None, typer.Option(help="A Ray cluster: `auto` or HOST:PORT. Default: this machine.")
    ] = None,
) -> None:
    """Go on with a run that was stopped or killed, or extend one that is finished. Nothing recorded is run again."""
    from raysearch.ledger.run_folder import RunFolder
    from raysearch.report.live import LiveScreen
    from raysearch.study import resume_study

    console = console_on()
    with exit_codes():
        run = RunFolder.open(folder)
        with kept_work(folder, console), LiveScreen(console).shown() as screen:
            resume_study(run, screen, trials, address)
        show_end(folder, console)


def _groups(workers: int, per_group: int) -> int:
    if workers % per_group:
        raise UserError(
            f"--workers {workers}: a trial needs {per_group} workers (workers.workers_per_group); give a multiple of it"
        )
    return workers // per_group


@app.command(epilog="`raysearch confirm runs/demo-20260101-120000` · `raysearch confirm RUN --json`")
def confirm(
    folder: Run,
    address: Annotated[
        str | None, typer.Option(help="A Ray cluster: `auto` or HOST:PORT. Default: this machine.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Score the front and the anchors on the test split: once. Later calls show what was scored."""
    from raysearch.ledger.run_folder import RunFolder
    from raysearch.report import confirm_view
    from raysearch.report.live import LiveScreen

    console = console_on()
    with exit_codes():
        run = RunFolder.open(folder)
        config = run.study().config
        from raysearch.study.confirm import confirm as score

        with LiveScreen(Console(stderr=True) if as_json else console).shown() as screen:
            done = score(run, screen, address)
        found = confirm_view.read(run, config.objectives, config.corner)
        if as_json:
            print_json(
                {
                    "run": str(folder),
                    "scored_at": done.scored_at,
                    "hypervolumes": found.hypervolumes,
                    "configurations": confirm_view.as_json(found, config.objectives),
                    "without_score": dict(found.lost),
                }
            )
            return
        if not done.new:
            console.print(f"scored before, at {done.scored_at}; nothing was scored again")
        if done.changed:
            console.print(
                "[yellow]the search went on since, and its front is another now[/]: choosing again after a look at the "
                "test split would make its numbers too good. For a new judgement start a run with another "
                "data.split_seed."
            )
        console.print(confirm_view.confirmed_table(found, config.objectives, done.scored_at))
        drawn = confirm_view.draw_confirmed(found, config.objectives, folder / "confirmation" / "fronts.png")
        console.print(f"Picture: {escape(str(drawn))}", highlight=False)


@app.command(epilog="`raysearch simulate runs/demo-20260101-120000 --trials 1000 --workers 16`")
def simulate(
    ledger: Run,
    trials: Annotated[int, typer.Option(min=1, help="Trials to sample.")] = 1000,
    workers: Annotated[int, typer.Option(min=1, help="Trials at a time.")] = 8,
    sampler: Annotated[str | None, typer.Option(help="The sampler; default: the study's.")] = None,
    rungs: Annotated[
        str | None,
        typer.Option(help="Fidelities of the rungs, `6,12`; `none` for no early stopping; default: the study's."),
    ] = None,
    reduction_factor: Annotated[float, typer.Option(min=1.01, help="eta of early stopping, with --rungs.")] = 3.0,
    gate: Annotated[
        bool | None,
        typer.Option(help="End trials whose intrinsic constraints fail before the costly part; default: the study's."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the sampler and of the trials.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Replay a recorded study through searcher and scheduler on a simulated clock, without training."""
    from raysearch.ledger.run_folder import RunFolder

    with exit_codes():
        run = RunFolder.open(ledger)
        from raysearch.simulation.run import settings_of, simulate_run

        gated = run.study().config.search.gate if gate is None else gate
        settings = settings_of(run, sampler, rungs, reduction_factor, seed)
        report = simulate_run(run, settings, trials, workers, gated, seed)
        if as_json:
            print_json({"run": str(ledger), **report.summary()})
            return
        console = console_on(soft_wrap=True)
        for name, value in report.summary().items():
            console.print(f"{name:<12} {value}", highlight=False)
        console.print(f"simulated in {report.real_s:.1f} s", highlight=False)
