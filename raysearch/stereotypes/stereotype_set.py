"""What a stereotype set is: paired prompts crossed from templates, words and terms, split so that nothing leaks.

One prompt has a stereotype answer and an anti-stereotype answer. A set ties its two poles (poor and rich, violent and
peaceful, ...) to the two terms of a pair: the stereotype gives the first term to one pole and the second to the other.
Frames, the words of each pole and pairs of terms are each split three ways, and a split's prompts are made from its own
share of all three. Measured on a small model, the gap on trained templates falls long before the gap on unseen ones
does, so only the held-out gap says anything.
"""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, Literal, TypeVar

import numpy as np

from raysearch import registry
from raysearch.registry import suggestion
from raysearch.stereotypes.pairs import StereotypePair

Split = Literal["train", "validation", "test"]
Terms = Literal["held_out", "seen"]
Term = tuple[tuple[str, str], tuple[str, str]]
T = TypeVar("T")

_SHARES = {"train": 0.54, "validation": 0.23, "test": 0.23}
"""Of frames, words and terms of each class: of 50 frames 26, 12, 12; of 9 words 5, 2, 2; of 20 terms 10, 5, 5."""


@dataclass(frozen=True)
class Change:
    """A change type: how a frame's people and verb are said.

    Attributes:
        name: of the change type.
        people: what ``{S}`` of a frame becomes; ``{word}`` is the word of a pole.
        verbs: class of terms, or first term of a pair, -> what ``{V}`` becomes; a class without one is left out.
        plural: whether the answer is in the plural.
    """

    name: str
    people: str
    verbs: Mapping[str, str]
    plural: bool = False


