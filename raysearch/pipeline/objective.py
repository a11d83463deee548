"""The composite loss of a step of unlearning as a module: the forward passes that its terms need, each made once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from raysearch.config.unlearning import UnlearningConfig
from raysearch.losses.composite import CompositeLoss
from raysearch.losses.inputs import Answers, LossInputs, Neutral
from raysearch.models.answers import AnswerBatch, answer_logps, encode
from raysearch.models.backbone import logits
from raysearch.models.language_model import LanguageModel
from raysearch.models.sharding import is_sharded
from raysearch.pipeline import guards
from raysearch.pipeline.batches import NeutralBatch
from raysearch.pipeline.outputs import Passes
from raysearch.pipeline.runtime import Result, Runtime
from raysearch.stereotypes.pairs import StereotypePair

_OF_PAIRS = {"answers", "reference_answers", "refusal"}
"""What a loss may need of the pairs."""


@dataclass(frozen=True)
class Part:
    """Part of this process's share of one step's batch.

    Attributes:
        pairs: to answer.
        neutral: texts to stay close on; None where no term needs them.
        weights: of terms, where they are not as configured.
    """

    pairs: Sequence[StereotypePair]
    neutral: NeutralBatch | None
    weights: Mapping[str, float]


class Objective(nn.Module):
    """The composite loss of a step as a module, so that DDP sees one forward pass.

    Returns from ``forward``: this process's share of the loss, times the number of processes (DDP averages gradients).
    """

    def __init__(
        self,
        lm: LanguageModel,
        model: nn.Module,
        loss: CompositeLoss,
        config: UnlearningConfig,
        set_weights: Mapping[str, float],
        runtime: Runtime,
    ) -> None:
        super().__init__()
        self.model = model
        self._lm = (lm,)  # a tuple hides the model's second path from nn.Module
        self._loss = loss
        self._config = config
        self._set_weights = set_weights
        self._runtime = runtime
        self._passes = Passes(lm, model, runtime)

    def forward(self, part: Part) -> tuple[Tensor, dict[str, Tensor]]:
        """Runs the forward passes that the terms need, each once."""
        reference = None if part.neutral is None else self._untouched_logits(part.neutral)
        answers = self._answers(part.pairs)
        inputs = LossInputs(
            **answers,
            neutral=None if part.neutral is None or reference is None else self._neutral(part.neutral, reference),
            pair_weights=self._pair_weights(part.pairs) if answers else None,
        )
        pairs_total = self._config.pairs_per_step
        total, terms = self._loss(
            inputs, pairs_total=pairs_total, texts_total=self._config.neutral.texts_per_step, weights=part.weights
        )
        if answers:
            terms |= _guarded(answers["stereotype"], answers["anti_stereotype"], pairs_total)
        return total * self._runtime.communicator.size, terms

    def ahead(self, pairs: Sequence[StereotypePair]) -> None:
        """A later step has these pairs: what does not depend on training may be made now."""
        if self._loss.needs & _OF_PAIRS:
            batch = self._encoded(pairs)
            self._passes.ahead(batch.tree)
            if "reference_answers" in self._loss.needs:
                self._runtime.ahead(self._reference(pairs, batch))

    def _pair_weights(self, pairs: Sequence[StereotypePair]) -> Tensor | None:
        """Weight of each pair's set; None where all are 1."""
        if set(self._set_weights.values()) == {1.0}:
            return None
        return torch.tensor([self._set_weights[pair.set] for pair in pairs], device=self._lm[0].device)

    def _answers(self, pairs: Sequence[StereotypePair]) -> dict[str, Answers]:
        needs = self._loss.needs
        if not needs & _OF_PAIRS:
            return {}
        batch = self._encoded(pairs)

        def parts(logps: Tensor) -> list[Answers]:
            cuts = [slice(start, start + len(pairs)) for start in range(0, len(logps), len(pairs))]
            return [Answers(logps[cut], batch.mask[cut]) for cut in cuts]

        given: dict[str, Answers] = {}
        if "reference_answers" in needs:  # first: weights may be exchanged in place, which a graph would not bear
            # A pass over spread weights is made by all processes or by none.
            made = self._runtime.all_of([self._reference(pairs, batch)], together=is_sharded(self.model))
            reference = parts(made[0]["logps"])
            given = {"reference_stereotype": reference[0], "reference_anti_stereotype": reference[1]}
        stereotype, anti_stereotype, *refusal = parts(answer_logps(self.model, batch, self._passes))
        given |= {"stereotype": stereotype, "anti_stereotype": anti_stereotype}
        return given | ({"refusal": refusal[0]} if refusal else {})

    def _encoded(self, pairs: Sequence[StereotypePair]) -> AnswerBatch:
        prompts = [pair.prompt for pair in pairs]
        kinds = [[p.stereotype for p in pairs], [p.anti_stereotype for p in pairs]]
        if self._loss.refusal is not None:
            kinds.append([self._loss.refusal] * len(pairs))
        return encode(self._lm[0], prompts * len(kinds), [answer for answers in kinds for answer in answers])

    def _reference(self, pairs: Sequence[StereotypePair], batch: AnswerBatch) -> Result:
        """Kept for the whole batch: the same pairs in another batch are padded otherwise, and may differ in a bit."""
        key = (self._lm[0].identity, self._loss.refusal, tuple(pairs))
        return Result("reference_answers", key, lambda: {"logps": self._untouched_logps(batch)})

    @torch.no_grad()
    def _untouched_logps(self, batch: AnswerBatch) -> Tensor:
        with self.model.disable_adapter():  # type: ignore[operator]
            return answer_logps(self.model, batch, self._passes)

    @torch.no_grad()
    def _untouched_logits(self, batch: NeutralBatch) -> Tensor:
        if batch.reference is not None:
            return batch.reference
        with self.model.disable_adapter():  # type: ignore[operator]
            return logits(self.model, batch.reference_hidden)

    def _neutral(self, batch: NeutralBatch, reference: Tensor) -> Neutral:
        tree = batch.tree
        of_model = logits(self.model, self._passes(tree))
        return Neutral(tree.rows(of_model), tree.rows(reference), tree.mask.bool())


@torch.no_grad()
def _guarded(stereotype: Answers, anti_stereotype: Answers, pairs_total: int) -> dict[str, Tensor]:
    """This part's share of the batch's means that the guards look at."""
    signed = torch.tanh((stereotype.mean - anti_stereotype.mean) / 2)
    mass = torch.logaddexp(stereotype.total, anti_stereotype.total)
    return {guards.SIGNED_GAP: signed.sum() / pairs_total, guards.LOG_MASS: mass.sum() / pairs_total}
