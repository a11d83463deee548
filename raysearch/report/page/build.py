"""``raysearch report``: one HTML file that opens from disk, offline, and its figures as PNG and PDF.

Everything on the page is made from the ledger. Needs neither torch nor Ray.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
from markupsafe import Markup, escape

from raysearch import __version__
from raysearch.config.load import Study
from raysearch.config.space import parameters
from raysearch.errors import RunFolderError, UserError
from raysearch.ledger.record import TrialRecord
from raysearch.ledger.run_folder import RunFolder, now
from raysearch.report.front_table import on_front, short, short_parameters
from raysearch.report.importance import ObjectiveImportance, importances
from raysearch.report.page import figures
from raysearch.report.page.confirmed import confirmation
from raysearch.report.page.gaps import gaps, values_of
from raysearch.report.page.links import links
from raysearch.report.page.progress import costs, endings, progress
from raysearch.report.page.summary import bound, counts, heads, lines
from raysearch.report.page.trials import as_script, columns, plain
from raysearch.report.recommend import recommend_among
from raysearch.report.sight import Sight
from raysearch.uncertainty.configurations import Configuration, configurations
from raysearch.uncertainty.table import configuration_frame

HERE = Path(__file__).parent
SCRIPTS = ("state.js", "axes.js", "scatter.js", "parallel.js", "lines.js", "details.js", "trials.js", "start.js")
"""In the order in which they build on each other."""
ASKED = (
    ("Model", "model.source"),
    ("Table", "data.table"),
    ("Groups by", "data.sensitive"),
    ("Downstream model", "downstream.kind"),
    ("Stereotypes", "stereotypes.set"),
    ("Judged on", "evaluation.split"),
)


@dataclass(frozen=True)
class Gathered:
    """A run, read once.

    Attributes:
        run: its folder.
        study: as it was when the run started.
        records: all of them.
        found: complete trials by configuration.
        table: one row a configuration; has a column for each objective, measured or not.
    """

    run: RunFolder
    study: Study
    records: list[TrialRecord]
    found: list[Configuration]
    table: pd.DataFrame

    @property
    def objectives(self) -> Mapping[str, str]:
        return self.study.config.objectives


def write_report(run: Path | str, out: Path | None = None) -> list[Path]:
    """Writes the report of a run; one that is there already is replaced.

    Args:
        run: its folder.
        out: a folder; None: ``RUN/report``.

    Returns:
        The page, then its figures.

    Raises:
        RunFolderError: not a run folder, a record cannot be read, or nothing can be written there.
    """
    gathered = gather(run)
    folder = out or gathered.run.path / "report"
    importance, why = judged(gathered)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        drawn = figures.draw_all(gathered, importance, folder)
        page = folder / "report.html"
        page.write_text(render(gathered, importance, why, [path.name for path in drawn]), encoding="utf-8")
    except OSError as error:
        raise RunFolderError(
            f"{folder}: the report cannot be written ({error.strerror}). Give another folder with --out."
        ) from error
    return [page, *drawn]


def gather(run: Path | str) -> Gathered:
    """Reads a run.

    Raises:
        RunFolderError: not a run folder, or a record cannot be read.
    """
    folder = RunFolder.open(run)
    study, records = folder.study(), list(folder.ledger)
    table = configuration_frame(records, study.config.objectives, study.config.corner)
    missing = {f"{part}.{name}": float("nan") for name in study.config.objectives for part in ("metric", "low", "high")}
    attributes = table.attrs
    table = table.assign(**{name: value for name, value in missing.items() if name not in table})
    table.attrs = attributes
    return Gathered(folder, study, records, configurations(records), table)


def judged(gathered: Gathered) -> tuple[list[ObjectiveImportance], str]:
    """(importance of each parameter, or none and why)."""
    try:
        return importances(gathered.found, gathered.objectives, gathered.study.space), ""
    except UserError as error:
        return [], str(error)


def render(gathered: Gathered, importance: Sequence[ObjectiveImportance], why_not: str, drawn: Sequence[str]) -> str:
    """The page as HTML.

    Args:
        gathered: the run.
        importance: of its parameters; empty where ``why_not`` says why.
        why_not: a sentence.
        drawn: names of the figures that lie beside the page.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    )
    environment.filters["code"] = with_code
    return environment.get_template("page.html.j2").render(
        **_context(gathered),
        importance=_importance(importance),
        why_no_importance=why_not,
        figures=drawn,
        style=Markup((HERE / "page.css").read_text(encoding="utf-8")),
        script=Markup("\n".join((HERE / "js" / name).read_text(encoding="utf-8") for name in SCRIPTS)),
    )


