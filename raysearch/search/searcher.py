"""A Ray Tune searcher on Optuna's ask and tell: vectors of objectives, native constraints, failures as failures.

Tune's own OptunaSearch leaves a trial RUNNING for ever when a metric is NaN, lets early-stopped trials into the front
and cannot pass constraints. Here a trial is written to the ledger before it is handed out, and again, with what came of
it, before Optuna hears of it.
"""

from __future__ import annotations

import json
import math
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, Protocol

import optuna
from optuna.trial import TrialState
from ray.tune.search import Searcher

from raysearch.config.space import Choice, Distribution, Int, label, walk
from raysearch.ledger.record import ProposalRecord
from raysearch.pipeline.leg import Leg
from raysearch.search.hvi import PARTIAL
from raysearch.search.price import PRICE, Price

MOST_LOSSES = 2
"""Ray Tune may lose a trial's little actor through no fault of the trial; more than once more is one too many."""


@dataclass(frozen=True)
class Partial:
    """What an early-stopped trial showed where it was stopped: its share of the full fidelity, and its objectives."""

    share: float
    values: tuple[float, ...]


@dataclass(frozen=True)
class Verdict:
    """What is known of a finished trial.

    Attributes:
        state: ``complete`` with a vector; ``pruned`` ended early, with the violations that are known; ``failed``.
        values: the objective vector in the study's order.
        constraints: name -> violation, feasible <= 0.
        reason: why it is not complete.
        partial: of a trial that a rung ended; for samplers that know of fidelity.
        price: of a complete trial; for samplers that know of cost.
    """

    state: Literal["complete", "pruned", "failed"]
    values: tuple[float, ...] | None = None
    constraints: dict[str, float] = field(default_factory=dict)
    reason: str | None = None
    partial: Partial | None = None
    price: Price | None = None

    def without_constraints(self) -> Verdict:
        """What a sampler hears that is not to know of them."""
        return replace(self, constraints={})


class Desk(Protocol):
    """The searcher's way to the ledger and the workers."""

    def hand_out(self, proposal: ProposalRecord) -> Sequence[Leg]:
        """Records a trial, unless it is on record, and says in what legs it runs."""

    def settle(self, proposal: ProposalRecord, lost: bool) -> Verdict | None:
        """Records how a trial ended; None where it did not end: it was interrupted, and can go on another day."""

    def replicate(self, number: int, pending: Mapping[int, int]) -> ProposalRecord | None:
        """The next replicate; ``pending`` counts the seeds that are out, by trial. None where more seeds say little."""


@dataclass
class Agenda:
    """What there is to do.

    Attributes:
        waiting: trials with known values, in order: anchors, and what an earlier driver left unfinished.
        points: parameter values to try first, with their position in the study's list.
        samples: trials to sample, points included.
        replicates: trials to spend on more seeds afterwards.
        next_number: number of the next new trial.
        baseline_first: no baseline is recorded yet: until it is, only the other anchors run beside it, since what a
            sampler hears is relative to it.
    """

    waiting: deque[ProposalRecord]
    points: deque[tuple[int, dict[str, Any]]]
    samples: int
    replicates: int
    next_number: int
    baseline_first: bool


