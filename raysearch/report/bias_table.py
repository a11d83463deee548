"""Scores of public bias sets, as a table and for programs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.table import Table

from raysearch.bias_sets.bias_set import Score


def bias_rows(scores: Mapping[str, Sequence[Score]]) -> list[dict[str, Any]]:
    """One row a score; a value that is not defined is None.

    Args:
        scores: by name of the set.
    """
    return [
        {
            "set": name,
            "category": score.category,
            "score": score.name,
            "value": _finite(score.measurement.value),
            "low": _finite(score.measurement.low),
            "high": _finite(score.measurement.high),
            "n": score.measurement.n,
            "ideal": score.ideal,
        }
        for name, found in scores.items()
        for score in found
    ]


def bias_table(scores: Mapping[str, Sequence[Score]], title: str, note: str = "") -> Table:
    """The scores for people, a section a category; n/a where a value is not defined.

    Args:
        scores: by name of the set.
        title: what was scored.
        note: stands below.
    """
    out = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    out.caption, out.caption_justify = note or None, "left"
    for column in ("set", "category", "score"):
        out.add_column(column)
    for column in ("value", "interval", "n", "ideal"):
        out.add_column(column, justify="right")
    before = ("", "")
    for row in bias_rows(scores):
        here = (row["set"], row["category"])
        if here != before and before[0]:
            out.add_section()
        out.add_row(
            row["set"] if row["set"] != before[0] else "",
            row["category"] if here != before else "",
            row["score"],
            "n/a" if row["value"] is None else f"{row['value']:.1f}",
            "" if row["low"] is None else f"{row['low']:.1f} to {row['high']:.1f}",
            str(row["n"]),
            f"{row['ideal']:.0f}",
        )
        before = here
    return out


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
