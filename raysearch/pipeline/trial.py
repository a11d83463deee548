"""A trial: configuration in, outcome out. The four stages are settings of this one function; no Ray in here.

outcome = run_trial(TrialConfig(cda=CdaDuplicate(mode="duplicate")), Runtime())
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from raysearch import registry
from raysearch.config.schema import METRICS, TrialConfig
from raysearch.errors import DataError, FailureReason, TrialError
from raysearch.metrics import groups, intrinsic
from raysearch.metrics.groups import CountCube
from raysearch.metrics.intrinsic import Measurement
from raysearch.models.lora import adapted
from raysearch.pipeline import outputs, unlearn
from raysearch.pipeline.data import Data, prepare
from raysearch.pipeline.outputs import Subject
from raysearch.pipeline.runtime import Runtime, Stopwatch
from raysearch.stereotypes import pairs as stereotypes
from raysearch.stereotypes.pairs import StereotypePair
from raysearch.text.corpus import general_texts, split_texts


@dataclass
class Outcome:
    """All that a trial measured. ``metrics`` holds every name in ``METRICS``; see ``ledger.record`` for the rest."""

    metrics: dict[str, Measurement]
    breakdown: dict[str, Measurement]
    cube: CountCube
    curves: list[dict[str, float]]
    facts: dict[str, Any]
    costs_s: dict[str, float] = field(default_factory=dict)


def run_trial(config: TrialConfig, runtime: Runtime) -> Outcome:
    """Runs one trial: data -> text -> (CDA) -> (unlearning) -> downstream model -> metrics.

    With the same configuration, one process and the same number of threads on a CPU, the result is the same bit for
    bit.

    Raises:
        TrialError: for a known reason; the runtime is fit for the next trial.
    """
    watch = Stopwatch(runtime.observer)
    seed_everything(config.seed)
    with watch.stage("model"):
        lm = runtime.language_model(config.model)
    with watch.stage("data"):
        data = prepare(config, runtime)
        _show_data(data, runtime)
    train_pairs, held_out = stereotype_pairs(config)
    with _model_of(config, lm) as subject:
        curves: list[dict[str, float]] = []
        if config.unlearning is not None:
            with watch.stage("unlearning"):
                runtime.observer.show("pair", train_pairs[0])
                curves = unlearn.train(lm, subject.model, config.unlearning, train_pairs, config.seed, runtime)
        with watch.stage("intrinsic"):
            metrics, breakdown, facts = measure_intrinsic(config, subject, held_out, runtime)
            runtime.observer.show("intrinsic", metrics)
        with watch.stage("downstream"):
            cube, judged_facts = _judge(config, data, subject, runtime)
    with watch.stage("metrics"):
        extrinsic = groups.measure(
            cube,
            config.data.min_group_rows,
            config.evaluation.bootstrap_rounds,
            config.evaluation.confidence,
            config.seed,
        )
        runtime.observer.show("counts", cube)
        runtime.observer.show("extrinsic", extrinsic)
    facts |= {**data.facts, **judged_facts, "majority_rate": groups.majority_rate(cube), "model_digest": lm.digest}
    everything = {**metrics, **extrinsic}
    return Outcome(
        metrics={name: everything[name] for name in METRICS},
        breakdown=breakdown,
        cube=cube,
        curves=curves,
        facts=facts,
        costs_s=watch.costs_s(),
    )


def seed_everything(seed: int) -> None:
    """Seeds every generator that a library might draw from; our own code passes generators along."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


@contextmanager
def _model_of(config: TrialConfig, lm: Any) -> Iterator[Subject]:
    if config.unlearning is None:
        yield Subject(lm, lm.model, untouched=True)
        return
    with adapted(lm, config.unlearning.lora, config.seed) as wrapped:
        yield Subject(lm, wrapped, untouched=False)


def stereotype_pairs(config: TrialConfig) -> tuple[tuple[StereotypePair, ...], tuple[StereotypePair, ...]]:
    """(training pairs, held-out pairs of the judged split): no template or word is in both."""
    chosen = config.stereotypes
    train = stereotypes.pairs(chosen.set, "train", chosen.split_seed)
    judged = stereotypes.pairs(chosen.set, config.evaluation.split, chosen.split_seed)
    return train, stereotypes.draw(judged, chosen.evaluation_pairs, chosen.split_seed)


def measure_intrinsic(
    config: TrialConfig, subject: Subject, pairs: tuple[StereotypePair, ...], runtime: Runtime
) -> tuple[dict[str, Measurement], dict[str, Measurement], dict[str, Any]]:
    """Gap, signed gap, answer-mass ratio and perplexity ratio on held-out pairs and texts.

    Returns:
        (metrics, gap by group of prompts, facts).
    """
    reference = Subject(subject.lm, subject.lm.model, untouched=True)
    bootstrap = (config.evaluation.bootstrap_rounds, config.evaluation.confidence, config.seed)
    before = _unadapted(subject, lambda: outputs.score_pairs(reference, pairs, runtime))
    after = outputs.score_pairs(subject, pairs, runtime)
    gap = intrinsic.gap(after.stereotype_mean, after.anti_stereotype_mean, [pair.wealth for pair in pairs], *bootstrap)
    mass = intrinsic.answer_mass_ratio(
        after.stereotype, after.anti_stereotype, before.stereotype, before.anti_stereotype, *bootstrap
    )
    perplexity, texts = _perplexity_ratio(config, subject, reference, runtime)
    facts = {"held_out_pairs": len(pairs), "perplexity_texts": texts}
    metrics = {
        "intrinsic_gap": gap.gap,
        "intrinsic_signed_gap": gap.signed_gap,
        "answer_mass_ratio": mass,
        "perplexity_ratio": perplexity,
    }
    return metrics, gap.by_group, facts


def _perplexity_ratio(
    config: TrialConfig, subject: Subject, reference: Subject, runtime: Runtime
) -> tuple[Measurement, int]:
    settings = config.evaluation
    _, held_out = split_texts(general_texts(settings.perplexity_source), unlearn.TEXT_SPLIT_SEED)
    texts = held_out[: settings.perplexity_texts]
    limit = settings.perplexity_max_length_tokens
    before = _unadapted(subject, lambda: outputs.likelihood(reference, texts, limit, runtime))
    after = outputs.likelihood(subject, texts, limit, runtime)
    ratio = intrinsic.perplexity_ratio(
        after[0], before[0], after[1], settings.bootstrap_rounds, settings.confidence, config.seed
    )
    return ratio, len(texts)


def _unadapted(subject: Subject, compute: Callable[[], Any]) -> Any:
    """Runs with the adapter switched off: peft puts adapter layers into the base model itself."""
    if subject.untouched:
        return compute()
    with subject.model.disable_adapter():  # type: ignore[operator]
        return compute()


def _judge(config: TrialConfig, data: Data, subject: Subject, runtime: Runtime) -> tuple[CountCube, dict[str, Any]]:
    """Decides on the judged rows; every process counts its share, and the counts are added up."""
    judgement = registry.get("downstream", config.downstream.kind)().judge(config, data, subject, runtime)
    order = tuple(sorted(set(data.judged.groups.tolist())))
    share = CountCube.from_predictions(
        data.judged.groups[judgement.rows], data.judged.target[judgement.rows], judgement.decided, order
    )
    cube = CountCube(order, runtime.communicator.sum(share.counts))
    runtime.observer.show("decisions", judgement)
    return cube, judgement.facts


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