class ParetoSearcher(Searcher):
    """Hands out what is on the agenda: anchors, points, what Optuna asks for, replicates.

    Args:
        study: Optuna's.
        space: the tree of constants and distributions.
        agenda: what there is to do.
        desk: the ledger and the workers.
        concurrent: most trials out at a time; a proposal made earlier than needed is made with less knowledge.
        constraints_told: whether Optuna hears of violations.
        extra: more entries of each trial's Tune configuration.
    """

    def __init__(
        self,
        study: optuna.Study,
        space: Any,
        agenda: Agenda,
        desk: Desk,
        concurrent: int,
        extra: Mapping[str, Any] | None = None,
        constraints_told: bool = True,
    ) -> None:
        super().__init__(metric=None, mode=None)
        self._study = study
        self._space = space
        self._agenda = agenda
        self._desk = desk
        self._concurrent = concurrent
        self._extra = dict(extra or {})
        self._constraints_told = constraints_told
        self._out: dict[str, tuple[ProposalRecord, optuna.trial.Trial | None]] = {}
        self._asked: dict[int, optuna.trial.Trial] = {}
        self._held: list[tuple[str, bool]] = []
        self._losses: Counter[int] = Counter()
        self._stopped = False
        self._unfinished = 0

    def set_search_properties(self, metric: str | None, mode: str | None, config: dict[str, Any], **spec: Any) -> bool:
        """Objectives and space are the study's; Tune has none to give."""
        return True

    @property
    def exhausted(self) -> bool:
        """All that was on the agenda has been handed out and has come back with an end."""
        agenda = self._agenda
        left = len(agenda.waiting) + agenda.samples + agenda.replicates
        return not left and not self._out and not self._unfinished

    def out(self) -> dict[int, ProposalRecord]:
        """Trials that are being worked on, by number."""
        return {proposal.trial: proposal for proposal, _ in self._out.values()}

    def stop(self) -> None:
        """Proposes nothing more."""
        self._stopped = True

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:  # type: ignore[override]
        """The next trial; None while there is none yet; FINISHED after the last."""
        if self._stopped:
            return str(Searcher.FINISHED)
        if len(self._out) >= self._concurrent or self._must_wait():
            return None
        proposal, asked = self._next()
        if proposal is None:
            return None if self._out or self._agenda.waiting else str(Searcher.FINISHED)
        self._out[trial_id] = (proposal, asked)
        legs = self._desk.hand_out(proposal)
        # JSON text: Tune would take dots, lists and dictionaries for a space of its own.
        return {
            "number": proposal.trial,
            "config": json.dumps(proposal.config),
            "legs": json.dumps([asdict(leg) for leg in legs]),
            "crew": self._crew(proposal),
            **self._extra,
        }

    def _must_wait(self) -> bool:
        waiting = self._agenda.waiting
        return self._agenda.baseline_first and bool(self._out) and not (waiting and waiting[0].kind == "anchor")

    def _crew(self, proposal: ProposalRecord) -> int:
        """How many trials will be out together now, for ``Dispatcher.submit``."""
        if self._agenda.baseline_first:
            anchors = sum(waiting.kind == "anchor" for waiting in self._agenda.waiting)
            return min(self._concurrent, len(self._out) + anchors)
        left = 0 if proposal.kind == "replicate" else len(self._agenda.waiting) + self._agenda.samples
        return min(self._concurrent, len(self._out) + left)

    def _next(self) -> tuple[ProposalRecord | None, optuna.trial.Trial | None]:
        agenda = self._agenda
        if agenda.waiting:
            proposal = agenda.waiting.popleft()
            asked = self._asked.pop(proposal.trial, None)
            if asked is None and proposal.kind == "search":
                self._study.enqueue_trial(proposal.params)
                asked = self._study.ask()
                walk(self._space, lambda name, leaf: choose(asked, name, leaf))
                asked.set_user_attr("trial", proposal.trial)
            return proposal, asked
        if agenda.samples > 0:
            agenda.samples -= 1
            return self._sample()
        if agenda.replicates > 0:
            pending = Counter(
                proposal.replicate_of for proposal, _ in self._out.values() if proposal.replicate_of is not None
            )
            if any(proposal.kind != "replicate" for proposal, _ in self._out.values()):
                return None, None  # the last of the exploration may be the one that deserves more seeds
            replicate = self._desk.replicate(agenda.next_number, pending)
            if replicate is None:
                if not self._out:  # what is still out may show another configuration to be uncertain
                    agenda.replicates = 0
                return None, None
            agenda.replicates -= 1
            agenda.next_number += 1
            return replicate, None
        return None, None

    def _sample(self) -> tuple[ProposalRecord, optuna.trial.Trial]:
        agenda = self._agenda
        point = None
        if agenda.points:
            point, params = agenda.points.popleft()
            self._study.enqueue_trial(params)
        asked = self._study.ask()
        params, config = walk(self._space, lambda name, leaf: choose(asked, name, leaf))
        proposal = ProposalRecord(trial=agenda.next_number, kind="search", params=params, config=config, point=point)
        agenda.next_number += 1
        asked.set_user_attr("trial", proposal.trial)
        return proposal, asked

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Only the end of a trial counts; rungs are the scheduler's."""

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Records and judges a finished trial, once, then tells Optuna. One that Ray lost is handed out once more; an
        anchor that is done before the baseline is judged when that is known."""
        if trial_id not in self._out or any(trial_id == held for held, _ in self._held):
            return
        proposal, asked = self._out[trial_id]
        self._losses[proposal.trial] += error
        if error and self._losses[proposal.trial] < MOST_LOSSES and not self._stopped:
            del self._out[trial_id]
            self._agenda.waiting.appendleft(proposal)
            if asked is not None:
                self._asked[proposal.trial] = asked
            return
        if self._agenda.baseline_first and proposal.anchor != "baseline":
            self._held.append((trial_id, error))
            return
        self._settle(trial_id, error)
        if proposal.anchor == "baseline" and not self._agenda.baseline_first:
            while self._held:
                self._settle(*self._held.pop(0))

    def _settle(self, trial_id: str, error: bool) -> None:
        proposal, asked = self._out[trial_id]
        verdict = self._desk.settle(proposal, error)
        del self._out[trial_id]
        if verdict is None:
            self._stopped = (
                True  # what ended it without an end ends the search: to propose on would be to propose blindly
            )
            self._unfinished += 1
            if asked is not None:
                tell(self._study, asked, Verdict("failed", reason="interrupted; the ledger knows how it went on"))
            return
        if proposal.anchor == "baseline" and verdict.state == "complete":
            self._agenda.baseline_first = False
        if asked is not None:
            tell(self._study, asked, verdict if self._constraints_told else verdict.without_constraints())

    def abandon(self, reason: str) -> None:
        """Fails whatever is still out, so that no trial stays RUNNING in Optuna's storage."""
        self._unfinished += len(self._out) + len(self._asked)
        for asked in [*(asked for _, asked in self._out.values()), *self._asked.values()]:
            if asked is not None:
                tell(self._study, asked, Verdict("failed", reason=reason))
        self._out.clear()
        self._asked.clear()

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Tune pickles its arguments for a restore that is never made; see ``save``."""
        return {}

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the ledger is the truth, and a pickle of Optuna's storage would carry its address."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing; see ``save``."""

    def get_state(self) -> dict[str, Any]:
        """Nothing; see ``save``."""
        return {}

    def set_state(self, state: dict[str, Any]) -> None:
        """Nothing; see ``save``."""


