"""Stage ``unlearning``: trains an adapter on the composite loss. One process, or several with DDP: the same result.

A step's batch is the same whatever the number of processes; each takes a consecutive share of its pairs and texts, and
the composite loss divides by the whole batch's counts, so the shares' gradients add up to the batch's.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from raysearch.config.schema import NeutralTextConfig, TrialConfig, UnlearningConfig
from raysearch.errors import NonFiniteLossError, TrialError
from raysearch.losses.composite import CompositeLoss
from raysearch.losses.inputs import Answers, LossInputs, Neutral
from raysearch.models.answers import AnswerBatch, answer_logps, encode, pad
from raysearch.models.features import tokenize_texts
from raysearch.models.language_model import LanguageModel, hidden_states, logits
from raysearch.pipeline.checkpoint import Checkpoints, Progress
from raysearch.pipeline.communicator import Communicator, shard
from raysearch.pipeline.leg import WHOLE, Leg
from raysearch.pipeline.runtime import Runtime
from raysearch.stereotypes.pairs import StereotypePair
from raysearch.text.corpus import general_texts, split_texts

TEXT_SPLIT_SEED = 0
"""Seed of the split of general texts into KL reference and perplexity: fixed, as part of the ratio's definition."""


@dataclass(frozen=True)
class NeutralBatch:
    """This process's share of a step's neutral texts: [texts, tokens] ids, mask, and the untouched model's states."""

    input_ids: Tensor
    attention_mask: Tensor
    reference_hidden: Tensor


@dataclass(frozen=True)
class Step:
    """This process's share of one step's batch."""

    pairs: Sequence[StereotypePair]
    neutral: NeutralBatch | None


class Objective(nn.Module):
    """The composite loss of a step as a module, so that DDP sees one forward pass.

    Returns from ``forward``: this process's share of the loss, times the number of processes (DDP averages gradients).
    """

    def __init__(
        self, lm: LanguageModel, model: nn.Module, loss: CompositeLoss, config: UnlearningConfig, runtime: Runtime
    ) -> None:
        super().__init__()
        self.model = model
        self._lm = (lm,)  # a tuple hides the model's second path from nn.Module
        self._loss = loss
        self._config = config
        self._runtime = runtime

    def forward(self, step: Step) -> tuple[Tensor, dict[str, Tensor]]:
        """Runs the forward passes that the terms need, each once."""
        inputs = LossInputs(
            **self._answers(step.pairs),
            neutral=None if step.neutral is None else self._neutral(step.neutral),
        )
        total, terms = self._loss(
            inputs, pairs_total=self._config.pairs_per_step, texts_total=self._config.neutral.texts_per_step
        )
        return total * self._runtime.communicator.size, terms

    def _answers(self, pairs: Sequence[StereotypePair]) -> dict[str, Answers]:
        needs = self._loss.needs
        if not needs & {"answers", "reference_answers", "refusal"}:
            return {}
        prompts = [pair.prompt for pair in pairs]
        kinds = [[p.stereotype for p in pairs], [p.anti_stereotype for p in pairs]]
        if self._loss.refusal is not None:
            kinds.append([self._loss.refusal] * len(pairs))
        batch = encode(self._lm[0], prompts * len(kinds), [answer for answers in kinds for answer in answers])

        def parts(logps: Tensor) -> list[Answers]:
            cuts = [slice(start, start + len(pairs)) for start in range(0, len(logps), len(pairs))]
            return [Answers(logps[cut], batch.mask[cut]) for cut in cuts]

        stereotype, anti_stereotype, *refusal = parts(answer_logps(self.model, batch))
        given = {"stereotype": stereotype, "anti_stereotype": anti_stereotype}
        given |= {"refusal": refusal[0]} if refusal else {}
        if "reference_answers" in needs:
            # Kept for the whole batch: the same pairs in another batch are padded otherwise, and may differ in a bit.
            key = ("reference_answers", self._lm[0].digest, self._loss.refusal, tuple(pairs))
            reference = parts(self._runtime.once(key, lambda: self._untouched_logps(batch)))
            given |= {"reference_stereotype": reference[0], "reference_anti_stereotype": reference[1]}
        return given

    @torch.no_grad()
    def _untouched_logps(self, batch: AnswerBatch) -> Tensor:
        with self.model.disable_adapter():  # type: ignore[operator]
            return answer_logps(self.model, batch)

    def _neutral(self, batch: NeutralBatch) -> Neutral:
        hidden = hidden_states(self.model, batch.input_ids, batch.attention_mask)
        with torch.no_grad():
            reference = logits(self.model, batch.reference_hidden)
        return Neutral(logits(self.model, hidden), reference, batch.attention_mask.bool())


def neutral_batches(lm: LanguageModel, config: NeutralTextConfig, runtime: Runtime) -> list[NeutralBatch]:
    """The pool of neutral texts in fixed batches, with the untouched model's hidden states, computed once.

    The batches are fixed so that the reference is computed in the shape in which it is compared: KL is then exactly 0
    before the first step.
    """
    reference, _ = split_texts(general_texts(config.source), TEXT_SPLIT_SEED)
    texts = reference[: config.texts]
    if len(texts) < config.texts_per_step:
        raise TrialError(
            f"neutral text '{config.source}' has {len(texts)} texts; texts_per_step is {config.texts_per_step}"
        )
    batches = []
    for start in range(0, len(texts) - config.texts_per_step + 1, config.texts_per_step):
        chunk = texts[start : start + config.texts_per_step]
        tokens = tokenize_texts(lm, chunk[shard(len(chunk), runtime.communicator)], config.max_length_tokens)
        ids, mask = (t.to(lm.device) for t in pad(tokens.ids, lm.pad_id))
        with torch.no_grad():
            batches.append(NeutralBatch(ids, mask, hidden_states(lm.model, ids, mask)))
    return batches


