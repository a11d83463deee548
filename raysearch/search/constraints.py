"""Constraints as Optuna and the ledger hold them: one number each, feasible when it is at most 0."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from raysearch.config.metric_names import is_intrinsic
from raysearch.config.schema import ConstraintConfig
from raysearch.pipeline.leg import Bound


def name(constraint: ConstraintConfig) -> str:
    """Readable and unique: ``accuracy >= baseline - 0.03``."""
    sign = "<=" if constraint.at_least is None else ">="
    bound = constraint.at_least if constraint.at_least is not None else constraint.at_most or 0.0
    if constraint.relative_to == "zero":
        return f"{constraint.metric} {sign} {bound:g}"
    return f"{constraint.metric} {sign} {constraint.relative_to} {'-' if bound < 0 else '+'} {abs(bound):g}"


def bounds(
    constraints: Sequence[ConstraintConfig], majority_rate: float, baseline: Mapping[str, float]
) -> tuple[Bound, ...]:
    """Constraints with what they are relative to filled in.

    Args:
        constraints: of the study.
        majority_rate: share of the larger label in the judged split.
        baseline: the baseline's values.
    """
    found = []
    for constraint in constraints:
        base = {"zero": 0.0, "majority_rate": majority_rate}.get(constraint.relative_to)
        if base is None:
            base = baseline[constraint.metric]
        found.append(Bound(name(constraint), constraint.metric, base, constraint.at_least, constraint.at_most))
    return tuple(found)


def gate(constraints: Sequence[ConstraintConfig], baseline: Mapping[str, float]) -> tuple[Bound, ...]:
    """The bounds that can be judged before the downstream stage."""
    early = [c for c in constraints if is_intrinsic(c.metric) and c.relative_to != "majority_rate"]
    return bounds(early, 0.0, baseline)


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
    found = bounds(constraints, majority_rate, metrics if baseline is None else baseline)
    return {bound.name: bound.violation(metrics[bound.metric]) for bound in found}
