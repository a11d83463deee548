"""PED-ANOVA by Optuna, on finished trials: in what do the best trials differ from all of them?

The study is built anew in memory from values and parameters; nothing is asked of it.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution
from optuna.importance import PedAnovaImportanceEvaluator
from optuna.trial import FrozenTrial, create_trial

from raysearch.config.space import Distribution, walk
from raysearch.search.distributions import distribution

_BEST = 10
"""Trials that are compared with all, at least: Optuna asks for five, and five say little."""
_SHARE = 0.1
"""Of the trials that are the best ones, where that is more than ``_BEST``: Optuna's own default."""


class PedAnova:
    """Importance of each parameter for single objectives.

    How far the distribution of a parameter among the best trials is from that among all (Pearson divergence of Parzen
    estimates), as a share of the sum over parameters. A parameter that exists only under an option of a choice is
    compared among the trials that have it. Watanabe, Bansal and Hutter, 2023, arXiv:2304.10255; for conditional ones
    arXiv:2601.20800.

    Args:
        space: the study's.
        params: of each trial, by name.
    """

    def __init__(self, space: Any, params: Sequence[Mapping[str, Any]]) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._study = optuna.create_study()
        known: dict[str, BaseDistribution] = {}
        for given in params:
            found: dict[str, BaseDistribution] = {}

            def note(
                name: str, leaf: Distribution, given: Mapping[str, Any] = given, found: dict[str, Any] = found
            ) -> Any:
                found[name] = known.setdefault(name, distribution(leaf))
                return given[name]

            used, _ = walk(space, note)
            self._study.add_trial(create_trial(value=0.0, params=used, distributions=found))
        self._evaluator = PedAnovaImportanceEvaluator(
            target_quantile=min(0.5, max(_SHARE, _BEST / max(1, len(params))))
        )

    def shares(self, values: NDArray[np.float64]) -> dict[str, float]:
        """Importance by parameter; sums to 1, or is 0 for all where nothing differs.

        Args:
            values: [trials] minimised.
        """

        def of_trial(trial: FrozenTrial) -> float:
            return float(values[trial.number])

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that less is better, and that a rare option has few trials
            found = self._evaluator.evaluate(self._study, target=of_trial)
        total = sum(found.values())
        return {name: value / total if total > 0 else 0.0 for name, value in found.items()}

    def chance(self, rounds: int = 100, share: float = 0.95, seed: int = 0) -> dict[str, float]:
        """What a share of importances stays below where no parameter has an effect: of an order dealt out at random.

        Shares always sum to 1, so one that is not above its chance says nothing. It is the same for all objectives, but
        for ties at the edge of the best trials, which make chance smaller: then this is cautious.

        Args:
            rounds: deals.
            share: of the deals.
            seed: of the deals.
        """
        rng = np.random.default_rng(seed)
        count = len(self._study.get_trials(deepcopy=False))
        dealt = [self.shares(rng.permutation(count).astype(np.float64)) for _ in range(rounds)]
        return {name: float(np.quantile([one[name] for one in dealt], share)) for name in dealt[0]}
