"""Verbs around a study: debug, replay, fetch, validate, schema, version."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from raysearch import __version__
from raysearch.cli.app import FAILED, Run, Settings, Space, app, console_on, exit_codes, print_json
from raysearch.errors import UserError


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

    console = console_on(soft_wrap=True)
    with exit_codes():
        stages = ("baseline", "cda", "unlearning", "combined")
        if stage is not None and stage not in stages:
            raise UserError(f"--stage {stage}: no such stage. {suggestion(stage, stages)}")
        study = load_study(file, settings or [])

        from raysearch.pipeline.preflight import Anchor, check_settings
        from raysearch.replay import at_stage, run_here
        from raysearch.report.debug_screen import DebugScreen

        config = study.default_trial()
        check_settings(study, [Anchor(config.stage, config)])
        config = config if stage is None else at_stage(config, stage)
        console.print(f"stage {config.stage}, no Ray; distributions at their defaults, change them with --set")
        outcome = run_here(config, DebugScreen(console))
        console.rule("[bold]seconds", align="left")
        console.print("  ".join(f"{name} {seconds:.1f}" for name, seconds in outcome.costs_s.items()), highlight=False)


@app.command(epilog="`raysearch replay runs/demo-20260101-120000 4`")
def replay(folder: Run, trial: Annotated[int, typer.Argument(min=0, help="Number of a recorded trial.")]) -> None:
    """Run a recorded trial again in this process and compare every metric. Exit code 1 where one differs."""
    from raysearch.ledger.run_folder import RunFolder

    console = console_on(soft_wrap=True)
    with exit_codes():
        run_folder = RunFolder.open(folder)
        run_folder.ledger.get(trial)

        from raysearch import replay as replaying
        from raysearch.report.live import Bar

        with Bar(console_on(), f"trial {trial}") as bar:
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


@app.command(epilog="`raysearch export runs/demo-20260101-120000 4 my-model`")
def export(
    folder: Run,
    trial: Annotated[int, typer.Argument(min=0, help="Number of a complete trial that unlearned.")],
    target: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to write; it must not be there yet.")],
    adapter: Annotated[bool, typer.Option("--adapter", help="The LoRA adapter alone, not merged weights.")] = False,
) -> None:
    """Train a recorded trial's model again and write it as Hugging Face files with a model card."""
    from raysearch.ledger.run_folder import RunFolder

    console = console_on(soft_wrap=True)
    with exit_codes():
        run_folder = RunFolder.open(folder)
        run_folder.ledger.get(trial)

        from raysearch import export as exporting
        from raysearch.report.live import Bar

        with Bar(console_on(), f"trial {trial}") as bar:
            found = exporting.export(run_folder, trial, target, "adapter" if adapter else "merged", bar)
        console.print(
            f"{found.folder}: intrinsic gap recorded {found.recorded:.6f}, of the model saved {found.again:.6f}",
            highlight=False,
        )


@app.command(epilog="`raysearch fetch smollm2-135m` · `raysearch fetch --list`")
def fetch(
    name: Annotated[str | None, typer.Argument(help="A model, table or text by name.")] = None,
    list_all: Annotated[bool, typer.Option("--list", help="Show what can be fetched.")] = False,
) -> None:
    """Get a model or table into the local cache, checked by SHA-256; does nothing when it is there."""
    from raysearch.assets.catalog import ARCHIVES

    console = console_on(soft_wrap=True)
    with exit_codes():
        if list_all or name is None:
            for key, archive in ARCHIVES.items():
                console.print(f"[bold]{key:<22}[/] {archive.description} ({archive.licence})", highlight=False)
            return
        console.print(f"{name}: {_fetch_path(name, console.print)}", highlight=False)


def _fetch_path(name: str, say: Callable[[str], Any]) -> str:
    from raysearch import registry
    from raysearch.assets.archive import fetch as fetch_archive
    from raysearch.config.schema import ModelConfig
    from raysearch.models.sources import PINNED, download, resolve

    if Path(name).expanduser().is_dir():
        return resolve(ModelConfig(source=name), say).location
    if name in registry.names("dataset"):
        archive: str | None = registry.get("dataset", name).archive
        if archive is None:
            raise UserError(f"{name}: this table is not fetched; its files are yours to bring. Give them as data.path.")
        name = archive
    if "/" in name:
        return download(ModelConfig(source=name))
    if name in PINNED:
        return resolve(ModelConfig(source=name), say).location
    return str(fetch_archive(name, say))


@app.command(epilog="`raysearch validate my.yaml` · `raysearch validate demo --set unlearning.lr=1e-3`")
def validate(file: Space, settings: Settings = None) -> None:
    """Check a study's file: every key, every distribution, every end point. Starts nothing, loads no model."""
    from raysearch.config.load import load_study
    from raysearch.config.space import parameters

    with exit_codes():
        study = load_study(file, settings or [])
        from raysearch.pipeline.preflight import anchors, check_settings
        from raysearch.study.run import check_sampler

        check_settings(study, anchors(study))
        check_sampler(study)
        found = parameters(study.space)
        console = console_on(soft_wrap=True)
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

    print_json(study_schema())


@app.command()
def version() -> None:
    """Print the version."""
    print(__version__)
