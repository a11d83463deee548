"""The front as a table: of pandas for programs and files, of rich for a terminal. Needs no torch and no Ray."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from rich.table import Table

from raysearch.pareto.front import non_dominated, to_minimise

SHORT = {
    "demographic_parity_difference": "DP",
    "equalized_odds_difference": "EqOdds",
    "equalized_odds_mean_difference": "EqOdds (mean)",
    "accuracy_parity": "AccP",
    "intrinsic_gap": "intrinsic gap",
    "intrinsic_signed_gap": "signed gap",
    "perplexity_ratio": "perplexity ratio",
    "answer_mass_ratio": "answer mass",
}
_ARROW = {"minimize": "↓", "maximize": "↑"}


def short(metric: str) -> str:
    """A metric's name as the field writes it in a narrow column."""
    return SHORT.get(metric, metric.replace("_", " "))


def on_front(table: pd.DataFrame, objectives: Mapping[str, str]) -> pd.Series[bool]:
    """Which rows are feasible, complete and beaten by no other such row; anchors take part like any trial."""
    if table.empty:
        return pd.Series([], dtype=bool)
    columns = [f"metric.{name}" for name in objectives]
    values = table.reindex(columns=columns).to_numpy(dtype=np.float64)
    complete = (table["state"] == "complete").to_numpy(dtype=bool)
    feasible = table["feasible"].map(lambda known: known is True or known is np.True_).to_numpy(dtype=bool)
    front = non_dominated(to_minimise(values, list(objectives.values())), complete & feasible)
    return pd.Series(front, index=table.index)


def pareto_front(table: pd.DataFrame, objectives: Mapping[str, str]) -> pd.DataFrame:
    """The rows on the front, sorted by the first objective; all columns of the ledger's table."""
    front = table[on_front(table, objectives)]
    first, direction = next(iter(objectives.items()))
    column = f"metric.{first}"
    return front.sort_values(column, ascending=direction == "minimize") if column in front else front


def front_table(table: pd.DataFrame, objectives: Mapping[str, str]) -> Table:
    """The front for a terminal: objectives with their intervals, anchors marked and always shown.

    An anchor that is not on the front is shown below it: it is what the front is compared with.
    """
    front = pareto_front(table, objectives)
    anchors = table[(table["kind"] == "anchor") & (table["state"] == "complete") & ~table["trial"].isin(front["trial"])]
    out = Table(title="Pareto front", title_justify="left", caption=_caption(table, front), caption_justify="left")
    out.add_column("trial", justify="right")
    out.add_column("stage")
    for name, direction in objectives.items():
        out.add_column(f"{short(name)} {_ARROW[direction]}", justify="right")
    for rows, on in ((front, True), (anchors, False)):
        for position, (_, row) in enumerate(rows.iterrows()):
            kind = " (anchor)" if row["kind"] == "anchor" else ""
            why = "" if on else (", dominated" if row["feasible"] else ", infeasible")
            cells = [f"{row[f'metric.{m}']:.3f} [dim][{row[f'low.{m}']:.2f}, {row[f'high.{m}']:.2f}][/]" for m in objectives]
            if not on and position == 0:
                out.add_section()
            out.add_row(str(row["trial"]), f"{row['stage']}{kind}{why}", *cells, style=None if on else "dim")
    return out


def _caption(table: pd.DataFrame, front: pd.DataFrame) -> str:
    complete = table[table["state"] == "complete"]
    infeasible = int((complete["feasible"] == False).sum())  # noqa: E712  None is neither
    failed = int((table["state"] == "failed").sum())
    text = f"{len(front)} of {len(complete)} complete trials; {infeasible} infeasible, {failed} failed. "
    return text + "In brackets: bootstrap interval over rows or pairs, one seed; judged on the validation split."
