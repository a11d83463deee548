"""The one process that writes: hands trials to the workers, judges what comes back, keeps the ledger."""

from __future__ import annotations

import pickle
import shutil
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from raysearch.config.load import Study
from raysearch.errors import FailureReason, RunFolderError
from raysearch.ledger.record import ProposalRecord, TrialRecord
from raysearch.ledger.run_folder import RunFolder
from raysearch.pipeline.attempt import Attempt
from raysearch.pipeline.leg import Leg, rungs_of
from raysearch.search.halving import Arrival, Rungs
from raysearch.search.recorder import Ending, Recorder, arrival, verdict
from raysearch.search.searcher import ParetoSearcher, Verdict
from raysearch.study.listener import Listener
from raysearch.uncertainty.bootstrap import next_replicate
from raysearch.uncertainty.configurations import configurations
from raysearch.workers.pool import WorkerPool

_SEED_STEP = 7919
"""Replicate k of a trial with seed s has seed s + 7919 k: a prime, so that seeds of a range of trials do not meet."""


class Driver:
    """The searcher's desk and the scheduler's ear.

    Args:
        study: what is searched.
        run: where the ledger is.
        pool: the worker groups.
        listener: hears of progress.
    """

    def __init__(self, study: Study, run: RunFolder, pool: WorkerPool, listener: Listener) -> None:
        self._study = study
        self._run = run
        self._pool = pool
        self._listener = listener
        self._recorder = Recorder(study, run)
        self._proposed: set[int] = set()
        self._seeds: dict[int, set[int]] = {}
        for proposal in run.ledger.proposals():
            self._remember(proposal)
        self._records: list[TrialRecord] | None = None
        self._recorded_rungs: dict[int, set[int]] = {}
        self._stopped: set[int] = set()
        self._last: dict[int, Ending] = {}
        for done in run.ledger:  # a kill between a trial's record and the removal of its states
            shutil.rmtree(self._folder(done.trial), ignore_errors=True)
        self.problems: list[str] = []
        self.searcher: ParetoSearcher | None = None
        early = study.config.search.early_stopping
        self.rungs = None if early is None else Rungs(list(study.config.objectives.values()), early.reduction_factor)
        for record in run.ledger.rungs():
            self._recorded_rungs.setdefault(record.trial, set()).add(record.fidelity)
            if self.rungs is not None:
                self.rungs.remember([arrival(record)])

    def hand_out(self, proposal: ProposalRecord) -> Sequence[Leg]:
        """Records a trial, unless it is on record, and says in what legs it runs."""
        if proposal.trial not in self._proposed:
            self._run.ledger.propose(proposal)
            self._remember(proposal)
        search, workers = self._study.config.search, self._study.config.workers
        sampled = proposal.kind == "search"
        early = search.early_stopping
        gate = self._recorder.gate() if sampled else ()
        fidelity = "unlearning.steps" if early is None else early.fidelity
        ends: list[int | None] = [None]
        if sampled and early is not None:
            passed = self._recorded_rungs.get(proposal.trial, set())
            ends = [rung for rung in rungs_of(proposal.config, early.fidelity, early.rungs) if rung not in passed]
            ends.append(None)
        return [
            Leg(
                until=end,
                fidelity=fidelity,
                folder=str(self._folder(proposal.trial)),
                # Unlearning may mend by its end what is broken at a rung; more training rows change nothing about it.
                gate=gate if end is None or fidelity != "unlearning.steps" else (),
                timeout_s=workers.trial_timeout_s,
                checkpoint_every_s=workers.checkpoint_every_s,
                upper_blocks=self._study.config.anchors.unlearning.lora.last_layers,
            )
            for end in ends
        ]

    def arrive(self, number: int) -> Arrival | None:
        """A trial's result at a rung, for the scheduler."""
        if self.searcher is None or number not in self.searcher.out():
            return None
        proposal = self.searcher.out()[number]
        ending = self._collect(number)
        if ending is None or ending.attempt is None or ending.attempt.outcome is None:
            return None
        self._last[number] = ending
        try:
            found = self._recorder.rung(proposal, ending.attempt)
        except RunFolderError as error:
            self._problem(str(error))
            return None
        self._listener.reached(found.trial, found.fidelity)
        self._recorded_rungs.setdefault(number, set()).add(found.fidelity)
        return found

    def stop(self, number: int) -> None:
        """The scheduler ends a trial at a rung."""
        self._stopped.add(number)

    def settle(self, proposal: ProposalRecord, lost: bool) -> Verdict | None:
        """Records how a trial ended; None where it did not end."""
        number = proposal.trial
        ending = self._last.get(number) if number in self._stopped else self._collect(number)
        if ending is not None and number in self._stopped:
            ending.stopped = True
        if ending is not None and ending.reason == FailureReason.STOPPED:
            return None
        if ending is not None and ending.reason == FailureReason.NO_WORKERS:
            self._problem(f"{ending.detail}. `raysearch resume {self._run.path}` goes on where it was")
            return None
        if ending is None:
            if not lost or not self._pool.alive():
                return None
            ending = Ending(
                reason=FailureReason.LOST_WORKER, detail="Ray lost the trial twice", finished_at_s=time.time()
            )
        try:
            record = self._recorder.finish(proposal, ending)
        except RunFolderError as error:  # Ray Tune would show it as an error of its own, with a traceback
            self._problem(str(error))
            return None
        if self._records is not None:
            self._records.append(record)
        self._last.pop(number, None)
        shutil.rmtree(self._folder(number), ignore_errors=True)
        self._listener.finished(record)
        self._look_for_problems(proposal, record)
        return verdict(record, self._study)

    def replicate(self, number: int, pending: Mapping[int, int]) -> ProposalRecord | None:
        """The next replicate: another seed for the configuration whose place on the front is least certain."""
        if self._records is None:  # read once, at the first replicate: many need not be held before
            self._records = list(self._run.ledger)
        records = sorted(self._records, key=lambda record: record.trial)  # as a new driver would read them
        found = configurations(records)
        config = self._study.config
        seeds = Counter(pending)  # those that are out, and those that failed: a seed is spent, whatever came of it
        seeds.update(r.replicate_of for r in records if r.replicate_of is not None and r.state != "complete")
        chosen = next_replicate(found, config.objectives, seeds, config.search.replicates.most_seeds, number)
        if chosen is None:
            return None
        first = chosen.records[0]
        used = self._seeds.get(first.trial, set())
        seed = first.seed + _SEED_STEP
        while seed in used:
            seed += _SEED_STEP
        return ProposalRecord(
            trial=number,
            kind="replicate",
            params=first.params,
            config={**first.config, "seed": seed},
            replicate_of=first.trial,
        )

    def _remember(self, proposal: ProposalRecord) -> None:
        self._proposed.add(proposal.trial)
        if proposal.replicate_of is not None:
            self._seeds.setdefault(proposal.replicate_of, set()).add(proposal.config["seed"])

    def _folder(self, number: int) -> Any:
        return self._run.checkpoints.resolve() / f"trial-{number:06d}"

    def _collect(self, number: int) -> Ending | None:
        result = self._pool.collect(number)
        if result is None:
            return None
        attempt: Attempt | None = None if result.attempt is None else pickle.loads(result.attempt)
        return Ending(
            attempt=attempt,
            reason=result.reason,
            detail=result.detail,
            started_at_s=result.started_at_s,
            finished_at_s=result.finished_at_s,
        )

    def _look_for_problems(self, proposal: ProposalRecord, record: TrialRecord) -> None:
        if record.state == "failed" and proposal.anchor == "baseline":
            self._problem(f"the baseline failed: {record.reason}: {record.detail}")
        elif self._recorder.failures_in_a_row >= self._study.config.search.max_consecutive_failures:
            self._problem(
                f"{self._recorder.failures_in_a_row} trials failed in a row, the last: {record.reason}: {record.detail}"
            )

    def _problem(self, words: str) -> None:
        self.problems.append(words)
        if self.searcher is not None:
            self.searcher.stop()
