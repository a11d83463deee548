"""Counterfactual data augmentation: training rows with the sensitive attribute flipped and the label kept.

``duplicate`` adds every row again, once for each other value of the attribute; ``replace`` flips a fraction in place;
``weighted`` is ``duplicate`` with weights, so that the rows count no more than before; ``reweigh`` flips nothing and
weighs rows until label and group are independent. After Lu et al. 2018 (arXiv:1807.11714) for ``duplicate``, Hall
Maudslay et al. 2019 (arXiv:1909.00871) for ``replace``, Kamiran and Calders 2012 (doi:10.1007/s10115-011-0463-8) for
``reweigh``, applied to fields of a row in place of words of a sentence. Never applied to rows that are judged.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from raysearch.config.schema import CdaConfig, CdaDuplicate, CdaReplace, CdaReweigh, CdaWeighted

Flip = Callable[[pd.DataFrame, NDArray[Any]], pd.DataFrame]


@dataclass(frozen=True, eq=False)
class Augmented:
    """Training rows after augmentation.

    Attributes:
        frame: the rows; numbered anew from 0.
        target: [rows] 0 or 1; a flipped row has its origin's label.
        groups: [rows] value of the sensitive attribute, after the flip.
        origin: [rows] position of the row in the frame that was given.
        counterfactual: [rows] whether the row was flipped.
        weight: [rows] how much the row counts in training; 1 unless a mode of weights was chosen.
    """

    frame: pd.DataFrame
    target: NDArray[np.int64]
    groups: NDArray[Any]
    origin: NDArray[np.int64]
    counterfactual: NDArray[np.bool_]
    weight: NDArray[np.float64]


def augment(
    frame: pd.DataFrame,
    target: NDArray[np.int64],
    groups: NDArray[Any],
    config: CdaConfig,
    flip: Flip,
    other_values: Callable[[str], tuple[str, ...]],
    seed: int,
) -> Augmented:
    """Augments training rows. What is given is left as it is.

    ``duplicate``: all rows as they are, then the flipped copies. ``replace``: the same rows in the same places, of
    which round(fraction * rows), at least one, are flipped; an attribute of several values gets one of the others at
    random. With one seed, the rows flipped at a smaller fraction are among those at a larger one. ``weighted``: the
    rows of ``duplicate``; a row weighs 1 - share, its copies share / copies each. ``reweigh``: the rows as they are,
    with weight P(g) P(y) / P(g, y). Weights add up to the number of rows given
    (of ``reweigh`` where every group has both labels).

    Args:
        frame: training rows.
        target: [rows] label.
        groups: [rows] value of the sensitive attribute.
        config: the mode and its options.
        flip: (rows, new values) -> rows with every field that speaks of the attribute changed.
        other_values: the other values of the attribute, given one of them.
        seed: of the choice of rows in ``replace``.
    """
    rows = np.arange(len(frame), dtype=np.int64)
    others = {value: other_values(value) for value in np.unique(groups).tolist()}
    chosen, values = rows[:0], groups[:0]
    if isinstance(config, CdaDuplicate | CdaWeighted):
        copies = [(row, value) for row, group in enumerate(groups.tolist()) for value in others[group]]
        chosen = np.array([row for row, _ in copies], dtype=np.int64)
        values = np.array([value for _, value in copies], dtype=str)
    elif isinstance(config, CdaReplace) and len(frame):
        rng = np.random.default_rng([seed, 0xCDA])
        count = max(1, round(config.fraction * len(frame)))
        picks = rng.uniform(size=len(frame))  # drawn for every row, so that a larger fraction changes no row's pick
        chosen = np.sort(rng.permutation(rows)[:count])
        new = [(others[groups[row]], picks[row]) for row in chosen]
        values = np.array([options[int(pick * len(options))] for options, pick in new], dtype=str)
    if len(chosen) == 0:
        untouched = np.zeros(len(rows), dtype=bool)
        weight = reweighed(target, groups) if isinstance(config, CdaReweigh) else np.ones(len(rows))
        return Augmented(frame.reset_index(drop=True), target.copy(), groups.copy(), rows, untouched, weight)
    flipped = flip(frame.iloc[chosen].reset_index(drop=True), values)
    kept = np.setdiff1d(rows, chosen) if config.mode == "replace" else rows
    joined = _join(frame, target, groups, kept, chosen, values, flipped, in_place=config.mode == "replace")
    if isinstance(config, CdaWeighted):
        number = np.bincount(joined.origin, minlength=len(rows)) - 1
        of_copies = config.share / np.maximum(number, 1)
        joined.weight[:] = np.where(joined.counterfactual, of_copies[joined.origin], 1.0 - config.share)
    return joined


def reweighed(target: NDArray[np.int64], groups: NDArray[Any]) -> NDArray[np.float64]:
    """[rows] P(g) P(y) / P(g, y) of each row's group g and label y: with these weights the two are independent."""
    weight = np.ones(len(target))
    for group in np.unique(groups):
        for label in np.unique(target):
            cell = (groups == group) & (target == label)
            if cell.any():
                weight[cell] = np.mean(groups == group) * np.mean(target == label) / np.mean(cell)
    return weight


def _join(
    frame: pd.DataFrame,
    target: NDArray[np.int64],
    groups: NDArray[Any],
    kept: NDArray[np.int64],
    chosen: NDArray[np.int64],
    values: NDArray[Any],
    flipped: pd.DataFrame,
    in_place: bool,
) -> Augmented:
    origin = np.concatenate([kept, chosen])
    order = np.argsort(origin, kind="stable") if in_place else np.arange(len(origin))
    joined = pd.concat([frame.iloc[kept], flipped], ignore_index=True).iloc[order].reset_index(drop=True)
    return Augmented(
        frame=joined,
        target=target[origin][order],
        groups=np.concatenate([groups[kept], values])[order],
        origin=origin[order],
        counterfactual=np.concatenate([np.zeros(len(kept), dtype=bool), np.ones(len(chosen), dtype=bool)])[order],
        weight=np.ones(len(origin)),
    )
