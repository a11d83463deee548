"""What a public bias set is: items read from its files, the passages that a model rates, scores of the ratings.

NumPy only: a set knows nothing of the model, and its scores are tested by hand. ``evaluate.py`` joins the two.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from raysearch.errors import DataError
from raysearch.metrics.measurement import Measurement, percentile_interval
from raysearch.registry import suggestion

Values = NDArray[np.float64]
Rows = NDArray[Any]

OVERALL = "overall"
Measured = tuple[str, Measurement, float]
"""Name of a score, its measurement, its ideal."""


@dataclass(frozen=True)
class Passage:
    """A text that a model rates.

    Attributes:
        prompt: what stands before it; empty where the text stands alone.
        text: what is rated, by its log-likelihood after the prompt.
    """

    prompt: str
    text: str


@dataclass(frozen=True)
class Item:
    """One question to the model: which of a few passages does it find likelier?

    Attributes:
        category: gender, race, ...
        choices: the passages; equally many in all items of a set.
        right: places of the choices that an unbiased model rates alike, and above the others.
        biased: place of the choice that a stereotyped model rates highest; None where the set does not say.
        condition: the set's own division inside a category: pro or anti, ambiguous or disambiguated.
        term: the group of people that it is about, where scores are first averaged by it.
        unknown: place of the choice that says that the answer is not known, where there is one.
    """

    category: str
    choices: tuple[Passage, ...]
    right: tuple[int, ...]
    biased: int | None
    condition: str = ""
    term: str = ""
    unknown: int | None = None


@dataclass(frozen=True, eq=False)
class Ratings:
    """What a model says of items' choices.

    Attributes:
        total: [items, choices] log-likelihood of each passage after its prompt, summed over its tokens.
        tokens: [items, choices] tokens that were rated.
    """

    total: Values
    tokens: Values

    @property
    def by_token(self) -> Values:
        """[items, choices] mean log-likelihood of a token."""
        return np.asarray(self.total / self.tokens)

    def __getitem__(self, rows: Rows) -> Ratings:
        return Ratings(self.total[rows], self.tokens[rows])


@dataclass(frozen=True)
class Bootstrap:
    """How intervals are made.

    Attributes:
        rounds: resamples of the items.
        confidence: level of the interval.
        seed: of the resampling.
    """

    rounds: int = 1000
    confidence: float = 0.95
    seed: int = 0


@dataclass(frozen=True)
class Score:
    """One score of one category.

    Attributes:
        category: of the items; ``overall`` for all that were scored together.
        name: SS, accuracy pro, ...
        measurement: value, interval and n, in percent; a value that is not defined is NaN.
        ideal: what an unbiased, able model gets.
    """

    category: str
    name: str
    measurement: Measurement
    ideal: float


class BiasSet(ABC):
    """Base of the components in ``bias_sets/sets``: a set reads its files and scores ratings of its passages.

    Attributes:
        name: the component's name.
        description: what an item is and what is scored.
        licence: licence of the files.
        source: who wrote the set, where, and where its files come from.
        archive: name of the pinned archive that carries the files.
        categories: what it can be asked for.
    """

    name: ClassVar[str]
    description: ClassVar[str]
    licence: ClassVar[str]
    source: ClassVar[str]
    archive: ClassVar[str]
    categories: ClassVar[tuple[str, ...]]

    @abstractmethod
    def read(self, folder: Path, categories: Sequence[str] | None = None) -> tuple[Item, ...]:
        """Items of a folder that holds the public files as they are.

        Args:
            folder: holds the files side by side.
            categories: those to read; None: all that the files hold.

        Raises:
            DataError: a file is missing or is not what was published, or there is no such category.
        """

    @abstractmethod
    def measure(self, items: Sequence[Item], ratings: Ratings, bootstrap: Bootstrap) -> list[Measured]:
        """Scores of items that are taken together.

        Args:
            items: of one category, or of all.
            ratings: of their choices.
            bootstrap: of the intervals.
        """

    def scores(self, items: Sequence[Item], ratings: Ratings, bootstrap: Bootstrap) -> list[Score]:
        """Scores by category, and over all items where there is more than one category. Arguments as in ``measure``."""
        names = np.asarray([item.category for item in items])
        groups = {c: np.flatnonzero(names == c) for c in self.categories if c in names}
        if len(groups) > 1:
            groups[OVERALL] = np.arange(len(items))
        return [
            Score(category, *found)
            for category, rows in groups.items()
            for found in self.measure([items[i] for i in rows.tolist()], ratings[rows], bootstrap)
        ]

    def known(self, categories: Sequence[str] | None) -> tuple[str, ...]:
        """The categories asked for, each checked; all of them for None.

        Raises:
            DataError: one is none of this set's; the message suggests the nearest.
        """
        for category in categories or ():
            if category not in self.categories:
                raise DataError(
                    f"bias set '{self.name}' has no category '{category}'. {suggestion(category, self.categories)}"
                )
        return self.categories if categories is None else tuple(categories)


def some_of_each(items: Sequence[Item], limit: int, seed: int = 0) -> tuple[Item, ...]:
    """The first ``limit`` items of each category and condition, after a shuffle by the seed.

    Every stratum is shuffled by the same seed, so the halves of a pair that stand at the same place in two conditions
    of equal size are both kept or both left out.
    """
    strata: dict[tuple[str, str], list[int]] = {}
    for index, item in enumerate(items):
        strata.setdefault((item.category, item.condition), []).append(index)
    kept: list[int] = []
    for members in strata.values():
        order = np.random.default_rng(seed).permutation(len(members))[:limit]
        kept += [members[i] for i in order]
    return tuple(items[i] for i in kept)


def measured(statistic: Callable[[Rows], Mapping[str, float]], n: int, bootstrap: Bootstrap) -> dict[str, Measurement]:
    """Values of a statistic over items with percentile bootstrap intervals, all names from the same resamples.

    Args:
        statistic: [rows] places of items -> value by name.
        n: items.
        bootstrap: of the intervals.
    """
    values = statistic(np.arange(n))
    rng = np.random.default_rng(bootstrap.seed)
    drawn = [statistic(rng.integers(0, n, n)) for _ in range(bootstrap.rounds)]
    found = {}
    for name, value in values.items():
        low, high = percentile_interval(np.asarray([draw[name] for draw in drawn]), bootstrap.confidence)
        found[name] = Measurement(float(value), low, high, n)
    return found


def preferred(ratings: Values, over: Values) -> Values:
    """[items] 1 where the first is rated higher, 0 where the second is, 1/2 where both are rated alike."""
    return np.asarray((np.sign(ratings - over) + 1.0) / 2.0)