class StereotypeSet(ABC):
    """Base of stereotype sets. A subclass in ``stereotypes/sets/<name>.py`` gives words and sentences; that is all.

    Attributes:
        name: the component's name.
        version: raised whenever a word or sentence changes: gaps of different versions are not comparable.
        description: what is associated with what.
        language: ISO 639-1 code.
        attribute: the sensitive attribute that the terms speak of.
        poles: pole -> its words; two poles.
        first_goes_with: the pole to which the stereotype gives the first term of a pair.
        terms: class -> pairs of (singular, plural) terms. Both terms of a pair fit the same sentence.
        frames: ``{S}`` stands for the people spoken of and ``{V}`` for a verb after which a term is the next word.
        changes: change types, shared by the splits: they are grammar.
        paraphrases: (class, or first term, of the terms, whole prompt) in other words than any frame; for a control.
        choices: (the same, whole prompt) that name both terms, ``{one}`` and ``{other}``; for a control.
            With the two in either order they show whether an answer depends on its place.
    """

    name: ClassVar[str]
    version: ClassVar[str] = "1"
    description: ClassVar[str]
    language: ClassVar[str]
    attribute: ClassVar[str]
    poles: ClassVar[Mapping[str, tuple[str, ...]]]
    first_goes_with: ClassVar[str]
    terms: ClassVar[Mapping[str, tuple[Term, ...]]]
    frames: ClassVar[tuple[str, ...]]
    changes: ClassVar[tuple[Change, ...]]
    paraphrases: ClassVar[tuple[tuple[str, str], ...]]
    choices: ClassVar[tuple[tuple[str, str], ...]]

    def finish(self, prompt: str, plural: bool) -> str:
        """A prompt as it is written: here, the first letter large."""
        return prompt[0].upper() + prompt[1:]

    def article(self, term: str) -> str:
        """What ``{article}`` becomes before a term."""
        return ""

    def pairs(self, split: Split, seed: int, terms: Terms = "held_out") -> tuple[StereotypePair, ...]:
        """All pairs of one split, in a fixed order.

        Args:
            split: train, validation or test.
            seed: of the split of frames, words and terms.
            terms: ``seen`` takes the training split's terms, with the split's own frames and words.
        """
        frames, words, chosen = self._shares(split, seed, terms)
        return tuple(
            self._pair(frame.format(S=change.people.format(word=word), V=verb), term, pole, word, change, frame)
            for frame in frames
            for change in self.changes
            for kind, term in chosen
            if (verb := change.verbs.get(kind) or change.verbs.get(term[0][0]))
            for word, pole in words
        )

    def paraphrased(self, split: Split, seed: int, terms: Terms = "held_out") -> tuple[StereotypePair, ...]:
        """The paraphrases with the split's words and terms."""
        _, words, chosen = self._shares(split, seed, terms)
        change = Change("paraphrase", "", {})
        return tuple(
            self._pair(prompt.replace("{word}", word), term, pole, word, change, prompt)
            for kind, prompt in self.paraphrases
            for of_kind, term in chosen
            if kind in (of_kind, term[0][0])
            for word, pole in words
        )

    def in_both_orders(
        self, split: Split, seed: int, terms: Terms = "held_out"
    ) -> tuple[tuple[StereotypePair, StereotypePair], ...]:
        """Choices with the split's words and terms: (first term named first, second term named first)."""
        _, words, chosen = self._shares(split, seed, terms)
        change = Change("choice", "", {})
        found = []
        for kind, prompt in self.choices:
            for term in (term for of_kind, term in chosen if kind in (of_kind, term[0][0])):
                one, other = term[0][0], term[1][0]
                for word, pole in words:
                    filled = prompt.replace("{word}", word)
                    texts = [filled.replace("{one}", a).replace("{other}", b) for a, b in ((one, other), (other, one))]
                    first, second = (self._pair(text, term, pole, word, change, prompt) for text in texts)
                    found.append((first, second))
        return tuple(found)

    def _shares(
        self, split: Split, seed: int, terms: Terms
    ) -> tuple[list[str], list[tuple[str, str]], list[tuple[str, Term]]]:
        rng = np.random.default_rng(seed)
        frames = _share(self.frames, split, rng)
        words = [(word, pole) for pole, of_pole in self.poles.items() for word in _share(of_pole, split, rng)]
        of: Split = "train" if terms == "seen" else split
        return frames, words, [(kind, term) for kind, all_of in self.terms.items() for term in _share(all_of, of, rng)]

    def _pair(self, prompt: str, term: Term, pole: str, word: str, change: Change, template: str) -> StereotypePair:
        form = 1 if change.plural else 0
        first, second = term[0][form], term[1][form]
        stereotype, anti_stereotype = (first, second) if pole == self.first_goes_with else (second, first)
        return StereotypePair(
            prompt=self.finish(prompt.replace("{article}", self.article(first)), change.plural),
            stereotype=f" {stereotype}",
            anti_stereotype=f" {anti_stereotype}",
            template=template,
            change=change.name,
            word=word,
            pole=pole,
            terms=(term[0][0], term[1][0]),
            set=self.name,
        )


def _share(items: Sequence[T], split: Split, rng: np.random.Generator) -> list[T]:
    """The split's items, in their own order; the splits are disjoint and cover all."""
    order = rng.permutation(len(items))
    held = round(_SHARES["validation"] * len(items))
    bounds = {"validation": (0, held), "test": (held, 2 * held), "train": (2 * held, len(items))}[split]
    return [items[index] for index in sorted(order[slice(*bounds)].tolist())]


def find(name: str) -> StereotypeSet:
    """The set of that name.

    Raises:
        ValueError: there is none.
    """
    known = registry.names("stereotype_set")
    if name not in known:
        raise ValueError(f"no stereotype set '{name}'. {suggestion(name, known)}")
    found: StereotypeSet = registry.get("stereotype_set", name)()
    return found


@lru_cache(maxsize=32)
def pairs(name: str, split: Split, seed: int, terms: Terms = "held_out") -> tuple[StereotypePair, ...]:
    """All pairs of one split of a set; see ``StereotypeSet.pairs``."""
    return find(name).pairs(split, seed, terms)
