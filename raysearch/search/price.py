"""What a trial costs, and what of it is paid for already: for a sampler that looks at the price.

The unlearned update is the costly part of a trial, and it is kept (``pipeline/stage_cache.py``): a trial that differs
from a complete one only in what comes after unlearning gets it for nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.trial import FrozenTrial, TrialState

from raysearch.search.gaussian_process import GaussianProcess
from raysearch.search.unit_cube import UnitCube

Matrix = NDArray[np.float64]

PRICE = "price"
"""User attribute of a complete trial: what it cost."""
_DETERMINE_THE_UPDATE = ("model", "stereotypes", "unlearning", "seed")
_COME_AFTER = ("unlearning.task_vector_scale",)
_LEAST_S = 1e-3


@dataclass(frozen=True)
class Price:
    """Seconds of a trial.

    Attributes:
        update_s: of unlearning; next to nothing where the update was there already.
        rest_s: of all else but waiting for other groups.
    """

    update_s: float
    rest_s: float

    @classmethod
    def of(cls, costs_s: Mapping[str, float]) -> Price:
        """From the seconds by stage of a record, which name their ``total``."""
        update_s = float(costs_s.get("unlearning", 0.0))
        waited_s = float(costs_s.get("waiting", 0.0))
        return cls(update_s, max(0.0, float(costs_s.get("total", update_s)) - update_s - waited_s))

    def told(self) -> dict[str, float]:
        """As a user attribute."""
        return asdict(self)


def determines_update(name: str) -> bool:
    """Whether a parameter is one that the unlearned update depends on (``pipeline.unlearn.identity``)."""
    return name.split(".", 1)[0] in _DETERMINE_THE_UPDATE and name not in _COME_AFTER


def update_of(params: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    """What tells the updates of a study apart: trials of which this is equal share one. Empty: nothing is searched."""
    return tuple(sorted((name, value) for name, value in params.items() if determines_update(name)))


class Prices:
    """What complete trials cost, as a guess of what others will.

    Args:
        cube: of the space.
    """

    def __init__(self, cube: UnitCube) -> None:
        self._cube = cube
        self._determines = np.asarray([determines_update(name) for name in cube.names], dtype=np.bool_)
        self._update, self._rest = GaussianProcess(), GaussianProcess()
        self._owners: list[Mapping[str, Any]] = []
        self._bounds = np.zeros((2, 2))

    @property
    def shared(self) -> bool:
        """Whether trials can share an update and differ: the space has parameters of both kinds."""
        return bool(self._determines.any() and not self._determines.all())

    def learn(self, trials: Sequence[FrozenTrial]) -> bool:
        """Takes in all complete trials with a price. Returns whether there are enough to say anything."""
        done = [t for t in trials if t.state == TrialState.COMPLETE and PRICE in t.user_attrs]
        if len(done) < 2:
            return False
        dearest: dict[Any, float] = {}  # of trials that share an update, one paid for it
        for trial in done:
            key = update_of(trial.params)
            dearest[key] = max(dearest.get(key, 0.0), trial.user_attrs[PRICE]["update_s"])
        self._owners = list({update_of(trial.params): trial.params for trial in done}.values())
        points = np.vstack([self._cube.point(trial.params) for trial in done])
        seconds = [(dearest[update_of(t.params)], t.user_attrs[PRICE]["rest_s"]) for t in done]
        targets = np.log(np.maximum(np.asarray(seconds, dtype=np.float64), _LEAST_S))
        self._bounds = np.vstack([targets.min(axis=0), targets.max(axis=0)])
        columns = self._cube.columns(points)
        self._update.fit(columns, targets[:, 0], anew=True)
        self._rest.fit(columns, targets[:, 1], anew=True)
        return True

    def seconds(self, points: Matrix, update_is_kept: bool) -> Matrix:
        """Expected seconds (n,) of trials at points (n, d); never beyond what was seen."""
        columns = self._cube.columns(points)
        rest = np.exp(np.clip(self._rest.mean(columns), *self._bounds[:, 1]))
        if update_is_kept:
            return np.asarray(rest)
        return np.asarray(rest + np.exp(np.clip(self._update.mean(columns), *self._bounds[:, 0])))

    def siblings(self, rng: np.random.Generator, count: int) -> tuple[Matrix, NDArray[np.int64]]:
        """Points (count, d) that share the update of a complete trial, all else at random, and whose update it is."""
        owners = rng.integers(len(self._owners), size=count)
        at = np.vstack([self._cube.point(params) for params in self._owners])
        return np.where(self._determines, at[owners], rng.uniform(size=(count, self._cube.dimensions))), owners

    def exactly(self, params: Mapping[str, Any], owner: int) -> dict[str, Any]:
        """The parameters of a sibling with its owner's own numbers, which going to the cube and back may have moved."""
        same = self._owners[owner]
        return {name: same[name] if determines_update(name) and name in same else at for name, at in params.items()}
