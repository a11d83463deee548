"""From an attempt to the ledger: judges objectives and constraints, writes the record, says what to tell Optuna."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

from raysearch.config.load import Study
from raysearch.config.schema import TrialConfig
from raysearch.errors import FailureReason
from raysearch.ledger.record import Estimate, TrialRecord
from raysearch.ledger.run_folder import RunFolder
from raysearch.ledger.tensorboard import write_trial
from raysearch.metrics.definitions import DEFINITIONS
from raysearch.pipeline.attempt import Attempt
from raysearch.pipeline.trial import Outcome
from raysearch.search import constraints
from raysearch.search.searcher import Proposal, Verdict


class Recorder:
    """Writes one record a trial; keeps the baseline's values, which constraints may refer to.

    Args:
        study: objectives and constraints.
        run: where the ledger is.
    """

    def __init__(self, study: Study, run: RunFolder) -> None:
        self._study = study
        self._run = run
        self._baseline: dict[str, float] | None = None
        self.failures_in_a_row = 0

    def record(
        self,
        proposal: Proposal,
        attempt: Attempt | None,
        reason: FailureReason | None,
        detail: str | None,
        started_at_s: float,
        finished_at_s: float,
    ) -> TrialRecord:
        """Judges and appends. A trial is complete only with a full, finite vector of objectives."""
        config = TrialConfig.model_validate(proposal.config)
        if attempt is not None:
            reason, detail = attempt.reason, attempt.detail
        outcome = None if attempt is None else attempt.outcome
        judged: dict[str, Any] = {}
        if outcome is not None:
            judged, reason, detail = self._judge(outcome, proposal)
        record = TrialRecord(
            study=self._study.config.name,
            trial=proposal.number,
            kind="search" if proposal.anchor is None else "anchor",
            stage=config.stage,
            state="complete" if reason is None else "failed",
            reason=None if reason is None else str(reason),
            detail=detail,
            params=proposal.params,
            config=config.model_dump(mode="json"),
            seed=config.seed,
            versions={} if attempt is None else attempt.versions,
            definitions=DEFINITIONS,
            execution={} if attempt is None else attempt.execution,
            started_at=_iso(started_at_s),
            finished_at=_iso(finished_at_s),
            **judged,
        )
        self._run.ledger.append(record)
        write_trial(self._run.tensorboard, record, self._study.config.objectives)
        self.failures_in_a_row = 0 if reason is None else self.failures_in_a_row + 1
        return record

    def _judge(self, outcome: Outcome, proposal: Proposal) -> tuple[dict[str, Any], FailureReason | None, str | None]:
        values = {name: measured.value for name, measured in outcome.metrics.items()}
        fields: dict[str, Any] = {
            "metrics": {name: _estimate(m) for name, m in outcome.metrics.items() if math.isfinite(m.value)},
            "breakdown": {name: _estimate(m) for name, m in outcome.breakdown.items()},
            "groups": {name: outcome.cube.counts[i].tolist() for i, name in enumerate(outcome.cube.groups)},
            "facts": outcome.facts,
            "curves": outcome.curves,
            "costs_s": outcome.costs_s,
        }
        wanted = self._study.config.objectives
        for name in wanted:
            if name not in values:
                return fields, FailureReason.MISSING_OBJECTIVE, f"{name} was not measured"
            if not math.isfinite(values[name]):
                return fields, FailureReason.NON_FINITE_OBJECTIVE, f"{name} is {values[name]}"
        if proposal.anchor == "baseline":
            self._baseline = values
        violations = constraints.violations(
            self._study.config.constraints, values, outcome.facts["majority_rate"], self._baseline
        )
        fields |= {
            "objectives": {name: values[name] for name in wanted},
            "constraints": violations,
            "feasible": all(violation <= 0 for violation in violations.values()),
        }
        return fields, None, None


def verdict(record: TrialRecord) -> Verdict:
    """What Optuna is told of a record."""
    if record.state != "complete":
        return Verdict(None, {}, f"{record.reason}: {record.detail}")
    return Verdict(tuple(record.objectives.values()), record.constraints)


def _estimate(measured: Any) -> Estimate:
    return Estimate(value=measured.value, low=measured.low, high=measured.high, n=measured.n)


def _iso(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).isoformat(timespec="seconds")
