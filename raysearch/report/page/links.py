"""Correlations of the intrinsic gap with group metrics, as the page shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from raysearch.errors import UserError
from raysearch.ledger.record import TrialRecord
from raysearch.report.front_table import short
from raysearch.report.stages import WHERE
from raysearch.report.transfer import transfer_table


def links(records: Sequence[TrialRecord]) -> tuple[list[dict[str, Any]], str]:
    """(a row for each model, table and stage that has a correlation, a cell a metric; or none and why)."""
    try:
        table = transfer_table(records)
    except UserError as error:
        return [], str(error)
    several = len(table[list(WHERE)].drop_duplicates()) > 1
    rows = []
    for place, group in table.groupby([*WHERE, "stage"], sort=False):
        if group["rho"].notna().any():
            *where, stage = place
            cells = [_cell(row) for row in group.to_dict("records")]
            n = ", ".join(sorted({str(count) for count in group["n"]}))
            rows.append(
                {"stage": stage, "where": f"n = {n}" + f"; {', '.join(map(str, where))}" * several, "cells": cells}
            )
    return rows, "" if rows else "too few complete configurations, or values that never change"


def _cell(row: dict[Any, Any]) -> dict[str, Any]:
    known = pd.notna(row["rho"])
    return {
        "head": short(row["metric"]),
        "rho": f"{row['rho']:+.2f}" if known else "–",
        "interval": f"{row['low']:+.2f} to {row['high']:+.2f}" if known else "",
        "note": row["note"],
        "firm": known and (row["low"] > 0 or row["high"] < 0),
    }
