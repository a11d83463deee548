"""Which parameter matters to which objective, seen in two ways. Needs neither torch nor Ray.

PED-ANOVA asks in what the best trials differ from all. Permutation importance asks how much worse a random forest
foretells an objective of trials that it never saw when one parameter's values are shuffled. Both see what the search
has tried: a region that the sampler left early looks flat. One row a configuration, means over its seeds; anchors have
no sampled parameters and are left out. A parameter that exists only under an option of a choice also tells whether that
option is taken, so it shares the choice's importance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestRegressor
from sklearn.model_selection import KFold

from raysearch.config.space import Choice, Distribution, labels, parameters, same
from raysearch.errors import UserError
from raysearch.pareto.front import to_minimise
from raysearch.search.importance import PedAnova
from raysearch.uncertainty.configurations import Configuration, measured

Values = NDArray[np.float64]

LEAST_TRIALS = 10
"""Fewer cannot be parted into five folds with anything left to learn from."""
_FOLDS = 5
_TREES = 100
_ROWS_A_TREE = 1000
"""At most, so that five thousand trials take a minute, not ten."""
_SHUFFLES = 10
_POINTS = 20
"""Of a partial dependence curve."""
_OTHERS = 200
"""Trials at most, over whose other parameters such a curve is averaged."""


@dataclass(frozen=True)
class Dependence:
    """How the forest's answer changes with one parameter, the others as they were.

    Attributes:
        at: [points] values of the parameter, or labels of its options.
        means: [folds, points] mean answer over the trials that have the parameter, one line a forest.
    """

    at: tuple[Any, ...]
    means: Values


@dataclass(frozen=True)
class Importance:
    """Of one parameter for one objective.

    Attributes:
        parameter: its path.
        trials: that have it.
        ped_anova: share of the importances' sum.
        chance: 95 % of PED-ANOVA's shares stay below this where the objective has nothing to do with any parameter.
        permutation: rise of the mean squared error on unseen trials when its values are shuffled, as a share of the
            objective's variance; mean over folds.
        low: least over folds.
        high: most over folds.
        dependence: what the forests answer along it.
        log: it was sampled on a log scale.
    """

    parameter: str
    trials: int
    ped_anova: float
    chance: float
    permutation: float
    low: float
    high: float
    dependence: Dependence
    log: bool


@dataclass(frozen=True)
class ObjectiveImportance:
    """All parameters for one objective.

    Attributes:
        objective: its name.
        trials: configurations that were looked at.
        explained: share of the variance on unseen trials that the forest explains, against the mean of the seen ones
            (cross-validated R^2); at 0 or below it explains nothing, and permutation importance has no meaning.
        parameters: by permutation importance where the forest explains something, else by PED-ANOVA.
    """

    objective: str
    trials: int
    explained: float
    parameters: tuple[Importance, ...]


def importances(
    found: Sequence[Configuration], objectives: Mapping[str, str], space: Any, seed: int = 0
) -> list[ObjectiveImportance]:
    """Importance of every parameter for every objective.

    Args:
        found: configurations of a run; those that were not sampled, or lack an objective, are left out.
        objectives: metric -> direction.
        space: the study's.
        seed: of folds, forests and shuffles.

    Raises:
        UserError: the study samples nothing, or too few trials are complete.
    """
    sampled = [c for c in measured(found, objectives) if c.records[0].params]
    leaves = {name: one.distribution for name, one in parameters(space).items()}
    if not leaves:
        raise UserError("the study's space has no distribution, so there is no parameter to judge")
    if len(sampled) < LEAST_TRIALS:
        raise UserError(
            f"{len(sampled)} complete sampled configurations with all objectives; importance needs {LEAST_TRIALS}, and "
            "says something from about 50 on. `raysearch resume RUN --trials N` adds some"
        )
    params = [c.records[0].params for c in sampled]
    table = encoded(params, leaves)
    table = table[[name for name in table if table[name].nunique() + table[name].isna().any() > 1]]
    if table.empty:
        raise UserError("all complete trials have the same parameters, so none can be judged")
    anova = PedAnova(space, params)
    chance = anova.chance(seed=seed)
    return [
        _of_objective(name, [c.spread(name).mean for c in sampled], direction, table, leaves, anova, chance, seed)
        for name, direction in objectives.items()
    ]


def encoded(params: Sequence[Mapping[str, Any]], leaves: Mapping[str, Distribution]) -> pd.DataFrame:
    """Parameters as numbers: on a log scale their logarithm, a choice its option's place, NaN where there is none."""
    return pd.DataFrame(
        {
            name: [_number(leaf, given[name]) if name in given else np.nan for given in params]
            for name, leaf in leaves.items()
        }
    ).astype(np.float64)


