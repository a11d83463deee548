"""What a run holds, in one screen or as JSON."""

from __future__ import annotations

from collections import Counter
from typing import Any

from rich.table import Table

from raysearch.ledger.run_folder import RunFolder


def summarize(run: RunFolder) -> dict[str, Any]:
    """Counts and costs of a run, from its ledger alone."""
    records = list(run.ledger)
    study = run.study()
    anchors = sum(record.kind == "anchor" for record in records)
    costs: Counter[str] = Counter()
    for record in records:
        costs.update(record.costs_s)
    complete = [record for record in records if record.state == "complete"]
    best = {}
    for name, direction in study.config.objectives.items():
        values = [record.objectives[name] for record in complete if record.feasible]
        if values:
            best[name] = min(values) if direction == "minimize" else max(values)
    return {
        "run": str(run.path),
        "study": study.config.name,
        "trials_asked": study.config.search.trials,
        "recorded": len(records),
        "anchors": anchors,
        "complete": len(complete),
        "feasible": sum(bool(record.feasible) for record in complete),
        "failed": dict(Counter(record.reason or "" for record in records if record.state == "failed")),
        "best_feasible": best,
        "seconds_by_stage": {name: round(seconds, 1) for name, seconds in costs.items()},
    }


def status_table(summary: dict[str, Any]) -> Table:
    """The summary for people."""
    table = Table(title=f"{summary['study']}: {summary['run']}", show_header=False, title_justify="left")
    sampled = summary["recorded"] - summary["anchors"]
    table.add_row("sampled trials", f"{sampled} of {summary['trials_asked']}")
    table.add_row("anchors", str(summary["anchors"]))
    table.add_row("complete / feasible", f"{summary['complete']} / {summary['feasible']}")
    for reason, count in summary["failed"].items():
        table.add_row("failed", f"{count}: {reason}")
    for name, value in summary["best_feasible"].items():
        table.add_row(f"best feasible {name}", f"{value:.3f}")
    stages = sorted(summary["seconds_by_stage"].items(), key=lambda item: -item[1])
    table.add_row("seconds by stage", "  ".join(f"{name} {seconds:.0f}" for name, seconds in stages))
    return table
