"""Primal-dual weights: a term becomes a constraint, and its weight the price of breaking it."""

from __future__ import annotations

from collections.abc import Mapping

from raysearch.config.unlearning import LossTermConfig

PREFIX = "weight."
"""Before a term's name, in a learning curve: its primal-dual weight at that step."""


class DualWeights:
    """Weights of terms that have an ``at_most``; the others keep theirs.

    Formula: w <- max(0, w + dual_lr (value - at_most)) after each step: gradient ascent on the Lagrangian's multiplier,
    between descents on the model. Source: Chamon and Ribeiro, 2020, Probably Approximately Correct Constrained
    Learning, arXiv:2006.05487, algorithm 1.

    Args:
        terms: the configured terms.
        last: the last point of a learning curve to go on from; None starts anew.
    """

    def __init__(self, terms: Mapping[str, LossTermConfig], last: Mapping[str, float] | None = None) -> None:
        self._terms = {name: term for name, term in terms.items() if term.at_most is not None}
        self.current = {name: term.weight for name, term in self._terms.items()}
        if last is not None:
            self.update(last)

    def update(self, point: Mapping[str, float]) -> None:
        """Moves the weights after a step.

        Args:
            point: of the learning curve, with each term's value, and its weight at that step.
        """
        for name, term in self._terms.items():
            assert term.at_most is not None  # those without were left out above
            moved = point[PREFIX + name] + term.dual_lr * (point[name] - term.at_most)
            self.current[name] = max(0.0, moved)

    def recorded(self) -> dict[str, float]:
        """As they stand in a point of the learning curve."""
        return {PREFIX + name: weight for name, weight in self.current.items()}
