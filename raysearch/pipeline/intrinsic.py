"""Stage ``intrinsic``: gap, answer mass and perplexity of a model, on pairs and texts that it never saw."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from raysearch.config.schema import TrialConfig
from raysearch.ledger.record import Evidence
from raysearch.metrics import intrinsic
from raysearch.metrics.intrinsic import Measurement
from raysearch.pipeline import outputs
from raysearch.pipeline.batches import TEXT_SPLIT_SEED
from raysearch.pipeline.outputs import PairScores, Subject
from raysearch.pipeline.runtime import Runtime
from raysearch.stereotypes import stereotype_set as stereotypes
from raysearch.stereotypes.pairs import StereotypePair, draw
from raysearch.text.corpus import general_texts, split_texts


def training_pairs(config: TrialConfig) -> dict[str, tuple[StereotypePair, ...]]:
    """The training split's pairs of every set that is unlearned, by set."""
    chosen = config.stereotypes
    used = [name for name, weight in chosen.weights.items() if weight > 0]
    return {name: stereotypes.pairs(name, "train", chosen.split_seed) for name in used}


def judged_pairs(config: TrialConfig) -> tuple[StereotypePair, ...]:
    """Held-out pairs of the judged split, as many of each set: no template or word of them is trained."""
    chosen, split = config.stereotypes, config.evaluation.split
    sets = list(chosen.weights)
    count = None if chosen.evaluation_pairs is None else max(1, chosen.evaluation_pairs // len(sets))
    held_out = [stereotypes.pairs(name, split, chosen.split_seed, chosen.terms) for name in sets]
    if count is not None or len(sets) > 1:  # the mean over pairs is then the mean over sets
        count = min(len(of_set) for of_set in held_out) if count is None else count
    return tuple(pair for of_set in held_out for pair in draw(of_set, count, chosen.split_seed))


@dataclass(frozen=True)
class Intrinsic:
    """Intrinsic metrics, the gap by group of prompts and control, counts for the record, and the gap of each pair."""

    metrics: dict[str, Measurement]
    breakdown: dict[str, Measurement]
    facts: dict[str, Any]
    evidence: Evidence


def measure_intrinsic(
    config: TrialConfig, subject: Subject, pairs: tuple[StereotypePair, ...], runtime: Runtime
) -> Intrinsic:
    """Gap, signed gap, answer-mass ratio and perplexity ratio on held-out pairs and texts."""
    reference = Subject(subject.lm, subject.lm.model, untouched=True, upper_blocks=subject.upper_blocks)
    bootstrap = (config.evaluation.bootstrap_rounds, config.evaluation.confidence, config.seed)
    before = _unadapted(subject, lambda: outputs.score_pairs(reference, pairs, runtime))
    after = outputs.score_pairs(subject, pairs, runtime)
    found = intrinsic.gap(after.stereotype_mean, after.anti_stereotype_mean, [pair.pole for pair in pairs], *bootstrap)
    mass = intrinsic.answer_mass_ratio(
        after.stereotype, after.anti_stereotype, before.stereotype, before.anti_stereotype, *bootstrap
    )
    perplexity, texts = _perplexity_ratio(config, subject, reference, runtime)
    metrics = {
        "intrinsic_gap": found.gap,
        "intrinsic_signed_gap": found.signed_gap,
        "answer_mass_ratio": mass,
        "perplexity_ratio": perplexity,
    }
    evidence = Evidence(
        pairs=digest_of(pairs),
        pair_gaps=tuple(
            round(float(signed), 6)
            for signed in intrinsic.signed_gaps(after.stereotype_mean, after.anti_stereotype_mean)
        ),
        pair_sets=tuple(Counter(pair.set for pair in pairs).items()),
    )
    by_set = _by_set(pairs, after, bootstrap)
    for name in config.stereotypes.weights if by_set else ():
        metrics |= {f"intrinsic_gap.{name}": by_set[name], f"intrinsic_signed_gap.{name}": by_set[f"{name}.signed"]}
    breakdown = {**found.by_group, **by_set, **_lengths(after, bootstrap)}
    if config.evaluation.controls:
        breakdown |= _controls(config, subject, runtime, bootstrap)
    return Intrinsic(metrics, breakdown, {"held_out_pairs": len(pairs), "perplexity_texts": texts}, evidence)


Bootstrap = tuple[int, float, int]
"""(rounds, confidence, seed)."""


def _by_set(pairs: Sequence[StereotypePair], scores: PairScores, bootstrap: Bootstrap) -> dict[str, Measurement]:
    """Gap and signed gap of each set, where there is more than one."""
    sets = [pair.set for pair in pairs]
    if len(set(sets)) < 2:
        return {}
    return intrinsic.gap(scores.stereotype_mean, scores.anti_stereotype_mean, sets, *bootstrap).by_group


def _lengths(scores: PairScores, bootstrap: Bootstrap) -> dict[str, Measurement]:
    """Length controls: the gap without normalisation, and on pairs whose answers have equally many tokens."""
    found = {"control.not_normalised": _gap(scores.stereotype, scores.anti_stereotype, bootstrap)}
    equal = scores.stereotype_tokens == scores.anti_stereotype_tokens
    if equal.any():
        found["control.equal_length"] = _gap(
            scores.stereotype_mean[equal], scores.anti_stereotype_mean[equal], bootstrap
        )
    return found


def _controls(config: TrialConfig, subject: Subject, runtime: Runtime, bootstrap: Bootstrap) -> dict[str, Measurement]:
    """The gap on paraphrases; on choices with the answers named in either order; and how much the order matters.

    ``control.both_orders`` is the gap of the two orders' mean p_s, which no preference for a place can move;
    ``control.order_effect`` the mean absolute change of p_s when the two are named the other way round, in [0, 1].
    """
    chosen, split = config.stereotypes, config.evaluation.split
    sets = [stereotypes.find(name) for name in chosen.weights]
    found = {}
    paraphrases = [pair for each in sets for pair in each.paraphrased(split, chosen.split_seed, chosen.terms)]
    if paraphrases:
        scores = outputs.score_pairs(subject, tuple(paraphrases), runtime)
        found["control.paraphrases"] = _gap(scores.stereotype_mean, scores.anti_stereotype_mean, bootstrap)
    choices = [both for each in sets for both in each.in_both_orders(split, chosen.split_seed, chosen.terms)]
    if choices:
        scores = outputs.score_pairs(subject, tuple(pair for both in choices for pair in both), runtime)
        signed = intrinsic.signed_gaps(scores.stereotype_mean, scores.anti_stereotype_mean)
        one, other = signed[0::2], signed[1::2]
        found["control.both_orders"] = intrinsic.mean_with_interval(np.abs(one + other) / 2, *bootstrap)
        found["control.order_effect"] = intrinsic.mean_with_interval(np.abs(one - other) / 2, *bootstrap)
    return found


def _gap(stereotype: intrinsic.Values, anti_stereotype: intrinsic.Values, bootstrap: Bootstrap) -> Measurement:
    return intrinsic.mean_with_interval(np.abs(intrinsic.signed_gaps(stereotype, anti_stereotype)), *bootstrap)


def digest_of(items: Any) -> str:
    """A short name for what was judged: equal names, equal items in equal order."""
    return hashlib.sha256(repr(items).encode()).hexdigest()[:16]


def _perplexity_ratio(
    config: TrialConfig, subject: Subject, reference: Subject, runtime: Runtime
) -> tuple[Measurement, int]:
    settings = config.evaluation
    _, held_out = split_texts(general_texts(settings.perplexity_source), TEXT_SPLIT_SEED)
    texts = held_out[: settings.perplexity_texts]
    limit = settings.perplexity_max_length_tokens
    before = _unadapted(subject, lambda: outputs.likelihood(reference, texts, limit, runtime))
    after = outputs.likelihood(subject, texts, limit, runtime)
    ratio = intrinsic.perplexity_ratio(
        after[0], before[0], after[1], settings.bootstrap_rounds, settings.confidence, config.seed
    )
    return ratio, len(texts)


def _unadapted(subject: Subject, compute: Callable[[], Any]) -> Any:
    """Runs with the training's change switched off: it lies in the base model itself."""
    if subject.untouched:
        return compute()
    with subject.model.disable_adapter():  # type: ignore[operator]
        return compute()