def with_code(text: str) -> Markup:
    """A sentence in which what stands between backticks is shown as code; the rest is escaped."""
    parts = [escape(part) for part in text.split("`")] if text.count("`") % 2 == 0 else [escape(text)]
    shown = [Markup("<code>{}</code>").format(part) if place % 2 else part for place, part in enumerate(parts)]
    return Markup("").join(shown)


def _context(gathered: Gathered) -> dict[str, Any]:
    table, objectives, records = gathered.table, gathered.objectives, gathered.records
    config, run = gathered.study.config, gathered.run
    front = on_front(table, objectives)
    chosen = recommend_among(gathered.found, objectives)
    cards, members, anchors = lines(table, objectives, chosen, str(run.path))
    confidence = next((r.config["evaluation"]["confidence"] for r in records if "evaluation" in r.config), 0.95)
    correlations, why_no_transfer = links(records)
    manifest, sampled = run.manifest(), sum(record.kind != "anchor" for record in records)
    sight = Sight(run)
    if records:  # a page may be made of records that are in no file
        sight.look()
    confirmed = confirmation(run, objectives, config.corner)
    return {
        "study": config,
        "title": config.name.replace("_", " "),
        "run": str(run.path),
        "shell_run": shlex.quote(str(run.path)),
        "running": run.is_driven(),
        "sampled": sampled,
        "left": 0 if sight.done else run.asked_trials() - sampled,
        "asked": [(word, ", ".join(found)) for word, path in ASKED if (found := values_of(records, path))],
        "trials_asked": run.asked_trials(),
        "command": manifest.get("command", ""),
        "made": now().replace("T", " ").replace("+00:00", " UTC"),
        "version": __version__,
        "measured_by": sorted({r.versions["raysearch"] for r in records if "raysearch" in r.versions}),
        "heads": heads(objectives),
        "bounds": [bound(one) for one in config.constraints],
        "parameters": len(parameters(gathered.study.space)),
        "counts": counts(table, len(records), objectives),
        "cards": cards,
        "front": members,
        "on_front": int(front.sum()),
        "anchors": anchors,
        "hypervolume": table.attrs["hypervolume"],
        "seed_noise_known": table.attrs["seed_noise_known"],
        "percent": f"{confidence:.0%}".replace("%", " %"),
        "costs": _bars(costs(records)),
        "endings": endings(records),
        "transfer": correlations,
        "why_no_transfer": why_no_transfer,
        "gaps": gaps(table, records, front, confirmed is not None),
        "confirmed": confirmed,
        "data": Markup(as_script(_data(gathered, [card.line.trial for card in cards]))),
    }


def _data(gathered: Gathered, recommended: Sequence[int]) -> dict[str, Any]:
    objectives, records = gathered.objectives, gathered.records
    leaves = {name: one.distribution for name, one in parameters(gathered.study.space).items()}
    path = progress(records, objectives, gathered.study.config.corner)
    found = columns(gathered.table, {record.trial: record for record in records}, objectives, leaves)
    return found | {
        "run": shlex.quote(str(gathered.run.path)),
        "recommended": list(recommended),
        "progress": {"hours": plain(path.hours), "volume": plain(path.volume), "trials": path.trials},
    }


def _bars(found: Sequence[tuple[str, float]]) -> list[dict[str, Any]]:
    total = sum(hours for _, hours in found) or 1.0
    return [{"name": name, "hours": hours, "share": 100 * hours / total} for name, hours in found]


def _importance(found: Sequence[ObjectiveImportance]) -> list[dict[str, Any]]:
    shown = []
    for one in found:
        names = short_parameters([f"param.{row.parameter}" for row in one.parameters])
        shown.append(
            {
                "head": short(one.objective),
                "trials": one.trials,
                "explained": one.explained,
                "rows": [
                    {
                        "name": names[f"param.{row.parameter}"],
                        "path": row.parameter,
                        "anova": 100 * row.ped_anova,
                        "chance": 100 * row.chance,
                        "permutation": row.permutation,
                        "low": row.low,
                        "high": row.high,
                        "above": row.ped_anova > row.chance,
                        "firm": one.explained > 0 and row.low > 0,
                    }
                    for row in one.parameters
                ],
            }
        )
    return shown
