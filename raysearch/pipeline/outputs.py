"""Features and scores of a model over several processes, each made once.

Blocks that a trial does not train give every trial the same states: they are computed once, and a trial's own pass
begins above them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from raysearch.config.downstream import DownstreamConfig
from raysearch.models.answers import score
from raysearch.models.backbone import entering, first_changed, hidden_states, leaving
from raysearch.models.blocks import blocks_of
from raysearch.models.features import TokenizedTexts, pooled_features, text_logps, tokenize_texts
from raysearch.models.language_model import LanguageModel
from raysearch.models.lora import folded
from raysearch.models.sharding import is_sharded
from raysearch.models.token_tree import TokenTree
from raysearch.pipeline.communicator import shard
from raysearch.pipeline.runtime import Result, Runtime
from raysearch.stereotypes.pairs import StereotypePair


class Passes:
    """The shortest way to a model's last hidden states: the states below its first changed block are kept.

    Args:
        lm: the base model.
        model: it, or it inside an adapter.
        runtime: keeps them.
        upper_blocks: where nothing has changed, the pass is parted below so many blocks.

    Attributes:
        block: where the pass is parted; None: it is not.
    """

    def __init__(self, lm: LanguageModel, model: nn.Module, runtime: Runtime, upper_blocks: int | None = None) -> None:
        blocks = len(blocks_of(lm.model))
        first = 0 if is_sharded(model) or not lm.splits else first_changed(model)
        if first == blocks and upper_blocks is not None:
            first = blocks - upper_blocks
        self.block = first if 0 < first < blocks else None
        self._lm = lm
        self._model = model
        self._runtime = runtime

    def __call__(self, tree: TokenTree) -> Tensor:
        """[packs, nodes, width]."""
        if self.block is None:
            return hidden_states(self._model, tree)
        return leaving(self._model, tree, self.block, self._runtime.all_of([self._lower(tree)])[0]["states"])

    def ahead(self, tree: TokenTree) -> None:
        """The model will be asked for these: the part that is kept may be made now."""
        if self.block is not None:
            self._runtime.ahead(self._lower(tree))

    def _lower(self, tree: TokenTree) -> Result:
        def below() -> dict[str, Tensor]:
            assert self.block is not None  # both callers looked
            with torch.no_grad():
                return {"states": entering(self._model, tree, self.block)}

        return Result("lower_states", (self._lm.identity, self.block, tree.digest), below)


@dataclass(frozen=True)
class Subject:
    """The model that a trial judges.

    Attributes:
        lm: the loaded model.
        model: it, or it inside an adapter.
        untouched: nothing was trained, so its outputs hold for every such trial.
        identity: what determines its weights; None where nothing says, and its outputs are not kept.
        upper_blocks: of an untouched model, the blocks at its end that other trials train: what enters them is kept.
    """

    lm: LanguageModel
    model: nn.Module
    untouched: bool
    identity: str | None = None
    upper_blocks: int | None = None

    def passes(self, runtime: Runtime) -> Passes:
        """The shortest way to its last hidden states."""
        return Passes(self.lm, self.model, runtime, self.upper_blocks)

    @property
    def known(self) -> str | None:
        """What determines its outputs."""
        return self.lm.identity if self.untouched else self.identity


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

    def compute() -> dict[str, Tensor]:
        mine = pairs[shard(len(pairs), runtime.scoring)]
        prompts = [pair.prompt for pair in mine]
        answers = [pair.stereotype for pair in mine] + [pair.anti_stereotype for pair in mine]
        states = subject.passes(runtime)
        total, tokens = np.zeros(0), np.zeros(0)  # type: Any, Any
        if mine:
            with folded(subject.model):
                total, tokens = score(subject.lm, subject.model, prompts * 2, answers, states=states)
        n = len(mine)
        rows = runtime.scoring.gather(
            list(zip(*(np.asarray(x).tolist() for x in (total[:n], total[n:], tokens[:n], tokens[n:])), strict=True))
        )
        return {"scores": torch.tensor(rows, dtype=torch.float64).reshape(-1, 4)}

    columns = _kept(subject, "scores", (tuple(pairs),), compute, runtime)["scores"].cpu().numpy().T
    counts = columns[2:].astype(np.int64)
    return PairScores(columns[0].copy(), columns[1].copy(), counts[0], counts[1])


def _kept(
    subject: Subject, stage: str, key: tuple[Any, ...], make: Callable[[], dict[str, Tensor]], runtime: Runtime
) -> dict[str, Tensor]:
    return _all_kept(subject, stage, [(key, make)], runtime)[0]


def _all_kept(
    subject: Subject,
    stage: str,
    wanted: Sequence[tuple[tuple[Any, ...], Callable[[], dict[str, Tensor]]]],
    runtime: Runtime,
) -> list[dict[str, Tensor]]:
    """Outputs of a subject; those of an untouched model are asked for by every trial of a process."""
    if subject.known is None:
        return [make() for _, make in wanted]
    block = subject.passes(runtime).block  # a pass in two parts may differ from a whole one in its last bit
    results = [Result(stage, (subject.known, block, *key), make, subject.untouched) for key, make in wanted]
    return runtime.all_of(results, together=True)


def features(
    subject: Subject, sets: Sequence[Sequence[str]], config: DownstreamConfig, limit: int, runtime: Runtime
) -> list[tuple[NDArray[np.float32], TokenizedTexts]]:
    """One vector a text, each distinct text of a set computed once.

    The vectors of a whole set are kept, never those of single texts: a text's vector may differ in its last bit with
    the texts that it was forwarded with, and a trial must not depend on what ran before it.

    Returns:
        ([texts, width], the tokenised texts) of each set.
    """
    distinct = [tuple(dict.fromkeys(texts)) for texts in sets]

    def computed(texts: tuple[str, ...]) -> dict[str, Tensor]:
        tokens = tokenize_texts(subject.lm, texts[shard(len(texts), runtime.scoring)], limit)
        with folded(subject.model):
            mine = pooled_features(
                subject.lm,
                subject.model,
                tokens,
                config.pooling,
                progress=lambda done, total: runtime.observer.progress(done, total, {}),
                layer=config.layer,
                states=subject.passes(runtime),
            )
        return {"vectors": torch.from_numpy(np.stack(runtime.scoring.gather(list(mine))))}

    wanted = [((config.pooling, config.layer, limit, texts), partial(computed, texts)) for texts in distinct if texts]
    made = iter(_all_kept(subject, "features", wanted, runtime))
    found = []
    for texts, known in zip(sets, distinct, strict=True):
        place = {text: row for row, text in enumerate(known)}
        vectors = next(made)["vectors"].cpu().numpy() if known else np.zeros((0, 1), dtype=np.float32)
        found.append((vectors[[place[text] for text in texts]], tokenize_texts(subject.lm, texts, limit)))
    return found


def likelihood(
    subject: Subject, texts: Sequence[str], limit: int, runtime: Runtime
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Total log-likelihood and predicted tokens of each text, shared out over the processes."""

    def compute() -> dict[str, Tensor]:
        tokens = tokenize_texts(subject.lm, texts[shard(len(texts), runtime.scoring)], limit)
        states = subject.passes(runtime)
        with folded(subject.model):
            total, count = text_logps(subject.lm, subject.model, tokens, states)
        rows = runtime.scoring.gather(list(zip(total.tolist(), count.tolist(), strict=True)))
        return {"rows": torch.tensor(rows, dtype=torch.float64)}

    rows = _kept(subject, "likelihood", (tuple(texts), limit), compute, runtime)["rows"].cpu().numpy()
    return rows[:, 0].copy(), rows[:, 1].astype(np.int64)
