"""Stage ``unlearning``: trains an adapter, or the weights, on the composite loss.

One process, or several with DDP, give the same result.

A step's batch is the same whatever the number of processes; each takes a consecutive share of its pairs and texts, and
the composite loss divides by the whole batch's counts, so the shares' gradients add up to the batch's.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from raysearch.config.schema import TrialConfig
from raysearch.config.unlearning import UnlearningConfig
from raysearch.errors import NonFiniteLossError, TrialError
from raysearch.losses.composite import CompositeLoss
from raysearch.losses.dual import DualWeights
from raysearch.models.language_model import LanguageModel
from raysearch.models.sharding import average_gradients, clip_gradients, is_sharded
from raysearch.pipeline import guards
from raysearch.pipeline.batches import NeutralBatch, batches_of_pairs, neutral_batches, parts_of
from raysearch.pipeline.checkpoint import Checkpoints, Progress, put_state, state_of
from raysearch.pipeline.communicator import Communicator, shard
from raysearch.pipeline.leg import WHOLE, Leg
from raysearch.pipeline.objective import Objective, Part
from raysearch.pipeline.outputs import Passes
from raysearch.pipeline.runtime import Runtime
from raysearch.stereotypes.pairs import StereotypePair


def learning_rate(step: int, config: UnlearningConfig) -> float:
    """Linear warm-up over the first steps, then linear decay towards zero at the end."""
    warmup = max(1, round(config.warmup_fraction * config.steps))
    if step < warmup:
        return config.lr * (step + 1) / warmup
    return config.lr * (config.steps - step) / max(1, config.steps - warmup + 1)


class _Saver:
    """Saves the state of a training on rank 0: at the end of a leg, now and then within it, and while all is stopped.

    Args:
        trial: the trial's whole configuration.
        leg: where, and how often.
        communicator: only rank 0 writes; every rank reads.
    """

    def __init__(self, trial: TrialConfig, leg: Leg, communicator: Communicator) -> None:
        self.checkpoints = None if leg.folder is None else Checkpoints(Path(leg.folder), trial)
        self._communicator = communicator
        self._writes = communicator.rank == 0
        self._every_s = leg.checkpoint_every_s
        self._saved_at = time.monotonic()

    def step_done(self, now: bool, progress: Progress, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        """Called after every step; ``now``: do not wait until it is time."""
        due = now or time.monotonic() - self._saved_at >= self._every_s
        if self.checkpoints is None:
            return
        spread = is_sharded(model)
        if spread:  # all take part, so all must agree on when
            due = self._communicator.broadcast(due)
        if due and (self._writes or spread):
            self.checkpoints.save(progress, model, optimizer, write=self._writes)
            self._saved_at = time.monotonic()


def train(
    lm: LanguageModel,
    model: nn.Module,
    trial: TrialConfig,
    pairs: Mapping[str, Sequence[StereotypePair]],
    runtime: Runtime,
    leg: Leg = WHOLE,
) -> list[dict[str, float]]:
    """Trains the model's update in place, to the end of a leg; goes on from the trial's saved state if there is one.

    What was trained to its end before, by any trial with the same unlearning, is taken from the cache.

    Args:
        lm: the base model.
        model: it, with a fresh update (``models.update``).
        trial: its ``unlearning`` block, the weights of its stereotype sets, and its seed, which fixes the order.
        pairs: the training split, by set.
        runtime: processes and observer.
        leg: how far to go, and where the state is kept.

    Returns:
        Learning curve from the trial's start: a dict a step with ``step``, ``loss``, ``lr``, ``grad_norm``, each term's
        unweighted value, what the guards look at, and the primal-dual weights.

    Raises:
        NonFiniteLossError: the loss or its gradient is no longer finite.
        CollapsedError: the model no longer answers.
        InvertedError: the bias was turned round.
        TrialError: fewer pairs or texts a step than processes, or nothing to train.
    """
    config = trial.unlearning
    if config is None or not pairs:
        raise TrialError("there is nothing to train: no unlearning, or every stereotype set has weight 0")
    end = leg.limit("unlearning.steps", config.steps)
    if end < config.steps or not is_kept(model, runtime):  # a rung's state is worth nothing without the optimiser's
        return _train(lm, model, trial, config, pairs, runtime, leg)
    curve: list[dict[str, float]] = []

    def trained() -> dict[str, Tensor]:
        curve.extend(_train(lm, model, trial, config, pairs, runtime, leg))
        return {**state_of(model), _CURVE: torch.frombuffer(bytearray(json.dumps(curve).encode()), dtype=torch.uint8)}

    key = (identity(lm, trial, pairs, end),)
    found = runtime.tensors("unlearning", key, trained, in_memory=False, together=True)
    if not curve:
        put_state(model, {name: tensor for name, tensor in found.items() if name != _CURVE})
        curve = json.loads(found[_CURVE].cpu().numpy().tobytes())
    return curve


_CURVE = "curve"


def is_kept(model: nn.Module, runtime: Runtime) -> bool:
    """Whether the cache would take the trained weights; a full update of a large model is too large."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return runtime.cache.takes(sum(parameter.numel() * parameter.element_size() for parameter in trained))


