"""Ledger tables made by hand, for tests of what is built on them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

OBJECTIVES = {
    "intrinsic_gap": "minimize",
    "demographic_parity_difference": "minimize",
    "equalized_odds_difference": "minimize",
    "accuracy": "maximize",
}


def row(trial: int, values: Sequence[float], **changes: Any) -> dict[str, Any]:
    """A complete, feasible, sampled trial; ``changes`` overrides columns. Intervals are the value -0.05 and +0.1."""
    cells: dict[str, Any] = {
        "trial": trial,
        "kind": "search",
        "stage": "combined",
        "state": "complete",
        "reason": None,
        "feasible": True,
        "seed": 0,
        "config": '{"evaluation": {"split": "validation"}}',
    }
    for name, value in zip(OBJECTIVES, values, strict=True):
        cells |= {f"metric.{name}": value, f"low.{name}": value - 0.05, f"high.{name}": value + 0.1}
    return cells | changes


def failed(trial: int) -> dict[str, Any]:
    """A failed trial: no metrics, nothing to judge."""
    cells = row(trial, (0.0,) * len(OBJECTIVES), state="failed", reason="the machine ran out of memory")
    return {name: value for name, value in cells.items() if "." not in name} | {"feasible": None}


def table(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Rows as ``ledger.read.frame`` gives them."""
    return pd.DataFrame(rows)


def study() -> pd.DataFrame:
    """Anchors 0 to 2 (the baseline is on the front, CDA alone dominated by it, unlearning alone infeasible), then a
    dominated, an infeasible, a failed and two front trials."""
    sampled = {"param.cda": "replace", "param.cda.fraction": 0.5, "param.unlearning.lr": 0.00123}
    weights = {"param.unlearning.losses.kl.weight": 1.5, "param.unlearning.losses.learn.weight": 0.02}
    return table(
        [
            row(0, (0.40, 0.20, 0.20, 0.80), kind="anchor", stage="baseline"),
            row(1, (0.45, 0.22, 0.21, 0.79), kind="anchor", stage="cda"),
            row(2, (0.10, 0.30, 0.30, 0.60), kind="anchor", stage="unlearning", feasible=False),
            row(3, (0.42, 0.21, 0.22, 0.78), **sampled, **weights),
            row(4, (0.01, 0.01, 0.01, 0.50), feasible=False, **sampled, **weights),
            failed(5) | sampled | weights,
            row(6, (0.30, 0.25, 0.22, 0.78), **sampled, **weights),
            row(7, (0.20, 0.10, 0.24, 0.75), **sampled, **weights | {"param.unlearning.losses.kl.weight": 0.4}),
        ]
    )
