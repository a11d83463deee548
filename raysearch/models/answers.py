"""Log-probabilities of answers to prompts, each distinct forward pass made once.

A sequence's last token is never an input, and two answers of one token each to the same prompt have the same input: the
prompt. So distinct inputs are forwarded once and the head is applied only where an answer token is predicted. Both are
exact: they drop work whose result is not used or is already there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from raysearch.models.language_model import LanguageModel, hidden_states, logits


@dataclass(frozen=True)
class AnswerBatch:
    """Tokenised prompts with answers, deduplicated.

    Attributes:
        input_ids: [rows, tokens] distinct inputs, padded on the right.
        attention_mask: [rows, tokens].
        row: [places] row of each place where the head is applied.
        column: [places] its position in the row.
        place: [answers, answer_tokens] index into the places.
        target: [answers, answer_tokens] id of the answer token predicted there.
        mask: [answers, answer_tokens] True for real answer tokens.
    """

    input_ids: Tensor
    attention_mask: Tensor
    row: Tensor
    column: Tensor
    place: Tensor
    target: Tensor
    mask: Tensor

    @property
    def tokens(self) -> int:
        """Real tokens forwarded."""
        return int(self.attention_mask.sum())


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
    places: dict[tuple[int, int], int] = {}
    place_rows: list[list[int]] = []
    target_rows: list[list[int]] = []
    for prompt, answer in zip(prompts, answers, strict=True):
        prompt_ids, answer_ids = tokenize(lm, prompt, answer)
        row = inputs.setdefault(tuple(prompt_ids + answer_ids[:-1]), len(inputs))
        columns = range(len(prompt_ids) - 1, len(prompt_ids) - 1 + len(answer_ids))
        place_rows.append([places.setdefault((row, column), len(places)) for column in columns])
        target_rows.append(answer_ids)
    ids, mask = pad([list(key) for key in inputs], lm.pad_id)
    place, place_mask = pad(place_rows, 0)
    target, _ = pad(target_rows, 0)
    rows_columns = torch.tensor(list(places), dtype=torch.long)
    on = lm.device
    return AnswerBatch(
        input_ids=ids.to(on),
        attention_mask=mask.to(on),
        row=rows_columns[:, 0].to(on),
        column=rows_columns[:, 1].to(on),
        place=place.to(on),
        target=target.to(on),
        mask=place_mask.bool().to(on),
    )


def pad(rows: Sequence[Sequence[int]], value: int) -> tuple[Tensor, Tensor]:
    """Pads integer rows on the right. Returns ([rows, longest], mask of the same shape, 1 for real entries)."""
    longest = max(len(row) for row in rows)
    padded = torch.tensor([[*row, *([value] * (longest - len(row)))] for row in rows], dtype=torch.long)
    mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows], dtype=torch.long)
    return padded, mask


def answer_logps(model: nn.Module, batch: AnswerBatch) -> Tensor:
    """log P(answer token | prompt and earlier answer tokens); 0 where the mask is off.

    Returns:
        [answers, answer_tokens], float32, natural logarithm, <= 0.
    """
    hidden = hidden_states(model, batch.input_ids, batch.attention_mask)
    logps = torch.log_softmax(logits(model, hidden[batch.row, batch.column]), dim=-1)
    chosen = logps[batch.place, batch.target]
    return chosen.masked_fill(~batch.mask, 0.0)


@torch.no_grad()
def score(
    lm: LanguageModel, model: nn.Module, prompts: Sequence[str], answers: Sequence[str], rows_per_batch: int = 32
) -> tuple[Tensor, Tensor]:
    """Total log-probability and number of tokens of each answer, in small batches of similar length.

    Prompts are sorted by length so that padding is little, and the results put back in order.

    Returns:
        ([answers] float64 total log-probability, [answers] int64 answer tokens), on the CPU.
    """
    order = sorted(range(len(prompts)), key=lambda i: (len(prompts[i]), prompts[i]))
    total = torch.zeros(len(prompts), dtype=torch.float64)
    count = torch.zeros(len(prompts), dtype=torch.long)
    for start in range(0, len(order), rows_per_batch):
        chunk = order[start : start + rows_per_batch]
        batch = encode(lm, [prompts[i] for i in chunk], [answers[i] for i in chunk])
        total[chunk] = answer_logps(model, batch).double().sum(dim=1).cpu()
        count[chunk] = batch.mask.sum(dim=1).cpu()
    return total, count
