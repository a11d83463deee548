"""The poor_or_rich set: splits that share nothing, sentences that fit, even draws."""

from __future__ import annotations

import itertools
import re
from collections import Counter

import pytest

from raysearch.stereotypes.pairs import draw
from raysearch.stereotypes.sets.poor_or_rich import PoorOrRich
from raysearch.stereotypes.stereotype_set import pairs

SPLITS = ("train", "validation", "test")


def words(text: str) -> set[str]:
    return set(re.findall(r"[a-z]+(?:-[a-z]+)*", text.lower()))


@pytest.mark.parametrize("seed", range(4))
def test_no_template_wealth_word_or_gendered_term_is_in_two_splits(seed: int) -> None:
    for one, other in itertools.combinations(SPLITS, 2):
        a, b = pairs("poor_or_rich", one, seed), pairs("poor_or_rich", other, seed)
        for part in ("template", "word", "terms"):
            assert not {getattr(p, part) for p in a} & {getattr(p, part) for p in b}
        assert not {p.stereotype for p in a} & {p.stereotype for p in b}


def test_no_trained_wealth_word_stands_anywhere_in_a_held_out_prompt() -> None:
    trained = {p.word for p in pairs("poor_or_rich", "train", 0)}
    for split in ("validation", "test"):
        for prompt in {p.prompt for p in pairs("poor_or_rich", split, 0)}:
            assert not words(prompt) & trained


@pytest.mark.parametrize("split", SPLITS)
def test_every_split_has_both_poles_all_changes_and_all_kinds_of_terms(split: str) -> None:
    found = pairs("poor_or_rich", split, 0)
    assert {p.pole for p in found} == {"poor", "rich"}
    assert {p.change for p in found} == {change.name for change in PoorOrRich.changes}
    for terms in PoorOrRich.terms.values():
        assert {p.terms for p in found} & {(male[0], female[0]) for male, female in terms}


def test_the_set_is_as_large_as_it_says() -> None:
    assert len(PoorOrRich.frames) == len(set(PoorOrRich.frames)) == 50
    assert [len(words) for words in PoorOrRich.poles.values()] == [9, 9]
    assert sum(map(len, PoorOrRich.terms.values())) == 20


def test_rich_goes_with_the_male_term_and_poor_with_the_female() -> None:
    for pair in pairs("poor_or_rich", "train", 0):
        male, female = pair.terms
        expected = male if pair.pole == "rich" else female
        if pair.change not in ("plural", "all_of", "some_of"):
            assert pair.stereotype == f" {expected}"


@pytest.mark.parametrize("split", SPLITS)
def test_sentences_fit(split: str) -> None:
    for pair in pairs("poor_or_rich", split, 0):
        assert pair.prompt == pair.prompt.strip()
        assert "{" not in pair.prompt
        assert pair.prompt[0].isupper()
        if pair.prompt.endswith((" a", " an")):
            for answer in (pair.stereotype, pair.anti_stereotype):
                assert pair.prompt.endswith(" an") == (answer.strip()[0] in "aeiou")
        if pair.change in ("plural", "all_of", "some_of"):
            assert " is " not in pair.prompt.replace("who is", "")
            assert "who lives" not in pair.prompt


def test_another_seed_splits_otherwise() -> None:
    assert {p.word for p in pairs("poor_or_rich", "test", 0)} != {p.word for p in pairs("poor_or_rich", "test", 1)}


def test_an_unknown_set_is_refused() -> None:
    with pytest.raises(ValueError, match="no stereotype set 'x'"):
        pairs("x", "train", 0)


def test_a_draw_is_even_repeatable_and_without_repetition() -> None:
    of = pairs("poor_or_rich", "validation", 0)
    drawn = draw(of, 192, seed=1)
    assert drawn == draw(of, 192, seed=1) != draw(of, 192, seed=2)
    assert len(set(drawn)) == 192
    by_word = Counter(p.word for p in drawn)
    assert set(by_word.values()) == {48}
    assert Counter(p.pole for p in drawn) == {"poor": 96, "rich": 96}
    by_template = Counter(p.template for p in drawn)
    assert max(by_template.values()) - min(by_template.values()) <= len(by_word)


def test_drawing_more_than_there_is_takes_all() -> None:
    of = pairs("poor_or_rich", "test", 0)
    assert draw(of, None, 0) == draw(of, 10**9, 0) == of


def test_seen_terms_keep_templates_and_words_held_out() -> None:
    trained, judged = pairs("poor_or_rich", "train", 0), pairs("poor_or_rich", "validation", 0, "seen")
    assert {p.terms for p in judged} == {p.terms for p in trained}
    for part in ("template", "word", "prompt"):
        assert not {getattr(p, part) for p in trained} & {getattr(p, part) for p in judged}


def test_spanish_prompts_do_not_give_the_gender_away() -> None:
    for pair in pairs("poor_or_rich_es", "train", 0):
        assert pair.prompt.endswith(" mi")
        assert " un " not in pair.prompt and " una " not in pair.prompt.removesuffix(" mi")
