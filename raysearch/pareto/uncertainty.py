"""How sure a front is: from bootstrap draws to P(non-dominated) and an interval for the hypervolume. Plain arrays."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from raysearch.pareto.front import Mask, Values, hypervolume, non_dominated


def probability_non_dominated(draws: Values, feasible: Mask) -> Values:
    """Share of the draws in which each row is on the front.

    Args:
        draws: [draws, trials, objectives], minimised.
        feasible: [draws, trials], or [trials] for all draws; where a row is not, it is not on the front and beats none.

    Returns:
        [trials] in [0, 1].
    """
    allowed = np.broadcast_to(feasible, draws.shape[:2])
    return np.asarray(np.mean([non_dominated(*drawn) for drawn in zip(draws, allowed, strict=True)], axis=0))


def hypervolume_draws(draws: Values, feasible: Mask, reference_point: Sequence[float]) -> Values:
    """Hypervolume of the feasible rows in each draw.

    The front is chosen anew in each draw, so the mean is above the true value (the winner's curse); the spread says how
    much of it is chance.

    Args:
        draws: [draws, trials, objectives], minimised.
        feasible: [draws, trials], or [trials] for all draws.
        reference_point: [objectives], minimised.

    Returns:
        [draws].
    """
    allowed = np.broadcast_to(feasible, draws.shape[:2])
    volumes = [hypervolume(values[mask], reference_point) for values, mask in zip(draws, allowed, strict=True)]
    return np.asarray(volumes, dtype=np.float64)


def most_uncertain(probability: Values, seeds: Values, most_seeds: int) -> int | None:
    """Where one more seed tells most: the largest variance of being on the front, p (1 - p), per seed already spent.

    Args:
        probability: [trials] P(non-dominated).
        seeds: [trials] seeds done or under way.
        most_seeds: rows with so many are left out.

    Returns:
        The row; None where every row is certain or has enough seeds.
    """
    gain = np.where(seeds < most_seeds, probability * (1.0 - probability) / np.maximum(seeds, 1), 0.0)
    best = int(np.argmax(gain)) if len(gain) else 0
    return best if len(gain) and gain[best] > 0 else None