def identity(lm: LanguageModel, trial: TrialConfig, pairs: Mapping[str, Sequence[StereotypePair]], end: int) -> str:
    """What determines the weights after so many steps, besides the code and the surroundings."""
    assert trial.unlearning is not None  # its callers looked
    settings = trial.unlearning.model_dump(mode="json", exclude={"task_vector_scale"})
    of_pairs = {name: _digest_of(tuple(of_set)) for name, of_set in pairs.items()}
    text = repr((lm.identity, settings, trial.stereotypes.weights, of_pairs, trial.seed, end))
    return hashlib.sha256(text.encode()).hexdigest()


@lru_cache(maxsize=32)
def _digest_of(pairs: tuple[StereotypePair, ...]) -> str:
    return hashlib.sha256(repr(pairs).encode()).hexdigest()


def _train(
    lm: LanguageModel,
    model: nn.Module,
    trial: TrialConfig,
    config: UnlearningConfig,
    pairs: Mapping[str, Sequence[StereotypePair]],
    runtime: Runtime,
    leg: Leg,
) -> list[dict[str, float]]:
    """Trains from the saved state on; as ``train``."""
    communicator = runtime.communicator
    loss = CompositeLoss(config.losses)
    _check_shares(config, loss, communicator)
    neutral: list[list[NeutralBatch]] = []
    if "neutral" in loss.needs:
        passes = Passes(lm, model, runtime)
        neutral = runtime.latest(
            "neutral",
            (lm.identity, passes.block, config.neutral, config.micro_batches, communicator.rank, communicator.size),
            # the fresh update is still the identity
            lambda: neutral_batches(lm, config.neutral, config.micro_batches, runtime, passes),
        )
    objective: Any = Objective(lm, model, loss, config, trial.stereotypes.weights, runtime)
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=config.lr, weight_decay=0.0, fused=_fused(parameters))
    saver = _Saver(trial, leg, communicator)
    end = leg.limit("unlearning.steps", config.steps)
    progress = _where_it_stands(saver.checkpoints, end, model, optimizer, communicator)
    dual = DualWeights(config.losses, progress.curve[-1] if progress.curve else None)
    spread = is_sharded(model)
    plain = objective
    if communicator.size > 1 and not spread:
        objective = DistributedDataParallel(objective)
    batches = batches_of_pairs(pairs, config.pairs_per_step, trial.seed)
    for _ in range(progress.step):
        next(batches)
    begun = progress.step
    # The model stays in evaluation mode: with dropout KL would not begin at 0, and a reference would be another draw.
    for step in range(progress.step, end):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, config)
        alone = communicator.size == 1 and runtime.cache.shares("reference_answers")
        if alone and (step - begun) % _STEPS_AHEAD == 0:
            _make_ahead(plain, pairs, trial, range(step, min(step + _STEPS_AHEAD, end)))
        batch = next(batches)
        mine = parts_of(batch[shard(len(batch), communicator)], config.micro_batches)
        optimizer.zero_grad(set_to_none=True)
        values = _forward_and_backward(
            objective, mine, neutral[step % len(neutral)] if neutral else [], dual.current, communicator
        )
        norm = _clipped(parameters, config.max_grad_norm, spread)
        if not (math.isfinite(values["loss"]) and math.isfinite(norm)):
            raise NonFiniteLossError(
                f"step {step + 1} of {config.steps}: loss {values['loss']:.4g}, gradient norm {norm:.4g}. "
                "Lower unlearning.lr or the weight of gradient_ascent."
            )
        optimizer.step()
        point = {"step": step + 1.0, **values, "lr": learning_rate(step, config), "grad_norm": norm, **dual.recorded()}
        progress.curve.append(point)
        progress.step = step + 1
        dual.update(point)
        guards.check(progress.curve, config.guards)  # before saving: what was given up is not gone on with
        saver.step_done(step + 1 == end or runtime.observer.leaving(), progress, model, optimizer)
        runtime.observer.progress(step + 1, config.steps, point)
    return progress.curve


