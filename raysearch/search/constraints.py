"""Constraints as Optuna and the ledger hold them: one number each, feasible when it is at most 0."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from raysearch.config.schema import ConstraintConfig


def name(constraint: ConstraintConfig) -> str:
    """Readable and unique: ``accuracy >= baseline - 0.03``."""
    sign = "<=" if constraint.at_least is None else ">="
    bound = constraint.at_least if constraint.at_least is not None else constraint.at_most or 0.0
    if constraint.relative_to == "zero":
        return f"{constraint.metric} {sign} {bound:g}"
    return f"{constraint.metric} {sign} {constraint.relative_to} {'-' if bound < 0 else '+'} {abs(bound):g}"


def violations(
    constraints: Sequence[ConstraintConfig],
    metrics: Mapping[str, float],
    majority_rate: float,
    baseline: Mapping[str, float] | None,
) -> dict[str, float]:
    """How far each constraint is from holding, in the metric's own unit; <= 0 is feasible.

    Args:
        constraints: of the study.
        metrics: the trial's values.
        majority_rate: share of the larger label in the judged split.
        baseline: the baseline's values; None for the baseline itself, which is compared with itself.

    Returns:
        name -> violation.
    """
    reference = metrics if baseline is None else baseline
    found = {}
    for constraint in constraints:
        base = {"zero": 0.0, "majority_rate": majority_rate, "baseline": reference[constraint.metric]}[
            constraint.relative_to
        ]
        value = metrics[constraint.metric]
        if constraint.at_least is not None:
            found[name(constraint)] = base + constraint.at_least - value
        elif constraint.at_most is not None:
            found[name(constraint)] = value - base - constraint.at_most
    return found
