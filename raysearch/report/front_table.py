"""The front as a table: of pandas for programs and files, of rich for a terminal. Needs no torch and no Ray."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from rich import box
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from raysearch.config.metric_names import split
from raysearch.pareto.front import non_dominated, to_minimise

SHORT = {
    "demographic_parity_difference": "DP",
    "equalized_odds_difference": "EqOdds",
    "equalized_odds_mean_difference": "EqOdds (mean)",
    "accuracy_parity": "AccP",
    "intrinsic_signed_gap": "signed gap",
    "answer_mass_ratio": "answer mass",
}
ARROW = {"minimize": "↓", "maximize": "↑"}


def short(metric: str) -> str:
    """A metric's name as the field writes it in a narrow column: ``DP``, ``intrinsic gap (race)``."""
    name, part = split(metric)
    return SHORT.get(name, name.replace("_", " ")) + (f" ({part})" if part else "")


def feasible(table: pd.DataFrame) -> pd.Series[bool]:
    """Which rows hold all constraints; None (a failed trial: nothing to judge) does not."""
    return table["feasible"].eq(True).astype(bool)


def on_front(table: pd.DataFrame, objectives: Mapping[str, str]) -> pd.Series[bool]:
    """Which rows are feasible, complete and beaten by no other such row; anchors take part like any trial."""
    columns = [f"metric.{name}" for name in objectives]
    values = table.reindex(columns=columns).to_numpy(dtype=np.float64)
    eligible = ((table["state"] == "complete") & feasible(table)).to_numpy(dtype=np.bool_)
    front = non_dominated(to_minimise(values, list(objectives.values())), eligible)
    return pd.Series(front, index=table.index, dtype=bool)


def pareto_front(table: pd.DataFrame, objectives: Mapping[str, str]) -> pd.DataFrame:
    """The rows on the front, best in the first objective first; all columns of the ledger's table.

    Args:
        table: as ``ledger.read.read_frame`` gives it.
        objectives: metric -> ``minimize`` or ``maximize``.
    """
    front = table[on_front(table, objectives)]
    first, direction = next(iter(objectives.items()))
    column = f"metric.{first}"
    return front.sort_values([column, "trial"], ascending=[direction == "minimize", True]) if len(front) else front


def front_table(table: pd.DataFrame, objectives: Mapping[str, str]) -> RenderableType:
    """The front for a terminal of 80 columns: objectives over their intervals, then the parameters of its trials.

    An anchor that is not on the front stands below it: it is what the front is compared with.
    """
    front = pareto_front(table, objectives)
    rest = (table["kind"] == "anchor") & (table["state"] == "complete") & ~table["trial"].isin(front["trial"])
    out = Table(title="Pareto front", title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    out.add_column("trial", justify="right")
    out.add_column("stage")
    for name, direction in objectives.items():
        out.add_column(f"{short(name)} {ARROW[direction]}", justify="right", min_width=12)
    for row in front.to_dict("records"):
        out.add_row(str(row["trial"]), f"{_stage(row)}\n{_sureness(row)}", *(_cell(row, name) for name in objectives))
    out.add_section()
    for row in table[rest].to_dict("records"):
        why = "dominated" if row["feasible"] else "infeasible"
        out.add_row(str(row["trial"]), f"{_stage(row)}, {why}", *(_cell(row, name) for name in objectives), style="dim")
    return Group(out, Text(_caption(table, front), style="italic"), *_parameters(front))


def _stage(row: Mapping[Any, Any]) -> str:
    return f"{row['stage']} anchor" if row["kind"] == "anchor" else str(row["stage"])


def _sureness(row: Mapping[Any, Any]) -> str:
    """``P 0.83, 3 seeds``: how likely it is on the front, and from how many seeds; empty where that is not known."""
    if pd.isna(row.get("p_front")):
        return ""
    seeds = int(row.get("seeds", 1))
    return f"P {row['p_front']:.2f}" + (f", {seeds} seeds" if seeds > 1 else "")


def _cell(row: Mapping[Any, Any], name: str) -> str:
    if pd.isna(row.get(f"metric.{name}")):
        return "not measured"
    return escape(f"{row[f'metric.{name}']:.3f}\n[{row[f'low.{name}']:.2f}, {row[f'high.{name}']:.2f}]")


def _caption(table: pd.DataFrame, front: pd.DataFrame) -> str:
    complete = table["state"] == "complete"
    infeasible = int((complete & ~feasible(table)).sum())
    early = table["state"].isin(["stopped", "gated"])
    ended = f", {int(early.sum())} early-ended" if early.any() else ""
    text = (
        f"{len(front)} of {int(complete.sum())} complete trials are on the front; {infeasible} infeasible{ended} and "
        f"{int((~complete & ~early).sum())} failed trials are not in it."
    )
    if not len(front):
        return text
    splits = sorted({json.loads(config)["evaluation"]["split"] for config in front["config"]})
    seeds = " and seeds" if (table.get("seeds", pd.Series(dtype=int)) > 1).any() else ""
    text += f" In brackets: bootstrap interval over rows or pairs{seeds}. Judged on the {' and '.join(splits)} split."
    if "p_front" in front and front["p_front"].notna().any():
        text += " P: probability of holding all constraints and being on the front, by bootstrap over rows and seeds"
        text += "." if (table["seeds"] > 1).any() else "; one seed each, so the chance of seeds is not in it."
    if "hypervolume" in table.attrs:
        value, low, high = table.attrs["hypervolume"]
        text += f" Hypervolume {value:.4f} [{low:.4f}, {high:.4f}]."
    return text


def _parameters(front: pd.DataFrame) -> Sequence[RenderableType]:
    names = short_parameters([str(column) for column in front.columns if str(column).startswith("param.")])
    rows = Table(box=None, show_header=False, pad_edge=False)
    rows.add_column(justify="right")
    for row in front.to_dict("records"):
        values = {name: row[column] for column, name in names.items() if not pd.isna(row[column])}
        if values:
            rows.add_row(
                str(row["trial"]), "  ".join(f"{name} [bold]{_value(value)}[/]" for name, value in values.items())
            )
    return ("", Text("Parameters", style="italic"), rows) if rows.row_count else ()


def short_parameters(columns: Sequence[str]) -> dict[str, str]:
    """Shortens each dotted path to the fewest last words that no other column ends with: ``kl.weight``, ``lr``."""
    paths = [column.removeprefix("param.").split(".") for column in columns]

    def shortest(path: list[str]) -> str:
        for count in range(1, len(path)):
            if sum(other[-count:] == path[-count:] for other in paths) == 1:
                return ".".join(path[-count:])
        return ".".join(path)

    return {column: shortest(path) for column, path in zip(columns, paths, strict=True)}


def _value(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.0f}" if value.is_integer() and abs(value) < 1e9 else f"{value:.3g}"
    return escape(str(value))
