"""Joins a language model with a bias set: the one file of the room that knows torch.

lm = load(ModelConfig(source="smollm2-135m"))
chosen = CrowsPairs()
scores = evaluate(lm, lm.model, chosen, chosen.read(resolve(chosen.archive)))
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from torch import nn

from raysearch.bias_sets.bias_set import BiasSet, Bootstrap, Item, Passage, Ratings, Score, Values
from raysearch.errors import TrialError
from raysearch.models.answers import score
from raysearch.models.features import TokenizedTexts, text_logps, tokenize_texts
from raysearch.models.language_model import LanguageModel

Progress = Callable[[int, int], None]

_PASSAGES_PER_STEP = 96
"""Passages between two reports of progress: a few seconds on 2 cores."""
_ROWS_PER_BATCH = 12
"""Of prompts with an answer, up to 200 tokens long: larger batches gain nothing on a few cores. Passages are sorted so
that the two or three answers to one prompt stand together, and 12 and 96 keep them so: answers then share the prompt's
pass."""
_NEVER_CUT = 1 << 20
"""Tokens: no passage of a set is longer."""


def evaluate(
    lm: LanguageModel,
    model: nn.Module,
    bias_set: BiasSet,
    items: Sequence[Item],
    bootstrap: Bootstrap | None = None,
    progress: Progress = lambda done, total: None,
) -> list[Score]:
    """Scores of a model on items of a set.

    Args:
        lm: the base model.
        model: it, or an adapter around it.
        bias_set: which says what the ratings make.
        items: that it read.
        bootstrap: of the intervals; None: 1,000 rounds, 95 %.
        progress: hears (passages rated, passages).

    Raises:
        TrialError: the model gives a passage no finite log-likelihood.
    """
    passages = [passage for item in items for passage in item.choices]
    total, tokens = log_likelihoods(lm, model, passages, progress)
    ratings = Ratings(total.reshape(len(items), -1), tokens.reshape(len(items), -1))
    return bias_set.scores(items, ratings, bootstrap or Bootstrap())


def log_likelihoods(
    lm: LanguageModel, model: nn.Module, passages: Sequence[Passage], progress: Progress = lambda done, total: None
) -> tuple[Values, Values]:
    """Log-likelihood of each passage after its prompt, and its number of tokens. A passage met twice is rated once.

    A text without a prompt is rated after the start token (the end token where the vocabulary has no start), so that
    its first word counts like the others; only where there is neither, the first token is not rated.

    Returns:
        ([passages] natural logarithm, summed over tokens, [passages] tokens that were rated).

    Raises:
        TrialError: a log-likelihood is not finite.
    """
    distinct = sorted(set(passages), key=lambda p: (bool(p.prompt), p.prompt, p.text))  # what begins alike, together
    total, tokens = np.zeros(len(distinct)), np.zeros(len(distinct))
    alone = sum(not passage.prompt for passage in distinct)
    starts = [*range(0, alone, _PASSAGES_PER_STEP), *range(alone, len(distinct), _PASSAGES_PER_STEP)]
    for start, stop in zip(starts, [*starts[1:], len(distinct)], strict=True):
        rate = _rate_alone if start < alone else _rate_after_prompts
        total[start:stop], tokens[start:stop] = rate(lm, model, distinct[start:stop])
        progress(stop, len(distinct))
    if not np.isfinite(total).all():
        text = distinct[int(np.flatnonzero(~np.isfinite(total))[0])].text
        raise TrialError(f"the model gives {text!r} no finite log-likelihood. Try --dtype float32.")
    place = {passage: i for i, passage in enumerate(distinct)}
    rows = np.asarray([place[passage] for passage in passages], dtype=np.int64)
    return total[rows], tokens[rows]


def _rate_alone(lm: LanguageModel, model: nn.Module, passages: Sequence[Passage]) -> tuple[Values, Values]:
    tokenized = tokenize_texts(lm, [passage.text for passage in passages], _NEVER_CUT)
    start = lm.tokenizer.bos_token_id if lm.tokenizer.bos_token_id is not None else lm.tokenizer.eos_token_id
    if isinstance(start, int):  # some tokenizers begin every text with it by themselves
        ids = tuple(row if row[:1] == (start,) else (start, *row) for row in tokenized.ids)
        tokenized = TokenizedTexts(ids, tokenized.truncated)
    total, tokens = text_logps(lm, model, tokenized)
    return total, tokens.astype(np.float64)


def _rate_after_prompts(lm: LanguageModel, model: nn.Module, passages: Sequence[Passage]) -> tuple[Values, Values]:
    prompts, texts = [p.prompt for p in passages], [p.text for p in passages]
    total, tokens = score(lm, model, prompts, texts, _ROWS_PER_BATCH)
    return total.numpy(), tokens.numpy().astype(np.float64)
