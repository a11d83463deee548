"""Leaves of a space as Optuna's distributions."""

from __future__ import annotations

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from raysearch.config.space import Choice, Distribution, Int, labels


def distribution(leaf: Distribution) -> BaseDistribution:
    """Optuna's form of a leaf."""
    if isinstance(leaf, Choice):
        return CategoricalDistribution(labels(leaf))
    if isinstance(leaf, Int):
        return IntDistribution(leaf.low, leaf.high, log=leaf.log, step=leaf.step or 1)
    return FloatDistribution(leaf.low, leaf.high, log=leaf.log, step=leaf.step)
