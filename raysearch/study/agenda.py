"""From a ledger to what is left to do: the search is rebuilt from its records alone."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

from raysearch.config.load import Study
from raysearch.ledger.record import ProposalRecord
from raysearch.ledger.run_folder import RunFolder
from raysearch.pipeline.preflight import anchors
from raysearch.search import storage
from raysearch.search.recorder import verdict as verdict_of
from raysearch.search.searcher import Agenda, Verdict
from raysearch.study.warm_start import WarmTrial, kept


def replicates_of(study: Study, asked: int) -> int:
    """How many of the asked trials are replicates."""
    return round(study.config.search.replicates.share * asked)


def agenda(study: Study, run: RunFolder, asked: int) -> Agenda:
    """What is left to do of a study of which so many sampled trials are asked; nothing is recorded in a new run."""
    records = {record.trial: record for record in run.ledger}
    proposals = {proposal.trial: proposal for proposal in run.ledger.proposals()}
    waiting = deque(proposal for number, proposal in proposals.items() if number not in records)
    chosen = anchors(study)
    for number, anchor in enumerate(chosen):
        if number not in proposals and number not in records:
            config = anchor.config.model_dump(mode="json")
            waiting.append(ProposalRecord(trial=number, kind="anchor", config=config, anchor=anchor.stage))
    waiting = deque(sorted(waiting, key=lambda proposal: proposal.trial))
    numbers = [*proposals, *records, len(chosen) - 1]
    kinds = list({**{n: p.kind for n, p in proposals.items()}, **{n: r.kind for n, r in records.items()}}.values())
    sampled, replicated = kinds.count("search"), kinds.count("replicate")
    tried = {proposal.point for proposal in proposals.values() if proposal.point is not None}
    points = [(index, point) for index, point in enumerate(study.points) if index not in tried]
    wanted = replicates_of(study, asked)
    baseline = any(r.kind == "anchor" and r.stage == "baseline" and r.state == "complete" for r in records.values())
    return Agenda(
        waiting=waiting,
        points=deque(points),
        samples=max(0, asked - wanted - sampled),
        replicates=max(0, min(wanted - replicated, asked - sampled - replicated)),
        next_number=max(numbers) + 1,
        baseline_first=not baseline,
    )


def optuna_study(study: Study, run: RunFolder, warm: list[WarmTrial], place: Any = None) -> Any:
    """Optuna's study of a run, made anew from the ledger: every finished sampled trial once, none left running.

    Args:
        study: the run's.
        run: its folder.
        warm: trials of earlier runs.
        place: Optuna's storage; None for the one that the run has, or is to have.
    """
    opened = storage.open_storage(run.journal) if place is None else place
    proposed = sum(proposal.kind == "search" for proposal in run.ledger.proposals())
    found = storage.new_study(opened, study_name(run), study, proposed)
    trials = [*_warm(warm), *_recorded(study, run)]
    if study.config.search.sampler.constraints == "withheld":
        trials = [(params, verdict.without_constraints(), attributes) for params, verdict, attributes in trials]
    storage.add(found, study.space, trials)
    return found


def from_ledger(run: RunFolder) -> Any:
    """A storage in memory with Optuna's study of a run as its ledger is now: for a run whose own storage is not here.

    Raises:
        UserError: a record cannot be read.
    """
    found = storage.in_memory()
    optuna_study(run.study(), run, kept(run), found)
    return found


def study_name(run: RunFolder) -> str:
    """Of Optuna's study."""
    return run.optuna_name


Told = tuple[Mapping[str, Any], Verdict, Mapping[str, Any]]


def _warm(warm: list[WarmTrial]) -> Iterator[Told]:
    for trial in warm:
        yield trial.params, Verdict("complete", trial.values, trial.constraints), {"warm_start": trial.origin}


def _recorded(study: Study, run: RunFolder) -> Iterator[Told]:
    for record in run.ledger:
        if record.kind == "search":
            yield record.params, verdict_of(record, study), {"trial": record.trial}
