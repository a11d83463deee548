"""A prompt with two answers, and even draws of such pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class StereotypePair:
    """A prompt with its two answers; an answer begins with the space that parts it from the prompt.

    Attributes:
        prompt: ends where the answer is the next word.
        stereotype: the answer that the stereotype gives.
        anti_stereotype: the other.
        template: the frame, the same for all its change types.
        change: change type.
        word: the word of a pole that stands in the prompt.
        pole: which pole, ``poor`` or ``rich``.
        terms: the pair of terms, in the singular.
        set: name of the stereotype set.
    """

    prompt: str
    stereotype: str
    anti_stereotype: str
    template: str
    change: str
    word: str
    pole: str
    terms: tuple[str, str]
    set: str


def draw(of: Sequence[StereotypePair], count: int | None, seed: int) -> tuple[StereotypePair, ...]:
    """Draws pairs evenly over words (and so over poles) and, within a word, over templates and changes.

    Args:
        of: a split's pairs.
        count: how many; None, or more than there are, takes all.
        seed: of the draw.
    """
    if count is None or count >= len(of):
        return tuple(of)
    rng = np.random.default_rng(seed)
    by_word: dict[str, list[StereotypePair]] = {}
    for index in rng.permutation(len(of)):
        by_word.setdefault(of[index].word, []).append(of[index])
    # A queue a word, the words in turn, poles alternating; a template comes again only after all others did.
    queues = [_evenly(by_word[word]) for word in _alternating(by_word)]
    chosen = [queue[turn] for turn in range(max(map(len, queues))) for queue in queues if turn < len(queue)]
    return tuple(chosen[:count])


def _alternating(by_word: dict[str, list[StereotypePair]]) -> list[str]:
    poles = sorted({items[0].pole for items in by_word.values()})
    columns = [sorted(w for w, items in by_word.items() if items[0].pole == pole) for pole in poles]
    return [words[i] for i in range(max(map(len, columns))) for words in columns if i < len(words)]


def _evenly(items: list[StereotypePair]) -> list[StereotypePair]:
    seen: dict[str, int] = {}
    turns = []
    for position, pair in enumerate(items):
        turns.append((seen.get(pair.template, 0), position))
        seen[pair.template] = seen.get(pair.template, 0) + 1
    return [items[position] for _, position in sorted(turns)]