_STEPS_AHEAD = 32
"""More may not stay in memory, and would be for nothing where a guard ends the training."""


def _make_ahead(
    objective: Objective, pairs: Mapping[str, Sequence[StereotypePair]], trial: TrialConfig, steps: range
) -> None:
    """What steps need that does not depend on training. Groups that begin at once share it out (``Runtime.ahead``)."""
    config = trial.unlearning
    assert config is not None  # the caller trains
    batches = itertools.islice(batches_of_pairs(pairs, config.pairs_per_step, trial.seed), steps.start, steps.stop)
    for batch in batches:
        for part in parts_of(batch, config.micro_batches):
            objective.ahead(part)


def _fused(parameters: Sequence[nn.Parameter]) -> bool:
    """One kernel for all weights: on a GPU, where each would be a launch; on a CPU it is not 1 % of a step."""
    return all(parameter.device.type == "cuda" for parameter in parameters)


def _clipped(parameters: Sequence[nn.Parameter], most: float, spread: bool) -> float:
    """Clips gradients, averaging first what FSDP leaves to each of several processes. Returns the norm before."""
    if not spread:
        return float(torch.nn.utils.clip_grad_norm_(parameters, most))
    average_gradients(parameters)
    return clip_gradients(parameters, most)


def _forward_and_backward(
    objective: Any,
    pairs: Sequence[Sequence[StereotypePair]],
    neutral: Sequence[NeutralBatch],
    weights: Mapping[str, float],
    communicator: Communicator,
) -> dict[str, float]:
    """Adds up the gradients of a step's parts; several processes' gradients are added at the last part only.

    Returns:
        Loss and term values of the whole batch, the same on every process.
    """
    loss, terms = 0.0, dict[str, float]()
    for place, of_part in enumerate(pairs):
        part = Part(of_part, neutral[place] if neutral else None, weights)
        waits = place < len(pairs) - 1 and isinstance(objective, DistributedDataParallel)
        wait: AbstractContextManager[Any] = objective.no_sync() if waits else nullcontext()
        with wait:
            total, values = objective(part)
            total.backward()
        loss += float(total.detach()) / communicator.size
        for name, value in values.items():
            terms[name] = terms.get(name, 0.0) + float(value)
    return _reduced(loss, terms, communicator)


def _where_it_stands(
    checkpoints: Checkpoints | None,
    end: int,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    communicator: Communicator,
) -> Progress:
    """Loads the saved state, the same on all processes: where one cannot read what another can, all begin anew."""
    if checkpoints is None:
        return Progress()
    fresh = {
        name: parameter.detach().clone() for name, parameter in model.named_parameters() if parameter.requires_grad
    }
    progress = checkpoints.load(end, model, optimizer)
    if len(set(communicator.gather([progress.step]))) == 1:
        return progress
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name in fresh:
                parameter.copy_(fresh[name])
    optimizer.state.clear()
    return Progress()


def _check_shares(config: UnlearningConfig, loss: CompositeLoss, communicator: Communicator) -> None:
    parts = communicator.size * config.micro_batches
    texts = config.neutral.texts_per_step if "neutral" in loss.needs else parts
    if min(config.pairs_per_step, texts) < parts:
        raise TrialError(
            f"{communicator.size} workers share a step of {config.pairs_per_step} pairs and {texts} neutral texts in "
            f"{config.micro_batches} micro-batches; each needs at least one of each"
        )


def _reduced(loss: float, terms: dict[str, float], communicator: Communicator) -> dict[str, float]:
    """Sums the processes' shares, so that every process sees the batch's values."""
    names = ["loss", *terms]
    return dict(zip(names, communicator.sum(np.asarray([loss, *terms.values()])).tolist(), strict=True))
