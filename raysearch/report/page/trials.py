"""All configurations of a run as columns, small enough for a page: what the interactive views draw.

Numbers keep four significant digits. A configuration's settings stand once where most trials share them, and only what
differs stands with the trial. Learning curves are thinned, and kept for the front first until their budget is spent.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from raysearch.config.space import Choice, Distribution
from raysearch.ledger.record import TrialRecord
from raysearch.report.front_table import feasible, on_front, short, short_parameters

CURVE_POINTS = 30
"""Steps of a learning curve that are kept; enough to see where it bends."""
CURVE_BUDGET = 1_200_000
"""Characters that all learning curves may take, of the page's six millions."""


def columns(
    table: pd.DataFrame,
    records: Mapping[int, TrialRecord],
    objectives: Mapping[str, str],
    leaves: Mapping[str, Distribution],
) -> dict[str, Any]:
    """What the page's views are drawn from, in lists of one entry a configuration.

    Args:
        table: one row a configuration (``uncertainty.table``).
        records: by trial.
        objectives: metric -> direction.
        leaves: the space's parameters.
    """
    front = on_front(table, objectives)
    in_order = [records[int(trial)] for trial in table["trial"]]
    settings = _settings(in_order)
    curves, left_out = _curves(table, in_order, front)
    return {
        "objectives": [
            {"name": name, "short": short(name), "direction": direction} for name, direction in objectives.items()
        ],
        "trial": table["trial"].tolist(),
        "kind": table["kind"].tolist(),
        "stage": table["stage"].tolist(),
        "state": table["state"].tolist(),
        "reason": [_named(record) for record in in_order],
        "feasible": feasible(table).tolist(),
        "front": front.tolist(),
        "p": plain(table["p_front"]),
        "seeds": table["seeds"].tolist(),
        "seed": table["seed"].tolist(),
        "metrics": _metrics(table, in_order),
        "changes": {
            name: {end: plain(table[f"change_{end}.{name}"]) for end in ("low", "high")}
            for name in objectives
            if f"change_low.{name}" in table
        },
        "constraints": {
            column.removeprefix("constraint."): plain(table[column])
            for column in map(str, table.columns)
            if column.startswith("constraint.")
        },
        "params": _params(table, leaves),
        "cost": {
            column.removeprefix("cost_s."): plain(table[column])
            for column in map(str, table.columns)
            if column.startswith("cost_s.")
        },
        "groups": [_counts(record) for record in in_order],
        "shared": settings[0],
        "own": settings[1],
        "curves": curves,
        "curves_left_out": left_out,
    }


def plain(values: Sequence[Any] | pd.Series[Any]) -> list[Any]:
    """Values for JSON: numbers to four significant digits, what is not finite as None."""
    return [rounded(value) for value in values]


def rounded(value: Any) -> Any:
    """One value for JSON, as in ``plain``."""
    if value is None or value is pd.NA:
        return None
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        if value.is_integer() and abs(value) < 1e9:  # a whole number beside empty cells: not to be cut to four digits
            return int(value)
        short_value = float(f"{value:.4g}")
        return int(short_value) if short_value.is_integer() and abs(short_value) < 1e9 else short_value
    return value


def as_script(value: Any) -> str:
    """JSON that may stand inside a ``<script>`` element: nothing in it can end the element."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False, default=str)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026").replace("\u2028", "\\u2028")


def flat(config: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """A configuration by dotted path; lists stay whole."""
    found: dict[str, Any] = {}
    for key, value in config.items():
        path = f"{above}.{key}" if above else str(key)
        if isinstance(value, Mapping) and value:
            found |= flat(value, path)
        else:
            found[path] = rounded(value) if isinstance(value, float) else value
    return found


def _named(record: TrialRecord) -> str | None:
    if record.reason is None:
        return None
    return record.reason if not record.detail else f"{record.reason}: {' '.join(record.detail.split())[:200]}"


def _metrics(table: pd.DataFrame, records: Sequence[TrialRecord]) -> dict[str, Any]:
    found = {}
    for column in [str(c) for c in table.columns if str(c).startswith("metric.")]:
        name = column.removeprefix("metric.")
        sizes = [record.metrics[name].n if name in record.metrics else None for record in records]
        seen = {size for size in sizes if size is not None}
        found[name] = {
            "short": short(name),
            "value": plain(table[column]),
            "low": plain(table[f"low.{name}"]),
            "high": plain(table[f"high.{name}"]),
            "n": seen.pop() if len(seen) == 1 else sizes,
        }
    return found


def _params(table: pd.DataFrame, leaves: Mapping[str, Distribution]) -> list[dict[str, Any]]:
    names = short_parameters([str(c) for c in table.columns if str(c).startswith("param.")])
    return [
        {
            "path": column.removeprefix("param."),
            "short": name,
            "log": bool(getattr(leaves.get(column.removeprefix("param.")), "log", False)),
            "words": isinstance(leaves.get(column.removeprefix("param.")), Choice)
            or bool(table[column].dropna().map(lambda value: isinstance(value, str)).any()),
            "value": [None if _absent(value) else rounded(value) for value in table[column]],
        }
        for column, name in names.items()
    ]


def _absent(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _counts(record: TrialRecord) -> dict[str, list[int]] | None:
    """Group -> tn, fp, fn, tp."""
    return {name: [*cube[0], *cube[1]] for name, cube in record.groups.items()} or None


def _settings(records: Sequence[TrialRecord]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """(path -> most frequent value, for each trial what differs from that; None where it has no such path)."""
    flattened = [flat(record.config) for record in records]
    counts: dict[str, Counter[str]] = {}
    for config in flattened:
        for path, value in config.items():
            counts.setdefault(path, Counter())[json.dumps(value, default=str)] += 1
    shared = {path: json.loads(found.most_common(1)[0][0]) for path, found in counts.items()}
    own = [
        {path: config.get(path) for path in shared if path not in config or config[path] != shared[path]}
        for config in flattened
    ]
    return shared, own


def _curves(table: pd.DataFrame, records: Sequence[TrialRecord], front: pd.Series[bool]) -> tuple[dict[str, Any], int]:
    """(trial -> series -> values, number of trials whose curve had no room), anchors and the front first."""
    sure = table["p_front"].fillna(-1.0).to_numpy()
    first = (front | (table["kind"] == "anchor")).to_numpy()
    order = sorted(range(len(records)), key=lambda row: (not first[row], -sure[row], records[row].trial))
    kept: dict[str, Any] = {}
    room, left_out = CURVE_BUDGET, 0
    for row in order:
        if not records[row].curves:
            continue
        curve = _thinned(records[row].curves)
        room -= len(json.dumps(curve))
        if room < 0:
            left_out += 1
        else:
            kept[str(records[row].trial)] = curve
    return kept, left_out


def _thinned(curve: Sequence[Mapping[str, float]]) -> dict[str, list[Any]]:
    count = min(CURVE_POINTS, len(curve))
    steps = sorted({round(i * (len(curve) - 1) / max(1, count - 1)) for i in range(count)})
    names = list(dict.fromkeys(name for point in curve for name in point))
    return {name: [rounded(curve[step].get(name)) for step in steps] for name in names}
