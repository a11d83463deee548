"""The verb bias: a model on public bias sets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from raysearch.cli.app import AsJson, app, console_on, exit_codes, print_json
from raysearch.errors import DataError, UserError

if TYPE_CHECKING:
    from raysearch.bias_sets.bias_set import BiasSet, Item, Score

DTYPES = ("float32", "bfloat16", "float16")

Work = list[tuple["BiasSet", tuple["Item", ...]]]


@app.command(epilog="`raysearch bias smollm2-135m --set stereoset --set crows_pairs` · `raysearch bias DIR --limit 50`")
def bias(
    model: Annotated[str, typer.Argument(help="A name, a folder (`raysearch export` writes one), or a hub id.")],
    sets: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME", help="A set; may be repeated. Default: all.")
    ] = None,
    categories: Annotated[
        list[str] | None,
        typer.Option("--category", metavar="NAME", help="Only this category: gender, SES, type1. May be repeated."),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(min=1, help="Only so many items of each category and condition, after a seeded shuffle."),
    ] = None,
    path: Annotated[Path | None, typer.Option(metavar="DIR", help="A folder of your own with the sets' files.")] = None,
    dtype: Annotated[str, typer.Option(help="float32, bfloat16 or float16.")] = "float32",
    as_json: AsJson = False,
) -> None:
    """Score a model on StereoSet, CrowS-Pairs, WinoBias and BBQ. All of BBQ takes hours without a GPU: see --limit."""
    from raysearch.registry import suggestion

    console = Console(stderr=True, soft_wrap=True) if as_json else console_on()
    with exit_codes():
        if dtype not in DTYPES:
            raise UserError(f"--dtype {dtype}: no such precision. {suggestion(dtype, DTYPES)}")
        work = _read(sets, categories, path, limit, console)
        scores = _evaluate(model, dtype, work, console)
        note = "percent; intervals: 95 %, bootstrap over items"
        if categories:
            note += "; overall is over the categories asked for"
        if limit is not None:
            note += f"; {limit} items of each category and condition at most, after a shuffle with seed 0"
        if as_json:
            from raysearch.report.bias_table import bias_rows

            print_json({"model": model, "dtype": dtype, "limit": limit, "note": note, "scores": bias_rows(scores)})
        else:
            from raysearch.report.bias_table import bias_table

            console.print(bias_table(scores, f"public bias sets: {escape(model)}", note))


def _read(
    sets: Sequence[str] | None,
    categories: Sequence[str] | None,
    path: Path | None,
    limit: int | None,
    console: Console,
) -> Work:
    """The items to score, before any model is loaded. A set without a category asked for is left out."""
    from raysearch import registry
    from raysearch.assets.archive import resolve
    from raysearch.bias_sets.bias_set import some_of_each

    known = registry.names("bias_set")
    for name in sets or ():
        if name not in known:
            raise UserError(f"--set {name}: no such bias set. {registry.suggestion(name, known)}")
    chosen: list[BiasSet] = [registry.get("bias_set", name)() for name in dict.fromkeys(sets or known)]
    there = {category for bias_set in chosen for category in bias_set.categories}
    for category in categories or ():
        if category not in there:
            raise UserError(f"--category {category}: no such category. {registry.suggestion(category, there)}")
    work: Work = []
    for bias_set in chosen:
        wanted = None if not categories else [c for c in dict.fromkeys(categories) if c in bias_set.categories]
        if wanted == []:
            continue
        items = bias_set.read(resolve(bias_set.archive, path, console.print), wanted)
        if not items:
            raise DataError(f"bias set '{bias_set.name}': no item of {', '.join(wanted or bias_set.categories)} there.")
        work.append((bias_set, items if limit is None else some_of_each(items, limit)))
    return work


def _evaluate(model: str, dtype: str, work: Work, console: Console) -> dict[str, list[Score]]:
    import torch

    from raysearch.bias_sets.evaluate import evaluate
    from raysearch.config.schema import ModelConfig
    from raysearch.models.language_model import load
    from raysearch.models.sources import resolve
    from raysearch.report.live import Bar

    config = ModelConfig.model_validate({"source": model, "dtype": dtype})
    resolve(config, console.print)
    lm = load(config, "cuda" if torch.cuda.is_available() else "cpu")
    scores: dict[str, list[Score]] = {}
    with Bar(console, model) as bar:
        for bias_set, items in work:
            bar.stage(f"{bias_set.name}, {len(items)} items")
            scores[bias_set.name] = evaluate(
                lm, lm.model, bias_set, items, progress=lambda done, total: bar.progress(done, total, {})
            )
    return scores
