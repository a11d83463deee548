"""The first screen: what was asked, what is recommended, and the front against the anchors."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from raysearch.config.schema import ConstraintConfig
from raysearch.report.front_table import ARROW, on_front, pareto_front, short
from raysearch.report.recommend import Recommendation

LETTERS = "ABC"
MOST_LINES = 30
"""Of the front, in the table of the first screen: those most likely to be on it. All others are among all trials."""
MOSTLY = 0.5
"""A rule that takes the same trial in fewer draws than this has picked one of several that are about alike."""
RULE_WORDS = {
    "knee": "the front bends most here",
    "chebyshev": "its worst loss is the smallest",
    "topsis": "nearest to the best and farthest from the worst",
}


@dataclass(frozen=True)
class Cell:
    """A metric of one configuration, and where its interval lies on the scale that all of a page's rows share.

    Attributes:
        name: the metric's.
        head: its short name with an arrow to the better side.
        value: as text; empty where it was not measured.
        interval: as text.
        change: against the baseline, as text; empty where there is none.
        look: ``good`` or ``bad`` where the interval of the paired difference leaves 0 out, else ``unsure``.
        left: where the interval begins, in per cent of the scale.
        width: of the interval.
        at: the value's place.
        base: the baseline's place; None where there is none.
    """

    name: str
    head: str
    value: str
    interval: str
    change: str
    look: str
    left: float
    width: float
    at: float
    base: float | None


@dataclass(frozen=True)
class Line:
    """A configuration as the first screen shows it.

    Attributes:
        trial: its number.
        letter: of a recommended one.
        name: stage, and whether it is an anchor.
        place: on the front, dominated, or infeasible.
        p_front: as text.
        seeds: how many.
        cells: an objective each.
        command: that exports it; empty where it has no model of its own.
    """

    trial: int
    letter: str
    name: str
    place: str
    p_front: str
    seeds: int
    cells: list[Cell]
    command: str


@dataclass(frozen=True)
class Card:
    """A recommended configuration.

    Attributes:
        line: its numbers.
        reasons: why, a rule each, in words.
        stability: as text.
        alike: other draws mostly make the rule take another trial.
    """

    line: Line
    reasons: list[str]
    stability: str
    alike: bool


def heads(objectives: Mapping[str, str]) -> dict[str, str]:
    """Objective -> short name with what is better."""
    words = {"minimize": "lower is better", "maximize": "higher is better"}
    return {name: f"{short(name)} ({words[direction]})" for name, direction in objectives.items()}


def bound(constraint: ConstraintConfig) -> str:
    """A constraint in words."""
    limit = constraint.at_least if constraint.at_least is not None else constraint.at_most
    sign = "at least" if constraint.at_least is not None else "at most"
    assert limit is not None  # the schema allows no constraint without a bound
    if constraint.relative_to == "zero":
        return f"{short(constraint.metric)} {sign} {limit:g}"
    of = {"baseline": "the baseline", "majority_rate": "the majority rate"}[constraint.relative_to]
    return f"{short(constraint.metric)} {sign} {of}" + (
        f" {'plus' if limit > 0 else 'minus'} {abs(limit):g}" if limit else ""
    )


def lines(
    table: pd.DataFrame, objectives: Mapping[str, str], chosen: Sequence[Recommendation], run: str
) -> tuple[list[Card], list[Line], list[Line]]:
    """(recommended, the front or its most likely part, other complete anchors).

    Args:
        table: one row a configuration.
        objectives: metric -> direction.
        chosen: recommended trials, best first.
        run: how the run's folder is named in commands.
    """
    front = pareto_front(table, objectives)
    members = set(front["trial"])
    likely = front.sort_values("p_front", ascending=False, kind="stable")["trial"].head(MOST_LINES)
    front = front[front["trial"].isin({*likely, *(one.trial for one in chosen)})]
    anchors = table[(table["kind"] == "anchor") & (table["state"] == "complete")]
    shown = pd.concat([front, anchors]).drop_duplicates("trial")
    letters = {one.trial: LETTERS[place] for place, one in enumerate(chosen[:3])}
    baseline = next(iter(table[(table["stage"] == "baseline") & (table["state"] == "complete")].to_dict("records")), {})
    scales = {name: _scale(shown, name) for name in objectives}

    def line(row: Mapping[Any, Any]) -> Line:
        anchor = row["kind"] == "anchor"
        return Line(
            trial=int(row["trial"]),
            letter=letters.get(int(row["trial"]), ""),
            name=f"{row['stage']}, anchor" if anchor else str(row["stage"]),
            place="on the front" if row["trial"] in members else "dominated" if row["feasible"] else "infeasible",
            p_front="" if _missing(row.get("p_front")) else f"{row['p_front']:.2f}",
            seeds=int(row.get("seeds", 1)),
            cells=[_cell(row, baseline, name, objectives[name], scales[name]) for name in objectives],
            command=""
            if row["stage"] in ("baseline", "cda")
            else f"raysearch export {shlex.quote(run)} {row['trial']} trial-{row['trial']}",
        )

    by_trial = {int(row["trial"]): row for row in table.to_dict("records")}
    cards = [
        Card(
            line(by_trial[one.trial]),
            [RULE_WORDS.get(rule, rule) for rule in one.rules] if len(members) > 1 else ["the only one on the front"],
            f"{one.stability:.0%}",
            one.stability < MOSTLY,
        )
        for one in chosen[:3]
    ]
    rest = anchors[~anchors["trial"].isin(set(front["trial"]))]
    return cards, [line(row) for row in front.to_dict("records")], [line(row) for row in rest.to_dict("records")]


def counts(table: pd.DataFrame, records: int, objectives: Mapping[str, str]) -> list[tuple[int, str]]:
    """Numbers of the run with what each counts; what there is none of is left out."""
    complete = table["state"] == "complete"
    holds = table["feasible"].eq(True)
    searched = table["kind"] == "search"
    found = [
        (int((complete & holds & searched).sum()), "complete and feasible"),
        (int((complete & ~holds & searched).sum()), "complete, infeasible"),
        (int(table["state"].isin(["stopped", "gated"]).sum()), "ended early"),
        (int((table["state"] == "failed").sum()), "failed"),
        (records - len(table), "more seeds"),
        (int((table["kind"] == "anchor").sum()), "anchors"),
        (int(on_front(table, objectives).sum()), "on the front"),
    ]
    return [(count, words) for count, words in found if count]


def _scale(shown: pd.DataFrame, name: str) -> tuple[float, float]:
    ends = [float(end) for part in ("metric", "low", "high") for end in shown[f"{part}.{name}"].dropna()]
    return (min(ends), max(ends)) if ends else (0.0, 1.0)


def _cell(
    row: Mapping[Any, Any], baseline: Mapping[Any, Any], name: str, direction: str, scale: tuple[float, float]
) -> Cell:
    value, low, high = (row.get(f"{part}.{name}") for part in ("metric", "low", "high"))
    head = f"{short(name)} {ARROW[direction]}"
    if value is None or low is None or high is None or _missing(value):
        return Cell(name, head, "", "not measured", "", "", 0.0, 0.0, 0.0, None)
    start, span = scale[0], (scale[1] - scale[0]) or 1.0
    base = baseline.get(f"metric.{name}")
    known = not _missing(base)
    moved = value - base if known and base is not None else 0.0
    ends = row.get(f"change_low.{name}"), row.get(f"change_high.{name}")
    change, look = _change(moved, direction, ends)
    return Cell(
        name=name,
        head=head,
        value=f"{value:.3f}",
        interval=f"{low:.3f} to {high:.3f}",
        change=change if known and row["trial"] != baseline.get("trial") else "",
        look=look,
        left=100 * (low - start) / span,
        width=max(0.5, 100 * (high - low) / span),
        at=100 * (value - start) / span,
        base=100 * (base - start) / span if known and base is not None else None,
    )


def _change(moved: float, direction: str, ends: tuple[Any, Any]) -> tuple[str, str]:
    """(difference to the baseline in words, look); an interval that holds 0 makes better and worse unsure."""
    if abs(moved) < 0.0005:
        return "level with the baseline", "unsure"
    better = (moved < 0) == (direction == "minimize")
    if any(map(_missing, ends)) or not (ends[0] > 0 if moved > 0 else ends[1] < 0):
        return f"{'△' if better else '▽'} {moved:+.3f}, not sure", "unsure"
    return f"{'▲ better' if better else '▼ worse'} {moved:+.3f}", "good" if better else "bad"


def _missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))
