"""What every stereotype set promises; a new file in ``stereotypes/sets`` is tested here without another line."""

from __future__ import annotations

import itertools
import re

import pytest

from raysearch import registry
from raysearch.config.unlearning import StereotypeConfig
from raysearch.stereotypes.pairs import draw
from raysearch.stereotypes.stereotype_set import StereotypeSet, find, pairs

SPLITS = ("train", "validation", "test")


@pytest.fixture(params=registry.names("stereotype_set"))
def chosen(request: pytest.FixtureRequest) -> StereotypeSet:
    return find(request.param)


def test_it_describes_itself(chosen: StereotypeSet) -> None:
    assert type(chosen) is registry.get("stereotype_set", chosen.name)
    assert chosen.__doc__ and chosen.description and chosen.attribute
    assert re.fullmatch("[a-z]{2}", chosen.language)
    assert StereotypeConfig(set=chosen.name).set == chosen.name


def test_it_has_two_poles_of_different_words(chosen: StereotypeSet) -> None:
    assert len(chosen.poles) == 2 and chosen.first_goes_with in chosen.poles
    words = list(itertools.chain(*chosen.poles.values()))
    assert len(set(words)) == len(words) >= 12
    frames = chosen.frames
    assert len(set(frames)) == len(frames) >= 30
    assert all(frame.count("{S}") == frame.count("{V}") == 1 for frame in frames)


@pytest.mark.parametrize("seed", range(3))
def test_no_template_word_or_term_is_in_two_splits(chosen: StereotypeSet, seed: int) -> None:
    found = {split: pairs(chosen.name, split, seed) for split in SPLITS}
    for one, other in itertools.combinations(SPLITS, 2):
        for part in ("template", "word", "terms", "stereotype", "prompt"):
            assert not {getattr(p, part) for p in found[one]} & {getattr(p, part) for p in found[other]}, part


def test_every_split_has_both_poles_and_every_class_of_terms(chosen: StereotypeSet) -> None:
    for split in SPLITS:
        found = pairs(chosen.name, split, 0)
        assert {p.pole for p in found} == set(chosen.poles)
        for kind, terms in chosen.terms.items():
            assert {p.terms for p in found} & {(a[0], b[0]) for a, b in terms}, kind


def test_the_stereotype_gives_the_first_term_to_the_pole_that_is_said(chosen: StereotypeSet) -> None:
    for pair in pairs(chosen.name, "validation", 0):
        forms = {
            f" {form}" for a, b in itertools.chain(*chosen.terms.values()) if (a[0], b[0]) == pair.terms for form in a
        }
        assert (pair.stereotype in forms) == (pair.pole == chosen.first_goes_with)
        assert pair.stereotype != pair.anti_stereotype


def test_prompts_are_whole_and_hold_no_term_of_their_own(chosen: StereotypeSet) -> None:
    for split in SPLITS:
        for pair in pairs(chosen.name, split, 0):
            assert pair.prompt == pair.prompt.strip() and "{" not in pair.prompt and "  " not in pair.prompt
            assert pair.prompt[0].isupper() or not pair.prompt[0].isalpha()
            assert pair.word.lower() in pair.prompt.lower()
            assert pair.set == chosen.name
            said = re.findall(r"\w+", pair.prompt.lower())
            assert pair.stereotype.strip().lower() not in said and pair.anti_stereotype.strip().lower() not in said


def test_an_article_fits_both_answers(chosen: StereotypeSet) -> None:
    for pair in pairs(chosen.name, "train", 0):
        if chosen.language == "en" and pair.prompt.endswith((" a", " an")):
            for answer in (pair.stereotype, pair.anti_stereotype):
                assert pair.prompt.endswith(" an") == (answer.strip()[0] in "aeiou")


def test_controls_are_other_sentences_than_any_frame_makes(chosen: StereotypeSet) -> None:
    trained = {pair.template for pair in pairs(chosen.name, "train", 0)}
    for split in ("validation", "test"):
        paraphrased, choices = chosen.paraphrased(split, 0, "seen"), chosen.in_both_orders(split, 0, "seen")
        assert paraphrased and choices
        assert not {pair.template for pair in paraphrased} & trained
        for one, other in choices:
            assert one.prompt != other.prompt and (one.stereotype, one.terms) == (other.stereotype, other.terms)
            for pair in (one, other):
                assert all(term in pair.prompt for term in pair.terms) and "{" not in pair.prompt


def test_a_draw_takes_as_many_of_each_pole(chosen: StereotypeSet) -> None:
    drawn = draw(pairs(chosen.name, "test", 0), 64, seed=0)
    assert len(set(drawn)) == 64
    counts = [sum(pair.pole == pole for pair in drawn) for pole in chosen.poles]
    assert max(counts) - min(counts) <= 2
