"""Features and scores of a model over several processes, kept when they are the untouched model's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import nn

from raysearch.config.downstream import DownstreamConfig
from raysearch.models.answers import score
from raysearch.models.features import TokenizedTexts, pooled_features, text_logps, tokenize_texts
from raysearch.models.language_model import LanguageModel
from raysearch.pipeline.communicator import shard
from raysearch.pipeline.runtime import Runtime
from raysearch.stereotypes.pairs import StereotypePair


@dataclass(frozen=True)
class Subject:
    """The model that a trial judges.

    Attributes:
        lm: the loaded model.
        model: it, or it inside an adapter.
        untouched: nothing was trained, so its outputs hold for every such trial.
    """

    lm: LanguageModel
    model: nn.Module
    untouched: bool


@dataclass(frozen=True)
class PairScores:
    """Total log-probabilities and token counts of both answers of each pair, all [pairs]."""

    stereotype: NDArray[np.float64]
    anti_stereotype: NDArray[np.float64]
    stereotype_tokens: NDArray[np.int64]
    anti_stereotype_tokens: NDArray[np.int64]

    @property
    def stereotype_mean(self) -> NDArray[np.float64]:
        """Length-normalised log-probability of the stereotype answer."""
        return self.stereotype / self.stereotype_tokens

    @property
    def anti_stereotype_mean(self) -> NDArray[np.float64]:
        """Length-normalised log-probability of the anti-stereotype answer."""
        return self.anti_stereotype / self.anti_stereotype_tokens


def score_pairs(subject: Subject, pairs: Sequence[StereotypePair], runtime: Runtime) -> PairScores:
    """Scores both answers of each pair, shared out over the processes."""

    def compute() -> PairScores:
        mine = pairs[shard(len(pairs), runtime.scoring)]
        prompts = [pair.prompt for pair in mine]
        answers = [pair.stereotype for pair in mine] + [pair.anti_stereotype for pair in mine]
        total, tokens = score(subject.lm, subject.model, prompts * 2, answers) if mine else (np.zeros(0), np.zeros(0))
        n = len(mine)
        rows = runtime.scoring.gather(
            list(zip(*(np.asarray(x).tolist() for x in (total[:n], total[n:], tokens[:n], tokens[n:])), strict=True))
        )
        columns = list(zip(*rows, strict=True))
        return PairScores(
            np.asarray(columns[0], dtype=np.float64),
            np.asarray(columns[1], dtype=np.float64),
            np.asarray(columns[2], dtype=np.int64),
            np.asarray(columns[3], dtype=np.int64),
        )

    return runtime.once(("pairs", subject.lm.digest, tuple(pairs)), compute) if subject.untouched else compute()


def features(
    subject: Subject, texts: Sequence[str], config: DownstreamConfig, limit: int, runtime: Runtime
) -> tuple[NDArray[np.float32], TokenizedTexts]:
    """One vector a text, each distinct text computed once. Returns ([texts, width], the tokenised texts).

    Of an untouched model the vectors of the whole set are kept, never those of single texts: a text's vector may differ
    in its last bit with the texts that it was batched with, and a trial must not depend on what ran before it.
    """
    distinct = tuple(dict.fromkeys(texts))

    def compute() -> dict[str, NDArray[np.float32]]:
        tokens = tokenize_texts(subject.lm, distinct[shard(len(distinct), runtime.scoring)], limit)
        mine = pooled_features(
            subject.lm,
            subject.model,
            tokens,
            config.pooling,
            progress=lambda done, total: runtime.observer.progress(done, total, {}),
            layer=config.layer,
        )
        return dict(zip(distinct, runtime.scoring.gather(list(mine)), strict=True))

    key = ("features", subject.lm.digest, config.pooling, config.layer, limit, distinct)
    vectors = runtime.once(key, compute) if subject.untouched else compute()
    return np.stack([vectors[text] for text in texts]), tokenize_texts(subject.lm, texts, limit)


def likelihood(
    subject: Subject, texts: Sequence[str], limit: int, runtime: Runtime
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Total log-likelihood and predicted tokens of each text, shared out over the processes."""

    def compute() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        tokens = tokenize_texts(subject.lm, texts[shard(len(texts), runtime.scoring)], limit)
        total, count = text_logps(subject.lm, subject.model, tokens)
        rows = runtime.scoring.gather(list(zip(total.tolist(), count.tolist(), strict=True)))
        return np.asarray([t for t, _ in rows], dtype=np.float64), np.asarray([c for _, c in rows], dtype=np.int64)

    key = ("likelihood", subject.lm.digest, tuple(texts), limit)
    return runtime.once(key, compute) if subject.untouched else compute()
