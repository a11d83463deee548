"""Synthetic problems with constraints and fidelities, for comparisons of searches. pymoo has the functions.

Every objective is minimised. At fidelity r of ``FULL`` a trial shows its full value plus a learning curve's rest,
(1 - r / FULL) * 0.3 * |sin| of its parameters, which differs from trial to trial and from objective to objective: low
fidelity misleads, and less so the higher it is. A trial at full fidelity costs 1 s, each evaluation 0.1 s more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from pymoo.problems import get_problem

from raysearch.config.space import Float
from raysearch.search.price import Price
from raysearch.simulation.problem import Outcome

FULL = 27
OBJECTIVES = 4

# (pymoo's name, variables, corner). Variables so few that a random point is feasible in 100 %, 23 % and 5 % of cases.
SYNTHETIC = {"dtlz2": ("dtlz2", 8, 2.0), "c2dtlz2": ("c2dtlz2", 8, 2.0), "mw8": ("mw8", 5, 2.0)}


@dataclass
class SyntheticProblem:
    """One of ``SYNTHETIC``, with four objectives."""

    name: str
    full: int = FULL
    objectives: Mapping[str, str] = field(
        default_factory=lambda: {f"f{index}": "minimize" for index in range(OBJECTIVES)}
    )

    def __post_init__(self) -> None:
        name, self.variables, corner = SYNTHETIC[self.name]
        self._problem: Any = get_problem(name, n_var=self.variables, n_obj=OBJECTIVES)
        self.corner = (corner,) * OBJECTIVES
        self.space = {
            f"x{index}": Float(float(self._problem.xl[index]), float(self._problem.xu[index]))
            for index in range(self.variables)
        }
        rng = np.random.default_rng(0)
        self._slopes = rng.uniform(1.0, 4.0, (OBJECTIVES, self.variables))
        self._memo: dict[bytes, tuple[np.ndarray, np.ndarray]] = {}

    def outcome(self, params: Mapping[str, Any], fidelity: int, seed: int) -> Outcome:
        """The function's value, with the rest of its learning curve; constraints are of the same fidelity."""
        x = np.asarray([params[f"x{index}"] for index in range(self.variables)], dtype=np.float64)
        key = x.tobytes()
        if key not in self._memo:
            wanted = ["F", "G"] if self._problem.n_ieq_constr else ["F"]
            found = self._problem.evaluate(x[None], return_values_of=wanted)
            values = np.asarray(found[0] if len(wanted) == 2 else found)[0]
            limits = np.asarray(found[1])[0] if len(wanted) == 2 else np.empty(0)
            self._memo[key] = (values, limits)
        values, limits = self._memo[key]
        rest = (1.0 - fidelity / self.full) * 0.3
        shown = values + rest * np.abs(np.sin(self._slopes @ x))
        constraints = {f"g{index}": float(limit + rest * 0.1) for index, limit in enumerate(limits)}
        return Outcome(tuple(shown.tolist()), constraints)

    def price(self, params: Mapping[str, Any], start: int, end: int, gated: bool) -> Price:
        """1 s for all units of fidelity, 0.1 s for an evaluation."""
        return Price((end - start) / self.full, 0.1)
