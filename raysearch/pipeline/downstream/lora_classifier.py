"""Downstream model: the language model itself, fine-tuned to answer an instruction with Yes or No.

A row's text stands in a prompt; P(Yes) against P(No), from the answers' tokens alone, is the class probability. The
adapter of the classifier lies on top of that of unlearning, which stays as it is.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from raysearch.config.downstream import ClassifierConfig
from raysearch.config.schema import TrialConfig
from raysearch.errors import NonFiniteLossError, TrialError
from raysearch.models.answers import answer_logps, encode, score
from raysearch.models.features import cut_texts
from raysearch.models.language_model import LanguageModel
from raysearch.models.lora import stacked
from raysearch.pipeline.communicator import shard
from raysearch.pipeline.data import Data, Rows
from raysearch.pipeline.decisions import Judgement, check_labels
from raysearch.pipeline.leg import EPOCHS, Leg
from raysearch.pipeline.outputs import Subject
from raysearch.pipeline.runtime import Runtime
from raysearch.registry import register

YES, NO = " Yes", " No"
_MAX_GRAD_NORM = 1.0


def prompt_of(text: str, positive_label: str) -> str:
    """The instruction around a row's text."""
    return f"{text}\nQuestion: Does this hold for the person above: {positive_label}? Answer Yes or No.\nAnswer:"


@dataclass(frozen=True)
class Examples:
    """Prompts, their labels, 1 for Yes, and how much each counts."""

    prompts: tuple[str, ...]
    target: NDArray[np.int64]
    weight: NDArray[np.float64]

    def take(self, rows: Sequence[int] | NDArray[np.int64]) -> Examples:
        """Some of them."""
        chosen = np.asarray(rows, dtype=np.int64)
        return Examples(tuple(self.prompts[row] for row in rows), self.target[chosen], self.weight[chosen])


@register("downstream", "lora_classifier")
class LoraClassifier:
    """LoRA fine-tuning on the training rows; the epoch is chosen by accuracy on training rows that were set aside.

    The source chooses it by validation accuracy. Here validation rows are what a search is judged on, so they choose
    nothing: with every counterfactual copy of them, some original training rows are kept out of the fitting instead.
    """

    def judge(self, config: TrialConfig, data: Data, subject: Subject, runtime: Runtime, leg: Leg) -> Judgement:
        """Fine-tunes and decides on the judged rows; rows of a step, and judged rows, are shared over the processes.

        Raises:
            NonFiniteLossError: the loss is no longer finite.
            TrialError: too few training rows, or one label only among them.
        """
        settings, lm = config.downstream.classifier, subject.lm
        label = str(data.facts["positive_label"])
        texts, cut = cut_texts(lm, data.train.texts, config.text.max_length_tokens)
        judged_texts, judged_cut = cut_texts(lm, data.judged.texts, config.text.max_length_tokens)
        train = Examples(tuple(prompt_of(text, label) for text in texts), data.train.target, data.train.weight)
        fitted, aside = _split(data.train, settings, config.seed)
        examples, held_out = train.take(fitted), train.take(aside)
        check_labels(examples.target)
        if not len(aside):
            raise TrialError(f"{len(fitted)} training rows are too few to set some aside. Raise data.train_rows.")
        if len(fitted) // _steps_of(len(fitted), settings) < runtime.communicator.size:
            raise TrialError(
                f"downstream.classifier.rows_per_step {settings.rows_per_step}: each of {runtime.communicator.size} "
                "workers of a group needs at least one row. Raise it."
            )
        mine = shard(len(judged_texts), runtime.communicator)
        with stacked(lm, subject.model, settings.lora, config.seed) as model:
            last = leg.limit(EPOCHS, settings.epochs)
            accuracies = _fit(lm, model, examples, held_out, settings, config.seed, runtime, last)
            scored = shard(len(judged_texts), runtime.scoring)
            prompts = [prompt_of(text, label) for text in judged_texts[scored]]
            probability = _probability(lm, model, prompts)
            probability = probability if scored == mine else probability[mine]
        facts = {
            "truncated_texts": cut + judged_cut,
            "classifier_accuracy_by_epoch": [round(accuracy, 4) for accuracy in accuracies],
            "classifier_rows": [len(fitted), len(aside)],
        }
        decided = (probability >= config.downstream.threshold).astype(np.int64)
        return Judgement(rows=mine, decided=decided, facts=facts)


