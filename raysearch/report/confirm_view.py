"""A front on validation and on test, side by side: as a table and as a picture. Needs no torch and no Ray."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from rich import box
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from raysearch.ledger.record import TrialRecord
from raysearch.ledger.run_folder import RunFolder
from raysearch.ledger.store import Ledger
from raysearch.pareto.front import dominates_none, hypervolume, non_dominated, to_minimise
from raysearch.report.front_table import ARROW, short
from raysearch.uncertainty.bootstrap import mean_objectives
from raysearch.uncertainty.configurations import Configuration, configurations, measured
from raysearch.uncertainty.table import configuration_frame


@dataclass(frozen=True)
class Confirmed:
    """What a confirmation holds, for whoever shows it.

    Attributes:
        validation: configurations as the search judged them.
        test: the same configurations, in the same order, on the test split.
        optimistic: [configurations] feasible and non-dominated on test.
        pessimistic: [configurations] feasible on test and dominating no other.
        hypervolumes: ``validation``, ``optimistic``, ``pessimistic``, of sampled configurations and anchors together.
        intervals: [configurations] metric -> (low, high) on test, as in ``uncertainty.table``.
        lost: (trial, why) of those that were to be scored and have no score.
        scored_at: when the scoring began.
    """

    validation: list[Configuration]
    test: list[Configuration]
    optimistic: list[bool]
    pessimistic: list[bool]
    hypervolumes: dict[str, float]
    intervals: list[dict[str, tuple[float, float]]]
    lost: list[tuple[int, str]]
    scored_at: str


def read(run: RunFolder, objectives: Mapping[str, str], corner: Sequence[float]) -> Confirmed:
    """Reads ``RUN/confirmation``. What validation found is taken over the seeds that were scored on test.

    Args:
        run: a confirmed run.
        objectives: metric -> direction.
        corner: reference point in the metrics' own signs.
    """
    plan: dict[str, Any] = json.loads((run.path / "confirmation" / "confirmation.json").read_text(encoding="utf-8"))
    scored = {record.trial: record for record in Ledger(run.path / "confirmation")}
    test = measured(configurations(list(scored.values())), objectives)
    kept = [record for c in test for record in c.records]
    numbers = {record.trial for record in kept}
    lost = [(trial, _why(scored.get(trial))) for trial in plan["trials"] if trial not in numbers]
    judged = configurations([record for record in run.ledger if record.trial in numbers])
    validation = [{c.trial: c for c in judged}[c.trial] for c in test]
    table: Any = configuration_frame(kept, objectives, corner).set_index("trial")
    ends = {name: (table[f"low.{name}"].to_dict(), table[f"high.{name}"].to_dict()) for name in objectives}
    intervals = [{name: (low[c.trial], high[c.trial]) for name, (low, high) in ends.items()} for c in test]
    feasible = np.asarray([c.feasible for c in test], dtype=np.bool_)
    values, before = mean_objectives(test, objectives), mean_objectives(validation, objectives)
    best, worst = non_dominated(values, feasible), dominates_none(values, feasible)
    reference = to_minimise(np.asarray([corner], dtype=np.float64), list(objectives.values()))[0].tolist()
    allowed = np.asarray([c.feasible for c in validation], dtype=np.bool_)
    volumes = {
        "validation": hypervolume(before[allowed], reference),
        "optimistic": hypervolume(values[best], reference),
        "pessimistic": hypervolume(values[worst], reference),
    }
    at = str(plan.get("scored_at", ""))
    return Confirmed(validation, test, best.tolist(), worst.tolist(), volumes, intervals, lost, at)


def _why(record: TrialRecord | None) -> str:
    if record is None:
        return "it is not scored yet"
    return " ".join(f"{record.reason or record.state}: {record.detail}".split()).rstrip(": ")


def as_json(found: Confirmed, objectives: Mapping[str, str]) -> list[dict[str, Any]]:
    """One entry a configuration: means on both splits, and its place on the test fronts."""
    return [
        {
            "trial": test.trial,
            "stage": test.records[0].stage,
            "kind": test.records[0].kind,
            "seeds": len(test.records),
            "validation": {name: before.spread(name).mean for name in objectives},
            "test": {name: test.spread(name).mean for name in objectives},
            "interval": {name: list(ends[name]) for name in objectives},
            "feasible_on_test": test.feasible,
            "optimistic_front": best,
            "pessimistic_front": worst,
        }
        for before, test, best, worst, ends in zip(
            found.validation, found.test, found.optimistic, found.pessimistic, found.intervals, strict=True
        )
    ]


def confirmed_table(found: Confirmed, objectives: Mapping[str, str], scored_at: str) -> RenderableType:
    """For a terminal of 80 columns: each objective on validation, over test with its interval."""
    out = Table(
        title="Front on validation / on test",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
    )
    out.add_column("trial", justify="right")
    out.add_column("on test")
    for name, direction in objectives.items():
        out.add_column(f"{short(name)} {ARROW[direction]}", justify="right", min_width=12)
    rows = zip(found.validation, found.test, found.optimistic, found.pessimistic, found.intervals, strict=True)
    for before, test, best, worst, ends in rows:
        record = test.records[0]
        name = f"{record.stage} anchor" if record.kind == "anchor" else record.stage
        out.add_row(
            str(test.trial),
            f"{name}\n{place(test.feasible, best, worst)}",
            *(_cell(before, test, metric, ends[metric]) for metric in objectives),
            style="dim" if not test.feasible else "",
        )
    volumes = "  ".join(f"{name} {value:.4f}" for name, value in found.hypervolumes.items())
    text = (
        f"Scored once on test, {scored_at}. First line: validation, which chose the front; second: test; third: its "
        "interval. Optimistic: nothing scored beats it on test; pessimistic: it beats nothing there."
    )
    lost = [Text(f"trial {trial} has no score on test: {why}", style="red") for trial, why in found.lost]
    return Group(out, Text(text, style="italic"), Text(f"Hypervolume: {volumes}"), *lost)


def place(feasible: bool, best: bool, worst: bool) -> str:
    """Where a configuration stands on test, in words."""
    if not feasible:
        return "infeasible"
    return " + ".join(word for word, holds in (("optimistic", best), ("pessimistic", worst)) if holds) or "between"


def _cell(before: Configuration, test: Configuration, metric: str, ends: tuple[float, float]) -> str:
    return escape(f"{before.spread(metric).mean:.3f}\n{test.spread(metric).mean:.3f}\n[{ends[0]:.2f}, {ends[1]:.2f}]")


def draw_confirmed(found: Confirmed, objectives: Mapping[str, str], path: Path) -> Path:
    """Draws an arrow a configuration, from validation to test, a panel for each objective after the first."""
    across, *others = objectives
    others = others or [across]
    figure = Figure(figsize=(max(9.0, 5.2 * len(others)), 5.6), dpi=110, layout="constrained")
    axes = figure.subplots(1, len(others), squeeze=False)[0]
    for axis, name in zip(axes, others, strict=True):
        for before, test, best, worst in zip(
            found.validation, found.test, found.optimistic, found.pessimistic, strict=True
        ):
            start = (before.spread(across).mean, before.spread(name).mean)
            end = (test.spread(across).mean, test.spread(name).mean)
            anchor = test.records[0].kind == "anchor"
            color = "#d55e00" if anchor else "#0072b2"
            axis.annotate("", end, start, arrowprops={"arrowstyle": "->", "color": color, "alpha": 0.45})
            axis.scatter(*start, color=color, s=14, alpha=0.5)
            marker = "^" if best else "v" if worst else "o"
            filled = color if test.feasible else "none"
            axis.scatter(*end, marker=marker, s=80, facecolor=filled, edgecolor=color, linewidths=1.5, zorder=3)
            axis.annotate(str(test.trial), end, xytext=(6, 5), textcoords="offset points", fontsize=11)
        axis.set_xlabel(short(across), fontsize=13)
        axis.set_ylabel(short(name), fontsize=13)
        axis.grid(alpha=0.25)
    for marker, label in (("^", "optimistic front"), ("v", "pessimistic front only"), ("o", "between")):
        axes[0].scatter([], [], marker=marker, color="#555555", label=label)
    axes[0].scatter([], [], color="#0072b2", label="sampled")
    axes[0].scatter([], [], color="#d55e00", label="anchor")
    axes[0].scatter([], [], facecolor="none", edgecolor="#555555", label="infeasible on test")
    handles, texts = axes[0].get_legend_handles_labels()
    figure.legend(handles, texts, loc="outside lower center", ncol=6, frameon=False, fontsize=12)
    figure.suptitle("From validation (small dots) to test (markers): what the chosen front is worth", fontsize=15)
    figure.savefig(path)
    return path
