"""Unlearning by transformers' Trainer, as its documentation has it: a subclass whose ``compute_loss`` is the loss."""

from __future__ import annotations

import tempfile
from typing import Any

import torch
from torch.utils.data import SequentialSampler
from transformers import Trainer, TrainingArguments

from benchmarks.peers.by_hand import collate, composite_loss, lr_factor


class UnlearningTrainer(Trainer):
    """Trains on the composite loss; examples come in the order of the dataset.

    Args:
        weights: of the loss terms.
        given: the Trainer's own arguments.
    """

    def __init__(self, weights: dict[str, float], **given: Any) -> None:
        super().__init__(**given)
        self.weights = weights
        self.losses: list[float] = []

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        return SequentialSampler(train_dataset if train_dataset is not None else self.train_dataset)

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """The loss of a batch."""
        loss = composite_loss(model, inputs, self.weights)
        self.losses.append(float(loss.detach()))
        return (loss, {}) if return_outputs else loss


def examples(steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A dataset of one example a pair; the first ones of a step carry its neutral texts."""
    found = []
    for step in steps:
        texts = step["texts"] + [None] * (len(step["pairs"]) - len(step["texts"]))
        found += [{"pair": pair, "text": text} for pair, text in zip(step["pairs"], texts, strict=True)]
    return found


def trainer(model: Any, tokenizer: Any, unlearning: dict[str, Any], steps: list[dict[str, Any]]) -> UnlearningTrainer:
    """A trainer of a model with a fresh adapter, for so many steps."""
    limit = unlearning["neutral"]["max_length_tokens"]

    def collated(chosen: list[dict[str, Any]]) -> dict[str, Any]:
        texts = [example["text"] for example in chosen if example["text"] is not None]
        return collate(tokenizer, [example["pair"] for example in chosen], texts, limit)

    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=unlearning["lr"], weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: lr_factor(step, unlearning["steps"], unlearning["warmup_fraction"])
    )
    return UnlearningTrainer(
        weights={name: term["weight"] for name, term in unlearning["losses"].items()},
        model=model,
        args=TrainingArguments(
            output_dir=tempfile.gettempdir(),
            max_steps=len(steps),
            per_device_train_batch_size=unlearning["pairs_per_step"],
            max_grad_norm=unlearning["max_grad_norm"],
            use_cpu=True,
            save_strategy="no",
            logging_strategy="no",
            report_to=[],
            disable_tqdm=True,
            remove_unused_columns=False,
        ),
        data_collator=collated,
        train_dataset=examples(steps),
        optimizers=(optimizer, schedule),
    )
