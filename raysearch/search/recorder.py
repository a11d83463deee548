"""From an attempt to the ledger: judges objectives and constraints, writes records, says what to tell Optuna."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from raysearch.config.load import Study
from raysearch.config.schema import TrialConfig
from raysearch.errors import OF_THE_TRIAL, EarlyEnd, FailureReason
from raysearch.ledger.record import Estimate, ProposalRecord, RungRecord, TrialRecord
from raysearch.ledger.run_folder import RunFolder, now
from raysearch.ledger.tensorboard import trial_folder, write_trial
from raysearch.metrics.measurement import Measurement
from raysearch.pipeline.attempt import Attempt
from raysearch.pipeline.definitions import definitions_of
from raysearch.pipeline.leg import Bound, full_fidelity
from raysearch.pipeline.trial import Outcome
from raysearch.search import constraints
from raysearch.search.halving import Arrival
from raysearch.search.price import Price
from raysearch.search.searcher import Partial, Verdict


@dataclass
class Ending:
    """How a trial ended: with an attempt, or with the reason why there is none.

    Attributes:
        attempt: of its last leg.
        stopped: it was ended at a rung by the scheduler.
        reason: why there is no attempt.
        detail: in words.
        started_at_s: when its first leg began, seconds since the epoch.
        finished_at_s: when its last ended.
    """

    attempt: Attempt | None = None
    stopped: bool = False
    reason: FailureReason | EarlyEnd | None = None
    detail: str | None = None
    started_at_s: float = 0.0
    finished_at_s: float = 0.0


@dataclass
class _Judged:
    fields: dict[str, Any] = field(default_factory=dict)
    reason: FailureReason | None = None
    detail: str | None = None


class Recorder:
    """Writes one record a trial, and one a rung; keeps the baseline's values, which constraints may refer to.

    Args:
        study: objectives and constraints.
        run: where the ledger is; what it holds already is taken into account.
    """

    def __init__(self, study: Study, run: RunFolder) -> None:
        self._study = study
        self._run = run
        self._baseline: dict[str, float] | None = None
        self._spent: dict[int, Counter[str]] = {}
        self.failures_in_a_row = 0
        for rung in run.ledger.rungs():
            self._spent.setdefault(rung.trial, Counter()).update(rung.costs_s)
        for record in run.ledger:
            if not trial_folder(run.tensorboard, record).is_dir():  # killed between the two
                write_trial(run.tensorboard, record, study)
            if record.kind == "anchor" and record.stage == "baseline" and record.state == "complete":
                self._baseline = {name: estimate.value for name, estimate in record.metrics.items()}

    def gate(self) -> tuple[Bound, ...]:
        """Bounds that a trial can break before its downstream stage; none while the baseline is unknown."""
        if self._baseline is None or not self._study.config.search.gate:
            return ()
        return constraints.gate(self._study.config.constraints, self._baseline)

    def rung(self, proposal: ProposalRecord, attempt: Attempt) -> Arrival:
        """Records a result below full fidelity. One that is not finite is not recorded, and its values are NaN."""
        outcome = attempt.outcome
        if outcome is None or outcome.fidelity is None:
            raise ValueError(f"trial {proposal.trial} has nothing to judge at a rung")
        judged = self._judge(outcome, proposal)
        self._spent.setdefault(proposal.trial, Counter()).update(outcome.costs_s)
        if judged.reason is not None:
            return Arrival(proposal.trial, outcome.fidelity, tuple(math.nan for _ in self._study.config.objectives), ())
        record = RungRecord(
            trial=proposal.trial,
            fidelity=outcome.fidelity,
            objectives=judged.fields["objectives"],
            constraints=judged.fields["constraints"],
            metrics=judged.fields["metrics"],
            costs_s=outcome.costs_s,
            at=now(),
        )
        self._run.ledger.reach(record)
        return arrival(record)

    def finish(self, proposal: ProposalRecord, ending: Ending) -> TrialRecord:
        """Judges and appends. A trial is complete only with a full, finite vector of objectives at full fidelity."""
        config = TrialConfig.model_validate(proposal.config)
        attempt = ending.attempt
        outcome = None if attempt is None else attempt.outcome
        state, reason, detail = "failed", ending.reason, ending.detail
        if attempt is not None:
            reason, detail = attempt.reason, attempt.detail
        judged = _Judged()
        if outcome is not None:
            judged = self._judge(outcome, proposal)
            if judged.reason is not None:
                reason, detail = judged.reason, judged.detail
            elif outcome.gated:
                state, reason, detail = "gated", EarlyEnd.GATED, _broken(outcome.gated)
            elif ending.stopped:
                state, reason, detail = "stopped", EarlyEnd.HALVED, f"at fidelity {outcome.fidelity}"
                judged.fields["objectives"] = {}  # a vector of low fidelity must not pass for a full one
            else:
                state = "complete"
                if proposal.anchor == "baseline":
                    self._baseline = {name: measured.value for name, measured in outcome.metrics.items()}
        spent = self._spent.pop(proposal.trial, Counter())
        if outcome is not None and not ending.stopped:  # the costs of a leg that ended at a rung are counted already
            spent.update(outcome.costs_s)
        if outcome is None and attempt is not None:
            spent.update(attempt.costs_s)
        record = TrialRecord(
            study=self._study.config.name,
            trial=proposal.trial,
            kind=proposal.kind,
            replicate_of=proposal.replicate_of,
            stage=config.stage,
            state=state,
            reason=None if reason is None else str(reason),
            detail=detail,
            fidelity=None if outcome is None else outcome.fidelity,
            params=proposal.params,
            config=config.model_dump(mode="json"),
            seed=config.seed,
            costs_s=dict(spent),
            versions={} if attempt is None else attempt.versions,
            definitions=definitions_of(config),
            execution={} if attempt is None else attempt.execution,
            started_at=_iso(ending.started_at_s),
            finished_at=_iso(ending.finished_at_s),
            **judged.fields,
        )
        self._run.ledger.append(record)
        write_trial(self._run.tensorboard, record, self._study)
        if record.state != "failed":
            self.failures_in_a_row = 0
        elif record.reason not in OF_THE_TRIAL:
            self.failures_in_a_row += 1
        return record

    def _judge(self, outcome: Outcome, proposal: ProposalRecord) -> _Judged:
        values = {name: measured.value for name, measured in outcome.metrics.items()}
        cube = outcome.cube
        fields: dict[str, Any] = {
            "metrics": estimates(outcome.metrics),
            "breakdown": estimates(outcome.breakdown),
            "groups": {} if cube is None else {name: cube.counts[i].tolist() for i, name in enumerate(cube.groups)},
            "facts": outcome.facts,
            "curves": outcome.curves,
            "evidence": outcome.evidence,
        }
        for constraint in self._study.config.constraints:
            if not math.isfinite(values.get(constraint.metric, 0.0)):
                detail = f"{constraint.metric}, which a constraint bounds, is {values[constraint.metric]}"
                return _Judged(fields, FailureReason.NON_FINITE_OBJECTIVE, detail)
        if outcome.gated:
            return _Judged(fields | {"constraints": outcome.gated, "feasible": False})
        wanted = self._study.config.objectives
        for name in wanted:
            if name not in values:
                return _Judged(fields, FailureReason.MISSING_OBJECTIVE, f"{name} was not measured")
            if not math.isfinite(values[name]):
                return _Judged(fields, FailureReason.NON_FINITE_OBJECTIVE, f"{name} is {values[name]}")
        baseline = None if proposal.anchor == "baseline" else self._baseline
        violations = constraints.violations(
            self._study.config.constraints, values, outcome.facts["majority_rate"], baseline
        )
        fields |= {
            "objectives": {name: values[name] for name in wanted},
            "constraints": violations,
            "feasible": all(violation <= 0 for violation in violations.values()),
        }
        return _Judged(fields)


def arrival(record: RungRecord) -> Arrival:
    """A recorded rung as the scheduler sees it."""
    return Arrival(record.trial, record.fidelity, tuple(record.objectives.values()), tuple(record.constraints.values()))


def verdict(record: TrialRecord, study: Study) -> Verdict:
    """What Optuna is told of a record."""
    if record.state == "complete":
        price = Price.of(record.costs_s) if record.costs_s else None
        return Verdict("complete", tuple(record.objectives.values()), record.constraints, price=price)
    if record.state in ("stopped", "gated"):
        words = f"{record.reason}: {record.detail}"
        return Verdict("pruned", None, record.constraints, words, _partial(record, study))
    return Verdict("failed", None, {}, f"{record.reason}: {record.detail}")


def _partial(record: TrialRecord, study: Study) -> Partial | None:
    early = study.config.search.early_stopping
    if record.state != "stopped" or record.fidelity is None or early is None:
        return None
    full = full_fidelity(record.config, early.fidelity)
    names = list(study.config.objectives)
    if not full or any(name not in record.metrics for name in names):
        return None
    return Partial(record.fidelity / full, tuple(record.metrics[name].value for name in names))


def _broken(violations: dict[str, float]) -> str:
    return "; ".join(name for name, violation in violations.items() if violation > 0)


def estimates(measured: Mapping[str, Measurement]) -> dict[str, Estimate]:
    """Measurements for a record. JSON knows no NaN and no infinity: a value that is not finite is left out, an end of
    an interval that is not (every bootstrap round undefined) is the value."""
    return {
        name: Estimate(
            value=m.value,
            low=m.low if math.isfinite(m.low) else m.value,
            high=m.high if math.isfinite(m.high) else m.value,
            n=m.n,
        )
        for name, m in measured.items()
        if math.isfinite(m.value)
    }


def _iso(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).isoformat(timespec="seconds")
