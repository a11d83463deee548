"""A trial: configuration in, outcome out. The four stages are settings of this one function; no Ray in here.

outcome = run_trial(TrialConfig(cda=CdaDuplicate(mode="duplicate")), Runtime())
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from raysearch import registry
from raysearch.config.metric_names import METRICS
from raysearch.config.schema import TrialConfig
from raysearch.errors import DataError, FailureReason, TrialError
from raysearch.ledger.record import Evidence
from raysearch.metrics import groups
from raysearch.metrics.groups import CountCube
from raysearch.metrics.intrinsic import Measurement
from raysearch.models.language_model import LanguageModel
from raysearch.models.update import scaled, updatable
from raysearch.pipeline import stage_cache, unlearn
from raysearch.pipeline.data import Data, prepare
from raysearch.pipeline.intrinsic import digest_of, judged_pairs, measure_intrinsic, training_pairs
from raysearch.pipeline.leg import WHOLE, Leg, full_fidelity
from raysearch.pipeline.outputs import Subject
from raysearch.pipeline.runtime import MOST_PATIENCE_S, Runtime, Stopwatch


@dataclass
class Outcome:
    """All that a trial measured at the end of a leg; see ``ledger.record`` for what is not said here.

    Attributes:
        metrics: every name in the configuration's ``measured``; of a gated trial the intrinsic ones.
        breakdown: the intrinsic gap by group of prompts and by control; group metrics by more attributes.
        cube: counts of the judged rows; None for a gated trial.
        curves: learning curve from the trial's start.
        facts: counts for the record.
        evidence: the decision on each judged row and the gap of each pair.
        fidelity: how far the trial has come on the scale of the leg's fidelity; None where it has none.
        final: nothing is left to do: full fidelity, or gated.
        gated: violations of the intrinsic constraints of a trial that did not pay for the downstream stage.
        costs_s: seconds of this leg by stage.
    """

    metrics: dict[str, Measurement]
    breakdown: dict[str, Measurement]
    cube: CountCube | None
    curves: list[dict[str, float]]
    facts: dict[str, Any]
    evidence: Evidence = field(default_factory=Evidence)
    fidelity: int | None = None
    final: bool = True
    gated: dict[str, float] = field(default_factory=dict)
    costs_s: dict[str, float] = field(default_factory=dict)


def run_trial(config: TrialConfig, runtime: Runtime, leg: Leg = WHOLE) -> Outcome:
    """Runs one trial: data -> text -> (CDA) -> (unlearning) -> downstream model -> metrics.

    With the same configuration, one process and the same number of threads on a CPU, the result is the same bit for
    bit, however many legs it took.

    Args:
        config: the trial.
        runtime: process, device, observer.
        leg: how far to go; by default all the way.

    Raises:
        TrialError: for a known reason; the runtime is fit for the next trial.
    """
    watch = Stopwatch(runtime)
    limit = math.inf if leg.timeout_s is None else leg.timeout_s
    runtime.patience_s = min(MOST_PATIENCE_S, limit / 4)  # what is lost by waiting must not end the trial
    seed_everything(config.seed)
    with watch.stage("model"):
        lm = runtime.language_model(config.model)
    with watch.stage("data"):
        data = prepare(config, runtime, leg)
        _show_data(data, runtime)
    train_pairs, held_out = training_pairs(config), judged_pairs(config)
    with _model_of(config, lm, train_pairs, runtime, leg) as subject:
        curves: list[dict[str, float]] = []
        if config.unlearning is not None:
            with watch.stage("unlearning"):
                runtime.observer.show("pair", next(iter(train_pairs.values()))[0])
                curves = unlearn.train(lm, subject.model, config, train_pairs, runtime, leg)
        with _scaled(config, subject):
            with watch.stage("intrinsic"):
                found = measure_intrinsic(config, subject, held_out, runtime)
                runtime.observer.show("intrinsic", found.metrics)
            facts = {**found.facts, **data.facts, "model_digest": lm.digest}
            outcome = Outcome(found.metrics, found.breakdown, None, curves, facts, found.evidence)
            outcome.fidelity, full = _fidelity(config, leg)
            outcome.final = outcome.fidelity == full
            outcome.gated = leg.broken({name: measured.value for name, measured in found.metrics.items()})
            if outcome.gated:
                outcome.final = True
            else:
                with watch.stage("downstream"):
                    _judge(config, data, subject, runtime, leg, outcome)
    if outcome.cube is not None:
        with watch.stage("metrics"):
            _measure_groups(config, outcome.cube, runtime, outcome)
    outcome.costs_s = watch.costs_s()
    return outcome


def _fidelity(config: TrialConfig, leg: Leg) -> tuple[int | None, int | None]:
    """(where the leg ends, the trial's full value), on the scale of the leg's fidelity."""
    full = full_fidelity(config.model_dump(mode="json"), leg.fidelity)
    return (None if full is None else leg.limit(leg.fidelity, full)), full


def _measure_groups(config: TrialConfig, cube: CountCube, runtime: Runtime, outcome: Outcome) -> None:
    settings = config.evaluation
    extrinsic = groups.measure(
        cube, config.data.min_group_rows, settings.bootstrap_rounds, settings.confidence, config.seed
    )
    runtime.observer.show("counts", cube)
    runtime.observer.show("extrinsic", extrinsic)
    everything = {**outcome.metrics, **extrinsic}
    outcome.metrics = {name: everything[name] for name in (*METRICS, *everything)}
    outcome.facts["majority_rate"] = groups.majority_rate(cube)


def seed_everything(seed: int) -> None:
    """Seeds every generator that a library might draw from; our own code passes generators along."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


@contextmanager
def _model_of(
    config: TrialConfig, lm: LanguageModel, pairs: Mapping[str, Any], runtime: Runtime, leg: Leg = WHOLE
) -> Iterator[Subject]:
    """The model of a trial, to be trained; its identity is that of the model when training is done.

    The code that trains is a part of it. A model whose weights are not kept has none: where arithmetic is not
    deterministic, outputs of one training would stand beside the curve of another.
    """
    if config.unlearning is None:
        yield Subject(lm, lm.model, untouched=True, upper_blocks=leg.upper_blocks)
        return
    end = leg.limit("unlearning.steps", config.unlearning.steps)
    key = (unlearn.identity(lm, config, pairs, end),)
    trained = stage_cache.address("unlearning", key, runtime.device, runtime.communicator.size)
    with updatable(lm, config.unlearning, config.seed) as wrapped:
        identity = f"{trained} {config.unlearning.task_vector_scale}" if unlearn.is_kept(wrapped, runtime) else None
        yield Subject(lm, wrapped, untouched=False, identity=identity)


def _scaled(config: TrialConfig, subject: Subject) -> AbstractContextManager[None]:
    return nullcontext() if config.unlearning is None else scaled(subject.model, config.unlearning.task_vector_scale)


def _judge(config: TrialConfig, data: Data, subject: Subject, runtime: Runtime, leg: Leg, outcome: Outcome) -> None:
    """Decides on the judged rows; every process counts its share, and the counts are added up."""
    judgement = registry.get("downstream", config.downstream.kind)().judge(config, data, subject, runtime, leg)
    order = tuple(sorted(set(data.judged.groups.tolist())))
    share = CountCube.from_predictions(
        data.judged.groups[judgement.rows], data.judged.target[judgement.rows], judgement.decided, order
    )
    outcome.cube = CountCube(order, runtime.communicator.sum(share.counts))
    outcome.facts |= judgement.facts
    outcome.evidence = outcome.evidence.model_copy(
        update={
            "rows": digest_of((config.evaluation.split, data.facts["table_digest"], data.judged_rows.tolist())),
            "target": tuple(data.judged.target.tolist()),
            "group": tuple(order.index(group) for group in data.judged.groups.tolist()),
            "decided": tuple(runtime.communicator.gather(judgement.decided.tolist())),
            "also_by": {
                attribute: tuple(measured.index(group) if group in measured else -1 for group in of_row.tolist())
                for attribute, (of_row, measured) in data.also_by.items()
            },
        }
    )
    for attribute, (of_row, measured) in data.also_by.items():
        kept = np.isin(of_row, measured)
        decided = np.asarray(outcome.evidence.decided)[kept]
        cube = CountCube.from_predictions(of_row[kept], data.judged.target[kept], decided, measured)
        settings = config.evaluation
        found = groups.measure(
            cube, config.data.min_group_rows, settings.bootstrap_rounds, settings.confidence, config.seed
        )
        outcome.breakdown |= {f"{attribute}.{name}": value for name, value in found.items()}
        outcome.metrics |= {f"{name}.{attribute}": value for name, value in found.items()}
    runtime.observer.show("decisions", judgement)


def _show_data(data: Data, runtime: Runtime) -> None:
    runtime.observer.show("row", data.example[0])
    runtime.observer.show("counterfactual", data.example[1])
    runtime.observer.show("facts", data.facts)


def explain(error: BaseException) -> tuple[FailureReason, str]:
    """Why a trial failed: a reason from the list, and the error's own words."""
    words = " ".join(f"{type(error).__name__}: {error}".split())
    if isinstance(error, TrialError):
        return error.reason, str(error)
    if isinstance(error, torch.cuda.OutOfMemoryError | MemoryError) or "can't allocate memory" in words:
        return FailureReason.OUT_OF_MEMORY, words
    if isinstance(error, DataError):
        return FailureReason.BAD_DATA, str(error)
    return FailureReason.EXCEPTION, words
