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
    states = Counter(record.state for record in records)
    recorded = {record.trial for record in records}
    unfinished = [proposal.trial for proposal in run.ledger.proposals() if proposal.trial not in recorded]
    return {
        "run": str(run.path),
        "study": study.config.name,
        "trials_asked": run.asked_trials(),
        "explore": run.asked_trials() - round(study.config.search.replicates.share * run.asked_trials()),
        "recorded": len(records),
        "anchors": anchors,
        "replicates": sum(record.kind == "replicate" for record in records),
        "complete": len(complete),
        "stopped": states["stopped"],
        "gated": states["gated"],
        "unfinished": unfinished,
        "running": run.is_driven(),
        "confirmed": (run.path / "confirmation" / "confirmation.json").is_file(),
        "texts_cut": sum(int(record.facts.get("truncated_texts", 0)) for record in records),
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
    if summary["replicates"]:
        table.add_row("of these, more seeds", str(summary["replicates"]))
    table.add_row("complete / feasible", f"{summary['complete']} / {summary['feasible']}")
    if summary["stopped"] or summary["gated"]:
        table.add_row("stopped early / gated", f"{summary['stopped']} / {summary['gated']}")
    if summary["unfinished"]:
        doing = "at work" if summary["running"] else f"`raysearch resume {summary['run']}` goes on with them"
        table.add_row("unfinished", f"{len(summary['unfinished'])}: {doing}")
    elif sampled - summary["replicates"] < summary["explore"] and not summary["running"]:
        table.add_row("left to do", f"`raysearch resume {summary['run']}`")
    if summary["texts_cut"]:
        table.add_row("texts cut to fit", str(summary["texts_cut"]))
    table.add_row("scored on test", "yes" if summary["confirmed"] else "no: `raysearch confirm` does, once")
    for reason, count in summary["failed"].items():
        table.add_row("failed", f"{count}: {reason}")
    for name, value in summary["best_feasible"].items():
        table.add_row(f"best feasible {name}", f"{value:.3f}")
    stages = sorted(summary["seconds_by_stage"].items(), key=lambda item: -item[1])
    table.add_row("seconds by stage", "  ".join(f"{name} {seconds:.0f}" for name, seconds in stages))
    return table