def _split(train: Rows, settings: ClassifierConfig, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(rows to fit on, rows set aside): of each label its share of the persons, once each, their copies in neither."""
    rng = np.random.default_rng([seed, 0xC1A5])
    order = np.argsort(train.counterfactual, kind="stable")  # of a person's rows the unflipped one comes first
    persons, first = np.unique(train.origin[order], return_index=True)
    rows = order[first]
    parts = []
    for value in (0, 1):
        of_label = np.flatnonzero(train.target[rows] == value)
        count = max(1, round(settings.held_out_share * len(of_label))) if len(of_label) > 1 else 0
        parts.append(rng.permutation(of_label)[:count])
    chosen = np.concatenate(parts)
    aside = np.sort(rows[chosen])
    return np.flatnonzero(~np.isin(train.origin, persons[chosen])), aside


def _fit(
    lm: LanguageModel,
    model: nn.Module,
    examples: Examples,
    held_out: Examples,
    settings: ClassifierConfig,
    seed: int,
    runtime: Runtime,
    last_epoch: int | None = None,
) -> list[float]:
    """Trains in place and leaves the adapter of the best epoch so far.

    Args:
        lm: the base model.
        model: it, inside an adapter in training.
        examples: rows to fit on.
        held_out: rows set aside.
        settings: epochs, learning rate.
        seed: of the order of rows.
        runtime: processes and observer.
        last_epoch: stop after so many epochs of the whole schedule; None goes to its end.

    Returns:
        The accuracy after each epoch on the rows set aside.

    Raises:
        NonFiniteLossError: the loss or its gradient is no longer finite.
    """
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=settings.lr, weight_decay=0.0)
    batches = list(_batches(len(examples.prompts), settings, seed))
    epoch_steps = len(batches) // settings.epochs
    accuracies: list[float] = []
    best: list[Tensor] = []
    for step, rows in enumerate(batches):
        for group in optimizer.param_groups:
            group["lr"] = settings.lr * (len(batches) - step) / len(batches)
        optimizer.zero_grad(set_to_none=True)
        loss = _step(lm, model, examples.take(rows[shard(len(rows), runtime.communicator)]), len(rows))
        loss.backward()  # type: ignore[no-untyped-call]
        total = _summed(loss, parameters, runtime)
        norm = float(torch.nn.utils.clip_grad_norm_(parameters, _MAX_GRAD_NORM))
        if not (math.isfinite(total) and math.isfinite(norm)):
            raise NonFiniteLossError(
                f"classifier step {step + 1} of {len(batches)}: loss {total:.4g}, gradient norm {norm:.4g}. "
                "Lower downstream.classifier.lr."
            )
        optimizer.step()
        runtime.observer.progress(step + 1, len(batches), {})
        if (step + 1) % epoch_steps == 0:
            accuracies.append(_accuracy(lm, model, held_out, runtime))
            if accuracies[-1] > max(accuracies[:-1], default=-1.0):
                best = [parameter.detach().clone() for parameter in parameters]
            if len(accuracies) == last_epoch:
                break
    with torch.no_grad():
        for parameter, kept in zip(parameters, best, strict=True):
            parameter.copy_(kept)
    return accuracies


def _batches(count: int, settings: ClassifierConfig, seed: int) -> Iterator[NDArray[np.int64]]:
    """Rows of each step: every epoch all rows once, in an order of its own."""
    rng = np.random.default_rng([seed, 0xBA7C])
    for _ in range(settings.epochs):
        yield from np.array_split(rng.permutation(count), _steps_of(count, settings))


def _steps_of(count: int, settings: ClassifierConfig) -> int:
    return math.ceil(count / settings.rows_per_step)


def _step(lm: LanguageModel, model: nn.Module, rows: Examples, total: int) -> Tensor:
    """This process's share of the step's mean weighted cross-entropy of the right answer against the other."""
    count = len(rows.prompts)
    batch = encode(lm, list(rows.prompts) * 2, [YES] * count + [NO] * count)
    logps = answer_logps(model, batch).sum(dim=1)
    target = torch.as_tensor(rows.target, device=logps.device)
    of_class = torch.log_softmax(torch.stack([logps[count:], logps[:count]], dim=1), dim=1)
    weight = torch.as_tensor(rows.weight, device=logps.device, dtype=logps.dtype)
    return -(weight * of_class.gather(1, target[:, None]).squeeze(1)).sum() / total


def _summed(loss: Tensor, parameters: Sequence[nn.Parameter], runtime: Runtime) -> float:
    """Adds up the processes' gradients and losses: the same step as with one process."""
    if runtime.communicator.size == 1:
        return float(loss.detach())
    gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
    flat = torch.cat([loss.detach().reshape(1).float(), *(gradient.reshape(-1).float() for gradient in gradients)])
    added = torch.from_numpy(runtime.communicator.sum(flat.cpu().numpy()))
    start = 1
    for parameter, gradient in zip(parameters, gradients, strict=True):
        part = added[start : start + gradient.numel()].reshape(gradient.shape)
        parameter.grad = part.to(gradient.device, gradient.dtype)
        start += gradient.numel()
    return float(added[0])


def _accuracy(lm: LanguageModel, model: nn.Module, held_out: Examples, runtime: Runtime) -> float:
    mine = shard(len(held_out.prompts), runtime.scoring)
    right = (_probability(lm, model, held_out.prompts[mine]) >= 0.5) == (held_out.target[mine] == 1)
    return float(runtime.scoring.sum(np.asarray([right.sum()]))[0]) / len(held_out.prompts)


def _probability(lm: LanguageModel, model: nn.Module, prompts: Sequence[str]) -> NDArray[np.float64]:
    """[prompts] P(Yes) / (P(Yes) + P(No))."""
    if not prompts:
        return np.zeros(0)
    count = len(prompts)
    total, _ = score(lm, model, [*prompts, *prompts], [YES] * count + [NO] * count)
    found: NDArray[np.float64] = torch.sigmoid(total[:count] - total[count:]).numpy()
    if not np.isfinite(found).all():
        raise TrialError("the classifier's probabilities are not finite")
    return found
