"""What the ledger holds of one trial. Everything shown later is computed from these records."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

SCHEMA_VERSION = 3
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


class Evidence(BaseModel):
    """What the metrics were counted from, so that any of them can be drawn again from other rows.

    Two records with the same ``rows`` (or ``pairs``) were judged on the same rows (pairs) in the same order, and can be
    compared row by row.

    Attributes:
        rows: digest of the judged rows; empty where nothing was decided.
        target: [rows] 0 or 1.
        group: [rows] position of the row's group in the record's ``groups``.
        decided: [rows] 0 or 1.
        pairs: digest of the stereotype pairs.
        pair_gaps: [pairs] p_s - p_a.
        pair_sets: how many of the pairs are of each stereotype set, in the order in which they stand; empty in records
            before version 3.
        also_by: further attribute -> [rows] position of the row's group among those measured, -1 for none of them;
            empty in records before version 3.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rows: str = ""
    target: tuple[int, ...] = ()
    group: tuple[int, ...] = ()
    decided: tuple[int, ...] = ()
    pairs: str = ""
    pair_gaps: tuple[float, ...] = ()
    pair_sets: tuple[tuple[str, int], ...] = ()
    also_by: dict[str, tuple[int, ...]] = {}


Kind = Literal["anchor", "search", "replicate"]


class ProposalRecord(BaseModel):
    """A trial that was handed out. Written before it runs: an interrupted one goes on with the same values.

    Attributes:
        trial: its number.
        kind: as in ``TrialRecord``.
        params: sampled leaves by dotted path.
        config: the whole configuration.
        anchor: the stage's name for an anchor.
        replicate_of: number of the trial whose configuration this one has, with another seed.
        point: position among the points to try first.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    trial: int = Field(ge=0)
    kind: Kind
    params: dict[str, Any] = {}
    config: dict[str, Any]
    anchor: str | None = None
    replicate_of: int | None = None
    point: int | None = None


class RungRecord(BaseModel):
    """A trial's result below its full fidelity. It never enters a front.

    Attributes:
        trial: its number.
        fidelity: how far it had come, on the study's fidelity.
        objectives: the objective vector there.
        constraints: violations there; feasible is <= 0.
        metrics: every measured metric with its interval.
        costs_s: seconds of this leg by stage.
        at: when, in UTC.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    trial: int = Field(ge=0)
    fidelity: int
    objectives: dict[str, float]
    constraints: dict[str, float] = {}
    metrics: dict[str, Estimate] = {}
    costs_s: dict[str, float] = {}
    at: str = ""


class TrialRecord(BaseModel):
    """One finished trial.

    Attributes:
        trial: number in the study, from 0, anchors first.
        kind: ``anchor`` (a reference point), ``search`` (sampled), or ``replicate`` (another trial's configuration
            with another seed).
        replicate_of: for a replicate, that other trial.
        stage: which of the two mitigations is on.
        state: ``complete`` only with a full, finite vector of objectives at full fidelity; ``stopped`` at a rung;
            ``gated`` where an intrinsic constraint failed and the downstream stage was not run; else ``failed``.
        reason: one of ``FailureReason`` or ``EarlyEnd``; ``detail`` is the error's own text.
        fidelity: how far the trial came on the study's fidelity; None where the study has none.
        params: sampled leaves by dotted path; empty for an anchor.
        config: the whole configuration: this alone replays the trial.
        objectives: the objective vector by metric name.
        constraints: by name; feasible is <= 0.
        feasible: all constraints hold (None while there is nothing to judge).
        metrics: every measured metric with its interval.
        breakdown: the intrinsic gap by group of prompts, set and control; group metrics by more attributes.
        groups: name -> counts ``[[tn, fp], [fn, tp]]`` of the judged split, by group of the sensitive attribute.
        facts: counts that a reader needs to judge the numbers (rows, truncated texts, majority rate, tokens, order).
        curves: learning curves: one dict a step.
        evidence: what the metrics were counted from.
        costs_s: seconds by stage over all legs, and ``total``.
        versions: raysearch and the libraries that decide numbers.
        definitions: version of each metric's definition.
        execution: world size, threads, device, host: what a bit-for-bit replay needs.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int = SCHEMA_VERSION
    study: str
    trial: int = Field(ge=0)
    kind: Kind
    replicate_of: int | None = None
    stage: Literal["baseline", "cda", "unlearning", "combined"]
    state: Literal["complete", "stopped", "gated", "failed"]
    reason: str | None = None
    detail: str | None = None
    fidelity: int | None = None
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
    evidence: Evidence = Evidence()
    costs_s: dict[str, float] = {}
    versions: dict[str, str] = {}
    definitions: dict[str, str] = {}
    execution: dict[str, Any] = {}
    started_at: str = ""
    finished_at: str = ""
