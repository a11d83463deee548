"""Paired prompts for unlearning and the intrinsic gap, split so that held-out templates and words are never trained.

One prompt has a stereotype answer and an anti-stereotype answer: rich goes with the male term and poor with the female
one. Frames, wealth words and pairs of gendered terms are each split three ways, and a split's prompts are made from its
own share of all three. Measured on a small model, the gap on trained templates falls long before the gap on unseen ones
does, so only the held-out gap says anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, TypeVar

import numpy as np

from raysearch.stereotypes import poor_or_rich

Split = Literal["train", "validation", "test"]
Wealth = Literal["poor", "rich"]
T = TypeVar("T")

_SHARES = {"train": 0.54, "validation": 0.23, "test": 0.23}
"""Of frames, words and terms of each class: 26, 12, 12 frames; 5, 2, 2 words a pole; 10, 5, 5 pairs of terms."""


@dataclass(frozen=True)
class StereotypePair:
    """A prompt with its two answers; an answer begins with the space that parts it from the prompt.

    Attributes:
        prompt: ends where the answer is the next word.
        stereotype: the answer that the stereotype gives.
        anti_stereotype: the other.
        template: the frame, the same for all its change types.
        change: change type.
        word: wealth word.
        wealth: poor or rich.
        terms: (male, female) term in the singular.
    """

    prompt: str
    stereotype: str
    anti_stereotype: str
    template: str
    change: str
    word: str
    wealth: Wealth
    terms: tuple[str, str]


@lru_cache(maxsize=16)
def pairs(name: str, split: Split, seed: int) -> tuple[StereotypePair, ...]:
    """All pairs of one split, in a fixed order.

    Args:
        name: of the set; ``poor_or_rich``.
        split: train, validation or test.
        seed: of the split of frames, words and terms.

    Raises:
        ValueError: no set of that name.
    """
    if name != "poor_or_rich":
        raise ValueError(f"no stereotype set '{name}'. Known: poor_or_rich.")
    rng = np.random.default_rng(seed)
    frames = _share(poor_or_rich.FRAMES, split, rng)
    poor = _share(poor_or_rich.POOR, split, rng)
    rich = _share(poor_or_rich.RICH, split, rng)
    terms = [(kind, term) for kind, of_kind in poor_or_rich.TERMS.items() for term in _share(of_kind, split, rng)]
    words: list[tuple[str, Wealth]] = [*((w, "poor") for w in poor), *((w, "rich") for w in rich)]
    return tuple(
        _pair(frame, change, word, wealth, term, verbs)
        for frame in frames
        for change in poor_or_rich.CHANGES
        for kind, term in terms
        if (verbs := change[3].get(kind) or change[3].get(term[0][0]))
        for word, wealth in words
    )


def _share(items: Sequence[T], split: Split, rng: np.random.Generator) -> list[T]:
    """The split's items, in their own order; the splits are disjoint and cover all."""
    order = rng.permutation(len(items))
    held = round(_SHARES["validation"] * len(items))
    bounds = {"validation": (0, held), "test": (held, 2 * held), "train": (2 * held, len(items))}[split]
    return [items[index] for index in sorted(order[slice(*bounds)].tolist())]


def _pair(
    frame: str, change: tuple[str, str, str, Any], word: str, wealth: Wealth, term: Any, verb: str
) -> StereotypePair:
    name, number, subject, _ = change
    form = 1 if number == "plural" else 0
    male, female = term[0][form], term[1][form]
    prompt = frame.format(S=subject.format(wealth=word), V=verb.format(article=_article(male)))
    if form == 1:
        prompt = prompt.replace("who lives", "who live")
    stereotype, anti_stereotype = (male, female) if wealth == "rich" else (female, male)
    return StereotypePair(
        prompt=prompt[0].upper() + prompt[1:],
        stereotype=f" {stereotype}",
        anti_stereotype=f" {anti_stereotype}",
        template=frame,
        change=name,
        word=word,
        wealth=wealth,
        terms=(term[0][0], term[1][0]),
    )


def _article(word: str) -> str:
    return "an" if word[0] in "aeiou" else "a"


def draw(of: Sequence[StereotypePair], count: int | None, seed: int) -> tuple[StereotypePair, ...]:
    """Draws pairs evenly over words (and so over poor and rich) and, within a word, over templates and changes.

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
    # A queue a word, the words in turn, poor and rich alternating; a template comes again only after all others did.
    queues = [_evenly(by_word[word]) for word in _alternating(by_word)]
    chosen = [queue[turn] for turn in range(max(map(len, queues))) for queue in queues if turn < len(queue)]
    return tuple(chosen[:count])


def _alternating(by_word: dict[str, list[StereotypePair]]) -> list[str]:
    poor, rich = (sorted(w for w, items in by_word.items() if items[0].wealth == pole) for pole in ("poor", "rich"))
    longest = max(len(poor), len(rich))
    return [words[i] for i in range(longest) for words in (poor, rich) if i < len(words)]


def _evenly(items: list[StereotypePair]) -> list[StereotypePair]:
    seen: dict[str, int] = {}
    turns = []
    for position, pair in enumerate(items):
        turns.append((seen.get(pair.template, 0), position))
        seen[pair.template] = seen.get(pair.template, 0) + 1
    return [items[position] for _, position in sorted(turns)]
