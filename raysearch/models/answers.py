"""Log-probabilities of answers to prompts, each token with what comes before it forwarded once.

A sequence's last token is never an input, and all answers to a prompt share it, so inputs are forwarded as a tree of
tokens and the head is applied only where an answer token is predicted. Both are exact: they drop work whose result is
not used or is already there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from raysearch.models.backbone import hidden_states, logits
from raysearch.models.language_model import LanguageModel
from raysearch.models.token_tree import TokenTree, pad

States = Callable[[TokenTree], Tensor]
"""Last hidden states of a model, [packs, nodes, width]: ``hidden_states``, or a shorter way to the same."""


@dataclass(frozen=True)
class AnswerBatch:
    """Tokenised prompts with answers, deduplicated.

    Attributes:
        tree: distinct inputs.
        spot: [places] the node of each place where the head is applied.
        place: [answers, answer_tokens] index into the places.
        target: [answers, answer_tokens] id of the answer token predicted there.
        mask: [answers, answer_tokens] True for real answer tokens.
    """

    tree: TokenTree
    spot: Tensor
    place: Tensor
    target: Tensor
    mask: Tensor


def tokenize(lm: LanguageModel, prompt: str, answer: str) -> tuple[list[int], list[int]]:
    """Token ids of the prompt and of the answer, as the tokenizer splits the whole text.

    The answer's tokens are those that end beyond the prompt's last character, found by character offsets: tokenising
    the two apart gives other tokens in some vocabularies.

    Raises:
        ValueError: the answer has no token of its own.
    """
    encoded = lm.tokenizer(prompt + answer, return_offsets_mapping=True)
    ids, offsets = encoded["input_ids"], encoded["offset_mapping"]
    end = len(prompt.rstrip())
    first = next((i for i, (_, stop) in enumerate(offsets) if stop > end), len(ids))
    if first in (0, len(ids)):
        raise ValueError(f"answer {answer!r} to prompt {prompt!r} has no token of its own")
    stop = max(i for i, (_, right) in enumerate(offsets) if right > end) + 1  # an end-of-text token is no answer
    return ids[:first], ids[first:stop]


def encode(lm: LanguageModel, prompts: Sequence[str], answers: Sequence[str]) -> AnswerBatch:
    """Tokenises (prompt, answer) pairs into one batch. Shapes as in ``AnswerBatch``."""
    inputs: dict[tuple[int, ...], int] = {}
    columns: list[tuple[int, range]] = []
    targets: list[list[int]] = []
    for prompt, answer in zip(prompts, answers, strict=True):
        prompt_ids, answer_ids = tokenize(lm, prompt, answer)
        row = inputs.setdefault(tuple(prompt_ids + answer_ids[:-1]), len(inputs))
        columns.append((row, range(len(prompt_ids) - 1, len(prompt_ids) - 1 + len(answer_ids))))
        targets.append(answer_ids)
    tree = lm.plant(list(inputs))
    node = tree.node.tolist()
    places: dict[int, int] = {}
    place, place_mask = pad([[places.setdefault(node[row][c], len(places)) for c in of] for row, of in columns], 0)
    target, _ = pad(targets, 0)
    on = lm.device
    return AnswerBatch(
        tree=tree,
        spot=torch.tensor(list(places), dtype=torch.long, device=on),
        place=place.to(on),
        target=target.to(on),
        mask=place_mask.bool().to(on),
    )


def answer_logps(model: nn.Module, batch: AnswerBatch, states: States | None = None) -> Tensor:
    """log P(answer token | prompt and earlier answer tokens); 0 where the mask is off.

    Args:
        model: a causal LM, or an adapter around one.
        batch: what to score.
        states: a shorter way to the model's hidden states.

    Returns:
        [answers, answer_tokens], float32, natural logarithm, <= 0.
    """
    hidden = hidden_states(model, batch.tree) if states is None else states(batch.tree)
    logps = torch.log_softmax(logits(model, hidden.flatten(0, 1)[batch.spot]), dim=-1)
    chosen = logps[batch.place, batch.target]
    return chosen.masked_fill(~batch.mask, 0.0)


@torch.no_grad()
def score(
    lm: LanguageModel,
    model: nn.Module,
    prompts: Sequence[str],
    answers: Sequence[str],
    rows_per_batch: int = 64,
    states: States | None = None,
) -> tuple[Tensor, Tensor]:
    """Total log-probability and number of tokens of each answer, in small batches of prompts that begin alike.

    Prompts are sorted so that those that begin alike come together, and the results put back in order.

    Returns:
        ([answers] float64 total log-probability, [answers] int64 answer tokens), on the CPU.
    """
    order = sorted(range(len(prompts)), key=lambda i: (prompts[i], answers[i]))
    total = torch.zeros(len(prompts), dtype=torch.float64)
    count = torch.zeros(len(prompts), dtype=torch.long)
    for start in range(0, len(order), rows_per_batch):
        chunk = order[start : start + rows_per_batch]
        batch = encode(lm, [prompts[i] for i in chunk], [answers[i] for i in chunk])
        total[chunk] = answer_logps(model, batch, states).double().sum(dim=1).cpu()
        count[chunk] = batch.mask.sum(dim=1).cpu()
    return total, count
