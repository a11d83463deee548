"""Values in words, column order and general texts."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raysearch.errors import DataError
from raysearch.text.column_order import order_by_importance
from raysearch.text.corpus import _STEREOTYPED, MOST_CHARACTERS, general_texts, opening, split_texts
from raysearch.text.values import cell, in_words


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (34, "34"),
        (34.0, "34"),
        (np.float64(-3.0), "-3"),
        (np.int64(7), "7"),
        (2.5, "2.5"),
        (np.float32(0.1), "0.1"),
        (True, "yes"),
        (np.False_, "no"),
        ("  two   words ", "two words"),
        ("", "not stated"),
        (None, "not stated"),
        (float("nan"), "not stated"),
        (pd.NA, "not stated"),
        (pd.NaT, "not stated"),
    ],
)
def test_values_in_words(value: object, words: str) -> None:
    assert in_words(value) == words


def test_a_column_that_the_row_lacks_is_answered_with_the_nearest() -> None:
    with pytest.raises(DataError, match=r"no column 'agee'\. Did you mean 'age'"):
        cell({"age": 3, "sex": "male"}, "agee")


def rows(count: int = 300) -> tuple[pd.DataFrame, np.ndarray, dict[str, str]]:
    rng = np.random.default_rng(3)
    target = rng.integers(0, 2, count)
    frame = pd.DataFrame(
        {
            "noise": rng.normal(size=count),
            "weak": target + rng.normal(scale=1.5, size=count),
            "word": pd.Series(np.where(target == 1, "up", "down")).where(rng.uniform(size=count) < 0.9),
            "more_noise": rng.choice(["a", "b"], count),
        }
    )
    frame.loc[:10, "weak"] = np.nan
    return frame, target, {"noise": "numeric", "weak": "numeric", "word": "categorical", "more_noise": "categorical"}


def test_informative_columns_come_first() -> None:
    frame, target, kinds = rows()
    order = order_by_importance(frame, tuple(kinds), kinds, target, seed=0)
    assert order[:2] == ("word", "weak") and sorted(order) == sorted(kinds)


def test_the_order_depends_on_nothing_but_rows_and_seed() -> None:
    frame, target, kinds = rows()
    first = order_by_importance(frame, tuple(kinds), kinds, target, seed=0)
    assert order_by_importance(frame.set_index(np.arange(300) * 7), tuple(kinds), kinds, target, seed=0) == first


def test_with_one_label_the_order_stays() -> None:
    frame, target, kinds = rows(30)
    names = ("more_noise", "word", "noise")
    assert order_by_importance(frame, names, kinds, np.zeros_like(target), seed=0) == names


def article(extract: str, topic: str = "Geography") -> dict[str, str]:
    return {"title": "?", "extract": extract, "topic": topic}


LONG = "The lake lies between two ranges of hills and is fed by many small streams that rise in the north."


@pytest.fixture
def summaries(tmp_path: Path) -> Path:
    articles = {
        "Zeta": article(LONG),
        "Alpha": article("It is small. " + LONG),
        "Twice": article(LONG),
        "Short": article("A lake."),
        "Cut": article("The lake " * 60 + "."),
        "Someone": article(LONG.replace("lake", "poet"), topic="People"),
        "Wealth": article(LONG.replace("lake", "richest village")),
        "Gender": article(LONG.replace("lake", "house of his mother")),
    }
    (tmp_path / "summaries_en-us.json").write_text(json.dumps(articles))
    return tmp_path


def test_summaries_are_cleaned_limited_neutral_and_sorted(summaries: Path) -> None:
    assert general_texts("wikipedia_summaries", lambda name: summaries) == ("It is small. " + LONG, LONG)


def test_an_opening_is_whole_sentences_without_parentheses() -> None:
    extract = f"Oslo (Norwegian: [ˈʊ̂ʂlʊ] (listen)) is a city ; it grew. {LONG} Nothing else is kept."
    assert opening(extract) == f"Oslo is a city; it grew. {LONG}"
    assert opening(LONG[:-1]) == ""
    assert opening("A" + LONG * 4) == ""


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"a": 3}', '{"a": {"topic": "Arts"}}'])
def test_a_summary_file_that_cannot_be_read_is_named(content: str, tmp_path: Path) -> None:
    (tmp_path / "summaries_en-us.json").write_text(content)
    with pytest.raises(DataError, match=r"summaries_en-us\.json: cannot be read"):
        general_texts("wikipedia_summaries", lambda name: tmp_path)


def test_an_unknown_source_is_answered_with_the_nearest() -> None:
    with pytest.raises(DataError, match="Did you mean 'built_in'"):
        general_texts("builtin")


def test_socioeconomic_texts_speak_of_wealth_and_of_nobody_in_particular() -> None:
    texts = general_texts("socioeconomic")
    assert len(texts) == len(set(texts)) >= 64
    people = re.compile(
        r"\b(s?he|him|his|hers?|m[ae]n|wom[ae]n|\w*m[ae]n|mothers?|fathers?|sons?|daughters?|brothers?|sisters?|wi[fv]es?|"
        r"husbands?|black|white|european|african|muslims?|christians?|churche?s?|mosques?|widow\w*)\b",
        re.IGNORECASE,
    )
    for text in texts:
        assert text.endswith(".") and len(text) <= MOST_CHARACTERS and text.isascii()
        assert not people.search(text), text


def test_built_in_texts_are_neutral_whole_sentences_enough_for_both_halves() -> None:
    texts = general_texts("built_in")
    assert len(texts) == len(set(texts)) >= 64
    for text in texts:
        assert text.endswith(".") and len(text) <= MOST_CHARACTERS and text.isascii()
        assert not _STEREOTYPED.search(text), text


@given(texts=st.lists(st.text(min_size=1), min_size=2, max_size=30, unique=True), seed=st.integers(0, 10**6))
def test_the_halves_are_disjoint_and_complete_and_the_order_given_does_not_matter(texts: list[str], seed: int) -> None:
    reference, held_out = split_texts(texts, seed)
    assert not set(reference) & set(held_out) and set(reference) | set(held_out) == set(texts)
    assert abs(len(reference) - len(held_out)) <= 1
    assert split_texts([*reversed(texts), texts[0]], seed) == (reference, held_out)


def test_another_seed_splits_otherwise() -> None:
    texts = general_texts("built_in")
    assert set(split_texts(texts, 0)[0]) != set(split_texts(texts, 1)[0])


def test_one_text_cannot_be_split() -> None:
    with pytest.raises(DataError, match="two different texts"):
        split_texts(["same", "same"], 0)


@pytest.mark.network
def test_the_real_summaries_are_many_and_short() -> None:
    texts = general_texts("wikipedia_summaries")
    assert len(texts) == 5140
    assert all(80 <= len(text) <= MOST_CHARACTERS and not _STEREOTYPED.search(text) for text in texts)