def importance_frame(found: Sequence[ObjectiveImportance]) -> pd.DataFrame:
    """One row an objective and parameter."""
    return pd.DataFrame(
        [
            {
                "objective": one.objective,
                "explained": one.explained,
                "parameter": parameter.parameter,
                "trials": parameter.trials,
                "ped_anova": parameter.ped_anova,
                "ped_anova_chance": parameter.chance,
                "permutation": parameter.permutation,
                "low.permutation": parameter.low,
                "high.permutation": parameter.high,
            }
            for one in found
            for parameter in one.parameters
        ]
    )


def _of_objective(
    name: str,
    values: Sequence[float],
    direction: str,
    table: pd.DataFrame,
    leaves: Mapping[str, Distribution],
    anova: PedAnova,
    chance: Mapping[str, float],
    seed: int,
) -> ObjectiveImportance:
    target = np.asarray(values, dtype=np.float64)
    minimised = to_minimise(target[:, None], [direction])[:, 0]
    shares = anova.shares(minimised)
    explained, rises, forests = _cross_validated(table, target, seed)
    rows = [
        Importance(
            parameter=parameter,
            trials=int(table[parameter].notna().sum()),
            ped_anova=shares[parameter],
            chance=chance[parameter],
            permutation=float(rises[:, column].mean()),
            low=float(rises[:, column].min()),
            high=float(rises[:, column].max()),
            dependence=_dependence(forests, table, parameter, leaves[parameter]),
            log=getattr(leaves[parameter], "log", False),
        )
        for column, parameter in enumerate(map(str, table.columns))
    ]
    rows.sort(key=lambda row: -(row.permutation if explained > 0 else row.ped_anova))
    return ObjectiveImportance(name, len(table), explained, tuple(rows))


def _cross_validated(
    table: pd.DataFrame, target: Values, seed: int
) -> tuple[float, Values, list[RandomForestRegressor]]:
    """(R^2 on unseen trials, [folds, parameters] rise of their error as a share of the variance, a forest a fold)."""
    inputs = table.to_numpy()
    variance = float(target.var()) or 1.0
    missed = against = 0.0
    rises, forests = [], []
    rng = np.random.default_rng(seed)
    for seen, unseen in KFold(_FOLDS, shuffle=True, random_state=seed).split(inputs):
        forest = RandomForestRegressor(
            _TREES, min_samples_leaf=3, max_samples=min(len(seen), _ROWS_A_TREE), random_state=seed
        ).fit(inputs[seen], target[seen])
        missed += float(((forest.predict(inputs[unseen]) - target[unseen]) ** 2).sum())
        against += float(((target[seen].mean() - target[unseen]) ** 2).sum())
        rises.append(_rises(forest, inputs[unseen], target[unseen], rng) / variance)
        forests.append(forest)
    return (1.0 - missed / against if against > 0 else 0.0), np.asarray(rises), forests


def _rises(forest: RandomForestRegressor, inputs: Values, target: Values, rng: np.random.Generator) -> Values:
    """[parameters] permutation importance (Breiman, 2001, doi:10.1023/A:1010933404324), in squared units of the target.

    scikit-learn's own asks the forest once a shuffle, which for small folds is nearly all of the time; here once.
    """
    count, columns = inputs.shape
    shuffled = np.tile(inputs, (columns, _SHUFFLES, 1, 1))
    for column in range(columns):
        for shuffle in range(_SHUFFLES):
            shuffled[column, shuffle, :, column] = rng.permutation(inputs[:, column])
    answers = forest.predict(np.concatenate([inputs, shuffled.reshape(-1, columns)]))
    errors = ((answers - np.tile(target, len(answers) // count)) ** 2).reshape(-1, count).mean(axis=1)
    return np.asarray(errors[1:].reshape(columns, _SHUFFLES).mean(axis=1) - errors[0])


def _dependence(
    forests: Sequence[RandomForestRegressor], table: pd.DataFrame, parameter: str, leaf: Distribution
) -> Dependence:
    """Friedman, 2001, doi:10.1214/aos/1013203451, among the trials that have the parameter; within its 5 to 95 %."""
    having = table[table[parameter].notna()]
    if isinstance(leaf, Choice):
        grid = np.unique(having[parameter])
        at: tuple[Any, ...] = tuple(labels(leaf)[int(place)] for place in grid)
    else:
        low, high = np.quantile(having[parameter].to_numpy(), [0.05, 0.95])
        grid = np.linspace(low, high, _POINTS)
        at = tuple((10.0**grid if leaf.log else grid).tolist())
    rows = having.sample(min(len(having), _OTHERS), random_state=0).to_numpy()
    inputs = np.tile(rows, (len(grid), 1))
    inputs[:, list(table.columns).index(parameter)] = np.repeat(grid, len(rows))
    answers = np.asarray([forest.predict(inputs).reshape(len(grid), len(rows)) for forest in forests])
    return Dependence(at, answers.mean(axis=2))


def _number(leaf: Distribution, value: Any) -> float:
    if isinstance(leaf, Choice):
        return float(next(place for place, label in enumerate(labels(leaf)) if same(label, value)))
    return float(np.log10(value)) if leaf.log else float(value)
