"""One vector a text from the backbone alone, and log-likelihoods of whole texts. What begins alike goes together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from raysearch.models.answers import States
from raysearch.models.backbone import hidden_states, logits
from raysearch.models.language_model import LanguageModel
from raysearch.models.token_tree import chunks


@dataclass(frozen=True)
class TokenizedTexts:
    """Token ids of texts, cut at a length.

    Attributes:
        ids: one list of ids a text.
        truncated: texts that were longer than the limit.
    """

    ids: tuple[tuple[int, ...], ...]
    truncated: int

    @property
    def tokens(self) -> int:
        """Tokens of all texts together."""
        return sum(len(row) for row in self.ids)


def tokenize_texts(lm: LanguageModel, texts: Sequence[str], max_length_tokens: int) -> TokenizedTexts:
    """Tokenises texts and cuts them from the right; how many were cut is counted, never silent."""
    rows = [tuple(row) for row in lm.tokenizer(list(texts))["input_ids"]] if texts else []
    cut = sum(len(row) > max_length_tokens for row in rows)
    return TokenizedTexts(tuple(row[:max_length_tokens] for row in rows), cut)


def cut_texts(lm: LanguageModel, texts: Sequence[str], max_length_tokens: int) -> tuple[list[str], int]:
    """Texts cut from the right to so many tokens, as text again, to stand inside a prompt; and how many were cut."""
    if not texts:
        return [], 0
    encoded = lm.tokenizer(list(texts), return_offsets_mapping=True)
    found, cut = [], 0
    for text, offsets in zip(texts, encoded["offset_mapping"], strict=True):
        short = text if len(offsets) <= max_length_tokens else text[: offsets[max_length_tokens - 1][1]]
        cut += short != text
        found.append(short)
    return found, cut


def passes(lm: LanguageModel, texts: TokenizedTexts) -> list[list[int]]:
    """Which texts are forwarded together, each once."""
    return chunks(texts.ids, share=max(map(len, texts.ids), default=0) <= lm.longest_shared)


@torch.no_grad()
def pooled_features(
    lm: LanguageModel,
    model: nn.Module,
    texts: TokenizedTexts,
    pooling: Literal["mean", "last"],
    progress: Callable[[int, int], None] = lambda done, total: None,
    layer: int | None = None,
    states: States | None = None,
) -> NDArray[np.float32]:
    """Frozen LLM -> one vector a text: the mean of its tokens' hidden states, or the last token's.

    Args:
        lm: the base model.
        model: it, or an adapter around it.
        texts: tokenised.
        pooling: over tokens.
        progress: hears (texts done, texts).
        layer: hidden states after so many blocks; None: the last, normed.
        states: a shorter way to the model's last hidden states.

    Returns:
        [texts, width] float32.
    """
    width = model.get_input_embeddings().weight.shape[1]  # type: ignore[operator]
    vectors = np.zeros((len(texts.ids), width), dtype=np.float32)
    done = 0
    for chunk in passes(lm, texts):
        tree = lm.plant([texts.ids[i] for i in chunk])
        own = states is None or layer is not None
        hidden = hidden_states(model, tree, layer) if own or states is None else states(tree)
        vectors[chunk] = _pool(tree.rows(hidden).float(), tree.mask, pooling).cpu().numpy()
        done += len(chunk)
        progress(done, len(texts.ids))
    return vectors


def _pool(hidden: Tensor, mask: Tensor, pooling: Literal["mean", "last"]) -> Tensor:
    lengths = mask.sum(dim=1)
    if pooling == "last":
        return hidden[torch.arange(hidden.shape[0], device=hidden.device), lengths - 1]
    return (hidden * mask.unsqueeze(-1)).sum(dim=1) / lengths.unsqueeze(-1)


@torch.no_grad()
def text_logps(
    lm: LanguageModel, model: nn.Module, texts: TokenizedTexts, states: States | None = None
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Log-likelihood of whole texts: sum over tokens after the first of log p(token | tokens before it).

    Returns:
        ([texts] total log-probability, [texts] predicted tokens).
    """
    total = np.zeros(len(texts.ids), dtype=np.float64)
    count = np.zeros(len(texts.ids), dtype=np.int64)
    for chunk in passes(lm, texts):
        tree = lm.plant([texts.ids[i] for i in chunk])
        hidden = hidden_states(model, tree) if states is None else states(tree)
        predicted = tree.mask[:, 1:].bool()
        before, ids = tree.node[:, :-1][predicted], tree.rows(tree.input_ids.unsqueeze(-1)).squeeze(-1)
        distinct, place = torch.unique(before, return_inverse=True)
        logps = torch.log_softmax(logits(model, hidden.flatten(0, 1)[distinct]), dim=-1)
        chosen = torch.zeros(predicted.shape, dtype=torch.float64, device=lm.device)
        chosen[predicted] = logps[place, ids[:, 1:][predicted]].double()
        total[chunk] = chosen.sum(dim=1).cpu().numpy()
        count[chunk] = predicted.sum(dim=1).cpu().numpy()
    return total, count
