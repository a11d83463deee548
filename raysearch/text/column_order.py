"""Columns by importance, so that a text cut from the right loses what matters least."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier
from sklearn.inspection import permutation_importance
from sklearn.model_selection import StratifiedKFold

FOLDS = 5
TREES = 50
REPEATS = 4


def order_by_importance(
    frame: pd.DataFrame,
    names: Sequence[str],
    kinds: Mapping[str, str],
    target: NDArray[np.int64],
    seed: int,
) -> tuple[str, ...]:
    """Column names, the most important first; equal importance keeps the given order.

    Importance of a column: by how much the log-loss of a random forest rises when the column's values are shuffled
    among rows that the forest was not fitted on (Breiman 2001, doi:10.1023/A:1010933404324), averaged over the folds
    of a cross-validation within ``frame``. Give training rows only: importance on judged rows would leak their labels.

    Args:
        frame: training rows.
        names: the columns to order.
        kinds: ``numeric`` or ``categorical`` by column.
        target: [rows] 0 or 1.
        seed: of the folds, forests and shuffles.

    Returns:
        All ``names``. With fewer than two rows of a label nothing can be measured, and the given order is returned.
    """
    folds = min(FOLDS, int(np.bincount(target, minlength=2).min()))
    if folds < 2 or len(names) < 2:
        return tuple(names)
    encoded = np.column_stack([_encoded(frame[name], kinds[name]) for name in names])
    total = np.zeros(len(names))
    splitter = StratifiedKFold(folds, shuffle=True, random_state=seed % 2**32)
    for fold, (fitted, held_out) in enumerate(splitter.split(encoded, target)):
        state = (seed + fold) % 2**32
        forest = RandomForestClassifier(TREES, min_samples_leaf=5, random_state=state).fit(
            encoded[fitted], target[fitted]
        )
        measured = permutation_importance(
            forest,
            encoded[held_out],
            target[held_out],
            scoring="neg_log_loss",
            n_repeats=REPEATS,
            random_state=state,
        )
        total += measured.importances_mean * len(held_out)
    return tuple(names[i] for i in np.argsort(-total, kind="stable"))


def _encoded(column: pd.Series[Any], kind: str) -> NDArray[np.float64]:
    if kind == "numeric":
        return pd.to_numeric(column).to_numpy(dtype=float, na_value=np.nan)
    codes, _ = pd.factorize(column, sort=True)  # a missing value becomes -1, a code of its own
    return np.asarray(codes, dtype=float)
