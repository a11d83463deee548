"""A search space as a cube, for models of it: one coordinate a parameter, and the columns that a model sees of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from raysearch.config.space import Choice, Conditions, Int, Parameter, labels, option_index, parameters, walk

Matrix = NDArray[np.float64]


class UnitCube:
    """Parameters as points of [0, 1]^d, d the number of parameters that may exist.

    A number lies at its place in its range, on its own scale; of k options the i-th is [i / k, (i + 1) / k). Parameters
    under a choice have a coordinate whether they exist at a point or not.

    Args:
        space: a tree of constants and distributions.
    """

    def __init__(self, space: Any) -> None:
        self._space = space
        self._parameters: list[Parameter] = list(parameters(space).values())
        self._index = {parameter.name: index for index, parameter in enumerate(self._parameters)}

    @property
    def names(self) -> list[str]:
        """Of the parameters, a coordinate each."""
        return [parameter.name for parameter in self._parameters]

    @property
    def dimensions(self) -> int:
        """How many parameters may exist."""
        return len(self._parameters)

    def point(self, params: Mapping[str, Any]) -> Matrix:
        """The point (d,) of parameters; one that does not exist lies in the middle."""
        found = np.full(self.dimensions, 0.5)
        for index, parameter in enumerate(self._parameters):
            leaf, value = parameter.distribution, params.get(parameter.name)
            if value is None:
                continue
            if isinstance(leaf, Choice):
                found[index] = (option_index(leaf, value, parameter.name) + 0.5) / len(leaf.options)
            elif leaf.high > leaf.low:
                low, high, at = leaf.low, leaf.high, value
                if leaf.log:
                    low, high, at = math.log(low), math.log(high), math.log(at)
                found[index] = (at - low) / (high - low)
        return found

    def params(self, point: Matrix) -> dict[str, Any]:
        """The parameters that exist at a point (d,), whole numbers and steps rounded."""

        def choose(name: str, leaf: Any) -> Any:
            at = float(np.clip(point[self._index[name]], 0.0, 1.0))
            if isinstance(leaf, Choice):
                return labels(leaf)[min(int(at * len(leaf.options)), len(leaf.options) - 1)]
            low, high = leaf.low, leaf.high
            value = math.exp(math.log(low) + at * math.log(high / low)) if leaf.log else low + at * (high - low)
            if leaf.step:
                value = low + round((value - low) / leaf.step) * leaf.step
                value = value if value <= high else value - leaf.step
            return int(min(max(round(value), low), high)) if isinstance(leaf, Int) else min(max(value, low), high)

        return walk(self._space, choose)[0]

    def columns(self, points: Matrix) -> Matrix:
        """What a model sees of points (n, d): a number as its coordinate, an option as a column of its own, 0 where the
        parameter does not exist, and a column that says whether it does for numbers under a choice."""
        found: list[Matrix] = []
        for index, parameter in enumerate(self._parameters):
            exists = self._exist(parameter, points)
            leaf = parameter.distribution
            if isinstance(leaf, Choice):
                chosen = self._option(points, parameter.name)
                found += [exists * (chosen == option) for option in range(len(leaf.options))]
                continue
            if parameter.conditions or parameter.alternatives:
                found.append(exists)
            found.append(exists * points[:, index])
        return np.column_stack(found) if found else np.zeros((len(points), 0))

    def _option(self, points: Matrix, name: str) -> NDArray[np.int64]:
        leaf = self._parameters[self._index[name]].distribution
        count = len(leaf.options) if isinstance(leaf, Choice) else 1
        return np.minimum((points[:, self._index[name]] * count).astype(np.int64), count - 1)

    def _exist(self, parameter: Parameter, points: Matrix) -> Matrix:
        found = np.zeros(len(points))
        for conditions in (parameter.conditions, *parameter.alternatives):
            found = np.maximum(found, self._hold(conditions, points))
        return found

    def _hold(self, conditions: Conditions, points: Matrix) -> Matrix:
        found = np.ones(len(points))
        for name, wanted in conditions:
            leaf = self._parameters[self._index[name]].distribution
            if isinstance(leaf, Choice):
                found *= self._option(points, name) == option_index(leaf, wanted, name)
        return found
