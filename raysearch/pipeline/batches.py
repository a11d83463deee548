"""What a step of unlearning trains on: pairs in an order that a seed fixes, and a pool of neutral texts."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from raysearch.config.unlearning import NeutralTextConfig
from raysearch.errors import TrialError
from raysearch.models.answers import States
from raysearch.models.backbone import logits
from raysearch.models.features import tokenize_texts
from raysearch.models.language_model import LanguageModel
from raysearch.models.token_tree import TokenTree
from raysearch.pipeline.communicator import shard
from raysearch.pipeline.runtime import Runtime
from raysearch.stereotypes.pairs import StereotypePair
from raysearch.text.corpus import general_texts, split_texts

T = TypeVar("T")
TEXT_SPLIT_SEED = 0
"""Seed of the split of general texts into KL reference and perplexity: fixed, as part of the ratio's definition."""


_MOST_REFERENCE_BYTES = 2**29
"""Of the untouched model's logits on a whole pool: below, they are kept; above, its hidden states are, and the head is
applied to them at each step."""


@dataclass(frozen=True, eq=False)
class NeutralBatch:
    """Part of this process's share of a step's neutral texts.

    Attributes:
        tree: the texts.
        reference_hidden: [packs, nodes, width] the untouched model's hidden states.
        reference: [packs, nodes, vocabulary] its logits; None where they would take too much memory.
    """

    tree: TokenTree
    reference_hidden: Tensor
    reference: Tensor | None


def neutral_batches(
    lm: LanguageModel, config: NeutralTextConfig, micro_batches: int, runtime: Runtime, passes: States
) -> list[list[NeutralBatch]]:
    """The pool of neutral texts in fixed batches, with the untouched model's hidden states, computed once.

    The batches are fixed so that the reference is computed in the shape in which it is compared: KL is then exactly 0
    before the first step.

    Args:
        lm: the base model.
        config: of the texts.
        micro_batches: parts of a step.
        runtime: whose share is made.
        passes: to the untouched model's last hidden states.

    Returns:
        A list a step of its parts.

    Raises:
        TrialError: the source has fewer texts than a step needs.
    """
    reference, _ = split_texts(general_texts(config.source), TEXT_SPLIT_SEED)
    texts = reference[: config.texts]
    if len(texts) < config.texts_per_step:
        raise TrialError(
            f"neutral text '{config.source}' has {len(texts)} texts; texts_per_step is {config.texts_per_step}"
        )
    steps = range(0, len(texts) - config.texts_per_step + 1, config.texts_per_step)
    vocabulary = lm.model.get_input_embeddings().weight.shape[0]  # type: ignore[operator]
    keep = 4 * len(texts) * config.max_length_tokens * vocabulary <= _MOST_REFERENCE_BYTES
    batches = []
    for start in steps:
        chunk = texts[start : start + config.texts_per_step]
        mine = chunk[shard(len(chunk), runtime.communicator)]
        batches.append(
            [_neutral(lm, part, config.max_length_tokens, keep, passes) for part in parts_of(mine, micro_batches)]
        )
    return batches


@torch.no_grad()
def _neutral(lm: LanguageModel, texts: Sequence[str], limit: int, keep: bool, passes: States) -> NeutralBatch:
    tree = lm.plant(tokenize_texts(lm, texts, limit).ids)
    hidden = passes(tree)
    return NeutralBatch(tree, hidden, logits(lm.model, hidden) if keep else None)


def parts_of(items: Sequence[T], count: int) -> list[Sequence[T]]:
    """Consecutive parts of nearly equal size, none of them empty."""
    bounds = np.linspace(0, len(items), min(count, len(items)) + 1).round().astype(int).tolist()
    return [items[start:stop] for start, stop in itertools.pairwise(bounds)]


def batches_of_pairs(
    pairs: Mapping[str, Sequence[StereotypePair]], size: int, seed: int
) -> Iterator[list[StereotypePair]]:
    """Endless batches, from several sets in equal parts; what does not divide evenly goes round the sets.

    Args:
        pairs: by set.
        size: pairs a batch.
        seed: of the order.
    """
    sources = [_of_one_set(of_set, seed) for of_set in pairs.values()]
    step = 0
    while True:
        turns = [(place + step * size) % len(sources) for place in range(size)]
        yield [next(sources[source]) for source in sorted(turns)]
        step += 1


def _of_one_set(pairs: Sequence[StereotypePair], seed: int) -> Iterator[StereotypePair]:
    """Every pair comes once before any comes again, and pairs with the same prompt come together.

    A prompt is forwarded once for all its pairs (``models.answers``), so a batch of three times the pairs costs little
    more, and its gradient depends less on which gendered terms it happened to hold.
    """
    by_prompt: dict[str, list[StereotypePair]] = {}
    for pair in pairs:
        by_prompt.setdefault(pair.prompt, []).append(pair)
    prompts = list(by_prompt)
    order = np.random.default_rng(seed)
    while True:
        for index in order.permutation(len(prompts)).tolist():
            yield from by_prompt[prompts[index]]
