"""Judged once on test: scores the front that validation chose, and the anchors, on rows and prompts never looked at.

Each seed of each configuration on the front is trained again, with the same numbers, and judged on the test split.
``RUN/confirmation/`` keeps one record a trial, and a list of who was scored, and when. A second look would be a choice
made on test: later calls show what was scored, also where the search went on and has another front by now.
"""

from __future__ import annotations

import json
import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from raysearch.config.load import Study
from raysearch.config.schema import TrialConfig
from raysearch.errors import FailureReason, UserError
from raysearch.ledger.record import TrialRecord
from raysearch.ledger.run_folder import RunFolder, now
from raysearch.ledger.store import Ledger
from raysearch.pipeline.leg import Leg
from raysearch.search import constraints
from raysearch.search.recorder import estimates
from raysearch.study.herald import Herald
from raysearch.study.listener import Listener, StudyError
from raysearch.study.session import chatter_to, check_place, start_ray, watch
from raysearch.uncertainty.bootstrap import front_members
from raysearch.uncertainty.configurations import configurations


@dataclass(frozen=True)
class Confirmation:
    """A front scored on test.

    Attributes:
        members: numbers of the configurations that validation chose, anchors apart.
        anchors: numbers of the anchors.
        scored_at: when the scoring began.
        new: this call scored it; False where it only reads what was scored before.
        changed: the search went on since, and its front is another now, which is never scored.
    """

    members: tuple[int, ...]
    anchors: tuple[int, ...]
    scored_at: str
    new: bool
    changed: bool = False


def confirm(run: RunFolder, listener: Listener, address: str | None = None) -> Confirmation:
    """Scores the front and the anchors once. Killed on the way, it goes on where it was; afterwards it only reads.

    Args:
        run: of a search.
        listener: hears of progress.
        address: of a Ray cluster; None starts Ray on this machine.

    Raises:
        UserError: an empty front, or another process drives the run.
        StudyError: Ray lost the workers; calling again goes on.
    """
    study = run.study()
    place = run.path / "confirmation"
    with run.driving():
        records = list(run.ledger)
        found = configurations(records)
        members = front_members(found, study.config.objectives)
        chosen = tuple(c.trial for c in found if c.trial in members and c.records[0].kind == "search")
        references = tuple(c.trial for c in found if c.records[0].kind == "anchor")
        plan = place / "confirmation.json"
        if plan.is_file():
            kept: dict[str, Any] = json.loads(plan.read_text(encoding="utf-8"))
            at, new, changed = str(kept["scored_at"]), False, tuple(kept["members"]) != chosen
            chosen, references = tuple(kept["members"]), tuple(kept["anchors"])
            planned = set(kept["trials"])
        else:
            if not chosen:
                raise UserError(
                    f"{run.path}: no feasible sampled trial is on the front: there is nothing to confirm. "
                    f"`raysearch resume {run.path} --trials N` searches on."
                )
            at, new, changed = now(), True, False
            planned = {r.trial for c in found if c.trial in (*chosen, *references) for r in c.records}
            _write_plan(place, {"scored_at": at, "members": chosen, "anchors": references, "trials": sorted(planned)})
        scored = {record.trial for record in Ledger(place)}
        wanted = [record for record in records if record.trial in planned - scored]
        if wanted:
            check_place(study, address)
            with Herald(listener, run, "confirm") as herald:
                _score(study, run, place, wanted, herald, address)
    return Confirmation(chosen, references, at, new, changed)


def _write_plan(place: Path, plan: dict[str, Any]) -> None:
    place.mkdir(exist_ok=True)
    part = place / ".confirmation.part"
    part.write_text(json.dumps(plan, indent=1), encoding="utf-8")
    part.rename(place / "confirmation.json")


def on_test(record: TrialRecord) -> TrialConfig:
    """A trial's configuration, judged on the test split."""
    config = TrialConfig.model_validate(record.config)
    return config.model_copy(update={"evaluation": config.evaluation.model_copy(update={"split": "test"})})


def _score(
    study: Study, run: RunFolder, place: Path, wanted: list[TrialRecord], listener: Listener, address: str | None
) -> None:
    import ray

    from raysearch.workers.dispatcher import Work
    from raysearch.workers.pool import WorkerPool

    listener.started(run, study, len(wanted), 0)
    with chatter_to(run.logs / "ray.log"):
        start_ray(study, address, listener)
        pool = WorkerPool(study.config.workers, (run.path / "ray").resolve())
        pool.start()

        def one(record: TrialRecord) -> None:
            upper = study.config.anchors.unlearning.lora.last_layers
            leg = Leg(timeout_s=study.config.workers.trial_timeout_s, upper_blocks=upper)
            try:
                result = pool.run(Work(record.trial, on_test(record).model_dump(mode="json"), leg))
            except ray.exceptions.RayError:
                result = None
            if result is None or result.attempt is None:
                why = FailureReason.LOST_WORKER if result is None else f"{result.reason}: {result.detail}"
                raise StudyError(f"trial {record.trial} on the test split: {why}. Confirm again: it goes on.")
            scored = _record(study, record, pickle.loads(result.attempt), _baseline(place))
            Ledger(place).append(scored)
            listener.finished(scored)

        try:
            with watch(pool, listener), ThreadPoolExecutor(study.config.workers.groups) as threads:
                first = [record for record in wanted if record.stage == "baseline" and record.kind == "anchor"]
                list(threads.map(one, first))  # the others' constraints are relative to it
                list(threads.map(one, [record for record in wanted if record not in first]))
        finally:
            pool.stop()
            ray.shutdown()


def _baseline(place: Path) -> dict[str, float] | None:
    for record in Ledger(place):
        if record.kind == "anchor" and record.stage == "baseline":
            return {name: estimate.value for name, estimate in record.metrics.items()}
    return None


def _record(study: Study, record: TrialRecord, attempt: Any, baseline: dict[str, float] | None) -> TrialRecord:
    outcome = attempt.outcome
    empty: dict[str, Any] = {"objectives": {}, "metrics": {}, "breakdown": {}, "constraints": {}, "feasible": None}
    failed = {"state": "failed", "config": on_test(record).model_dump(mode="json"), "finished_at": now(), **empty}
    if outcome is None:  # it was scored, and has no score: that is a result, too
        return record.model_copy(update=failed | {"reason": str(attempt.reason), "detail": attempt.detail})
    values = {name: measured.value for name, measured in outcome.metrics.items()}
    found = constraints.violations(study.config.constraints, values, outcome.facts["majority_rate"], baseline)
    return record.model_copy(
        update={
            "config": on_test(record).model_dump(mode="json"),
            "objectives": {name: values[name] for name in study.config.objectives},
            "constraints": found,
            "feasible": all(violation <= 0 for violation in found.values()),
            "metrics": estimates(outcome.metrics),
            "breakdown": estimates(outcome.breakdown),
            "groups": {name: outcome.cube.counts[i].tolist() for i, name in enumerate(outcome.cube.groups)},
            "facts": outcome.facts,
            "curves": outcome.curves,
            "evidence": outcome.evidence,
            "costs_s": outcome.costs_s,
            "versions": attempt.versions,
            "execution": attempt.execution,
            "finished_at": now(),
        }
    )