def batches_of_pairs(pairs: Sequence[StereotypePair], size: int, seed: int) -> Iterator[list[StereotypePair]]:
    """Endless batches: every pair comes once before any comes again, and pairs with the same prompt come together.

    A prompt is forwarded once for all its pairs (``models.answers``), so a batch of three times the pairs costs little
    more, and its gradient depends less on which gendered terms it happened to hold.
    """
    by_prompt: dict[str, list[StereotypePair]] = {}
    for pair in pairs:
        by_prompt.setdefault(pair.prompt, []).append(pair)
    prompts = list(by_prompt)
    order = np.random.default_rng(seed)
    queue: list[StereotypePair] = []
    while True:
        while len(queue) < size:
            for index in order.permutation(len(prompts)).tolist():
                queue.extend(by_prompt[prompts[index]])
        yield queue[:size]
        queue = queue[size:]


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
        self._writes = communicator.rank == 0
        self._every_s = leg.checkpoint_every_s
        self._saved_at = time.monotonic()

    def step_done(self, now: bool, progress: Progress, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        """Called after every step; ``now``: do not wait until it is time."""
        due = now or time.monotonic() - self._saved_at >= self._every_s
        if self.checkpoints is not None and self._writes and due:
            self.checkpoints.save(progress, model, optimizer)
            self._saved_at = time.monotonic()


def train(
    lm: LanguageModel,
    model: nn.Module,
    trial: TrialConfig,
    pairs: Sequence[StereotypePair],
    runtime: Runtime,
    leg: Leg = WHOLE,
) -> list[dict[str, float]]:
    """Trains the adapter in place, to the end of a leg; goes on from the trial's saved state where there is one.

    Args:
        lm: the base model.
        model: it, inside a fresh adapter.
        trial: its ``unlearning`` block, and its seed, which fixes the order of pairs.
        pairs: the training split.
        runtime: processes and observer.
        leg: how far to go, and where the state is kept.

    Returns:
        Learning curve from the trial's start: a dict a step with ``step``, ``loss``, ``lr``, ``grad_norm`` and each
        term's unweighted value.

    Raises:
        NonFiniteLossError: the loss or its gradient is no longer finite.
        TrialError: fewer pairs or texts a step than processes.
    """
    config = trial.unlearning
    if config is None:
        raise TrialError("there is nothing to train: the trial has no unlearning")
    communicator = runtime.communicator
    loss = CompositeLoss(config.losses)
    _check_shares(config, loss, communicator)
    neutral: list[NeutralBatch] = []
    if "neutral" in loss.needs:
        neutral = runtime.once(
            ("neutral", lm.digest, config.neutral, communicator.rank, communicator.size),
            lambda: neutral_batches(lm, config.neutral, runtime),  # the fresh adapter is still the identity
        )
    objective: Any = Objective(lm, model, loss, config, runtime)
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=config.lr, weight_decay=0.0)
    saver = _Saver(trial, leg, communicator)
    end = leg.limit("unlearning.steps", config.steps)
    progress = _where_it_stands(saver.checkpoints, end, model, optimizer, communicator)
    if communicator.size > 1:
        objective = DistributedDataParallel(objective)
    batches = batches_of_pairs(pairs, config.pairs_per_step, trial.seed)
    for _ in range(progress.step):
        next(batches)
    # The model stays in evaluation mode: with dropout KL would not begin at 0, and a reference would be another draw.
    for step in range(progress.step, end):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, config)
        batch = next(batches)
        share = Step(batch[shard(len(batch), communicator)], neutral[step % len(neutral)] if neutral else None)
        optimizer.zero_grad(set_to_none=True)
        total, terms = objective(share)
        total.backward()
        norm = float(torch.nn.utils.clip_grad_norm_(parameters, config.max_grad_norm))
        values = _reduced(total / communicator.size, terms, communicator)
        if not (math.isfinite(values["loss"]) and math.isfinite(norm)):
            raise NonFiniteLossError(
                f"step {step + 1} of {config.steps}: loss {values['loss']:.4g}, gradient norm {norm:.4g}. "
                "Lower unlearning.lr or the weight of gradient_ascent."
            )
        optimizer.step()
        point = {"step": step + 1.0, **values, "lr": learning_rate(step, config), "grad_norm": norm}
        progress.curve.append(point)
        progress.step = step + 1
        saver.step_done(step + 1 == end or runtime.observer.leaving(), progress, model, optimizer)
        runtime.observer.progress(step + 1, config.steps, point)
    return progress.curve


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
    texts = config.neutral.texts_per_step if "neutral" in loss.needs else communicator.size
    if min(config.pairs_per_step, texts) < communicator.size:
        raise TrialError(
            f"{communicator.size} workers share a step of {config.pairs_per_step} pairs and {texts} neutral texts; "
            "each worker needs at least one of each"
        )


def _reduced(total: Tensor, terms: dict[str, Tensor], communicator: Communicator) -> dict[str, float]:
    """Sums the processes' shares, so that every process sees the batch's values."""
    names = ["loss", *terms]
    shares = np.asarray([float(total.detach()), *(float(term) for term in terms.values())])
    return dict(zip(names, communicator.sum(shares).tolist(), strict=True))
