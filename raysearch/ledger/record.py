"""What the ledger holds of one trial. Everything shown later is computed from these records."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

SCHEMA_VERSION = 1
"""Of the record's own shape. A reader refuses a newer one rather than guess."""


class Estimate(BaseModel):
    """A measured number with its interval.

    Attributes:
        value: the point estimate.
        low: lower end of the interval at the study's confidence level; equals ``value`` where no interval exists.
        high: upper end.
        n: examples (rows, pairs or texts) behind the number.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    value: float
    low: float
    high: float
    n: int


class TrialRecord(BaseModel):
    """One finished trial.

    Attributes:
        trial: number in the study, from 0, anchors first.
        kind: ``anchor`` (a reference point) or ``search`` (sampled).
        stage: which of the two mitigations is on.
        state: ``complete`` only with a full, finite vector of objectives; otherwise ``failed`` with a reason.
        reason: one of ``FailureReason``; ``detail`` is the error's own text.
        params: sampled leaves by dotted path; empty for an anchor.
        config: the whole configuration: this alone replays the trial.
        objectives: the objective vector by metric name.
        constraints: by name; feasible is <= 0.
        feasible: all constraints hold (None while there is nothing to judge).
        metrics: every measured metric with its interval.
        breakdown: the intrinsic gap by group of prompts.
        groups: name -> counts ``[[tn, fp], [fn, tp]]`` of the judged split, by group of the sensitive attribute.
        facts: counts that a reader needs to judge the numbers (rows, truncated texts, majority rate, tokens, order).
        curves: learning curves: one dict a step.
        costs_s: seconds by stage, and ``total``.
        versions: raysearch and the libraries that decide numbers.
        definitions: version of each metric's definition.
        execution: world size, threads, device, host: what a bit-for-bit replay needs.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int = SCHEMA_VERSION
    study: str
    trial: int = Field(ge=0)
    kind: Literal["anchor", "search"]
    stage: Literal["baseline", "cda", "unlearning", "combined"]
    state: Literal["complete", "failed"]
    reason: str | None = None
    detail: str | None = None
    params: dict[str, Any] = {}
    config: dict[str, Any]
    seed: int
    objectives: dict[str, float] = {}
    constraints: dict[str, float] = {}
    feasible: bool | None = None
    metrics: dict[str, Estimate] = {}
    breakdown: dict[str, Estimate] = {}
    groups: dict[str, list[list[int]]] = {}
    facts: dict[str, Any] = {}
    curves: list[dict[str, float]] = []
    costs_s: dict[str, float] = {}
    versions: dict[str, str] = {}
    definitions: dict[str, str] = {}
    execution: dict[str, Any] = {}
    started_at: str = ""
    finished_at: str = ""