def tell(study: optuna.Study, asked: optuna.trial.Trial, verdict: Verdict) -> None:
    """Tells Optuna the outcome. Constraints must be set before ``tell``; what is not complete keeps its reason."""
    finite = verdict.values is not None and all(math.isfinite(value) for value in verdict.values)
    if verdict.state == "failed" or (verdict.state == "complete" and not finite):
        asked.set_user_attr("reason", verdict.reason or "no finite objective vector")
        study.tell(asked, state=TrialState.FAIL)
        return
    for name, violation in verdict.constraints.items():
        asked.set_constraint(name, violation)
    if verdict.state == "pruned":
        if verdict.partial is not None:
            asked.set_user_attr(PARTIAL, asdict(verdict.partial))
        asked.set_user_attr("reason", verdict.reason)
        study.tell(asked, state=TrialState.PRUNED)
    else:
        if verdict.price is not None:
            asked.set_user_attr(PRICE, verdict.price.told())
        study.tell(asked, list(verdict.values or ()))


def choose(asked: optuna.trial.Trial, name: str, leaf: Distribution) -> Any:
    """Asks Optuna for the value of a leaf."""
    if isinstance(leaf, Choice):
        return asked.suggest_categorical(name, [label(leaf, index) for index in range(len(leaf.options))])
    if isinstance(leaf, Int):
        return asked.suggest_int(name, leaf.low, leaf.high, step=leaf.step or 1, log=leaf.log)
    return asked.suggest_float(name, leaf.low, leaf.high, step=leaf.step, log=leaf.log)
