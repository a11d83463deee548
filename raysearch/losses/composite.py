"""The composite unlearning loss: the only place where terms are weighed and reduced.

    L = sum over terms of w_term * (sum over the batch of w_example * value) / (examples in the batch)

w_example is 1, or the weight of the pair's stereotype set. With the four terms of the source:
-w_unlearn CE(s) + w_learn CE(a) + w_gap |p_s - p_a| + w_kl KL(ref || model).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from torch import Tensor

from raysearch import registry
from raysearch.config.unlearning import LossTermConfig
from raysearch.losses.inputs import LossInputs
from raysearch.losses.term import LossTerm


def check_options(name: str, options: Mapping[str, object]) -> None:
    """Checks a term's options against the fields of its class.

    Raises:
        ValueError: an option that the term does not have, or that it refuses.
    """
    if not options:
        return
    component = registry.get("loss", name)
    known = {field.name for field in dataclasses.fields(component)}
    for option in options:
        if option not in known:
            remedy = registry.suggestion(option, known) if known else "It has none."
            raise ValueError(f"{name} has no option '{option}'. {remedy}")
    try:
        component(**options)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} refuses its options: {error}") from error


class CompositeLoss:
    """Weighs loss terms.

    Args:
        terms: by name; terms of weight 0 are neither computed nor do their needs count, unless their weight may rise.
    """

    def __init__(self, terms: Mapping[str, LossTermConfig]) -> None:
        self._terms: dict[str, tuple[LossTerm, float]] = {
            name: (registry.get("loss", name)(**term.options), term.weight) for name, term in terms.items() if term.used
        }

    @property
    def needs(self) -> frozenset[str]:
        """Inputs that the terms in use read, together."""
        return frozenset().union(*(term.needs for term, _ in self._terms.values()))

    @property
    def refusal(self) -> str | None:
        """The words of the refusal, where a term in use reads it."""
        return next((str(term.answer) for term, _ in self._terms.values() if "refusal" in term.needs), None)  # type: ignore[attr-defined]

    def __call__(
        self,
        inputs: LossInputs,
        pairs_total: int | None = None,
        texts_total: int | None = None,
        weights: Mapping[str, float] | None = None,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of a batch, or this process's share of it.

        Args:
            inputs: what the terms need.
            pairs_total: pairs of the whole batch; None means that ``inputs`` is the whole batch.
            texts_total: neutral texts of the whole batch.
            weights: of terms, in place of the configured ones (primal-dual weights).

        Returns:
            (scalar loss, value of each term without any weight, detached). Shares of several processes add up to the
            batch's.

        Raises:
            ValueError: no term has a weight above 0.
        """
        if not self._terms:
            raise ValueError("every loss term has weight 0: there is nothing to train on")
        values: dict[str, Tensor] = {}
        weighed: list[Tensor] = []
        for name, (term, weight) in self._terms.items():
            examples = term.per_example(inputs)
            neutral = "neutral" in term.needs
            given = texts_total if neutral else pairs_total
            total = len(examples) if given is None else given
            counted = examples if neutral or inputs.pair_weights is None else inputs.pair_weights * examples
            weighed.append((weight if weights is None else weights.get(name, weight)) * (counted.sum() / total))
            values[name] = examples.sum().detach() / total
        loss = weighed[0]
        for part in weighed[1:]:
            loss = loss + part
        return loss, values
