"""Neutral text: reference for the KL term, and for perplexity. General text has nothing to do with people or money.

``wikipedia_summaries``: openings of English Wikipedia articles (CC BY-SA 4.0, fetched, never shipped).
``built_in``: sentences written for raysearch, in ``built_in.txt`` beside this file.
``socioeconomic``: the same on work, wages, wealth and poverty, in ``socioeconomic.txt``: a bias-targeted reference. In
none of them has a person a gender, an origin or a religion, so holding a model to them holds no stereotype in place.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from pathlib import Path

import numpy as np

from raysearch.assets.archive import fetch
from raysearch.errors import DataError
from raysearch.registry import suggestion

ARCHIVE = "wikipedia-summaries"
FILE = "summaries_en-us.json"
SOURCES = ("built_in", "socioeconomic", "wikipedia_summaries")

LEAST_CHARACTERS = 80
MOST_CHARACTERS = 320
"""About 20 to 70 tokens: long enough to say something, short enough that few are cut."""

TOPICS = frozenset(
    {
        "Biology and health sciences",
        "Geography",
        "Physical sciences",
        "Arts",
        "Technology",
        "Everyday life",
        "Mathematics",
    }
)
"""Left out: people, society, history, religion, and articles without a topic, where biographies are many."""

# The reference text must not hold the model to its stereotypes, which are what is to be unlearned.
_STEREOTYPED = re.compile(
    r"\b(he|she|him|his|hers?|himself|herself|m[ae]n|wom[ae]n|boys?|girls?|males?|females?|gender\w*|sex\w*|mothers?|"
    r"fathers?|sons?|daughters?|brothers?|sisters?|husbands?|wi[fv]es?|widows?|kings?|queens?|princes\w*|rich\w*|"
    r"poor\w*|poverty|wealth\w*|afflu\w*|impoverish\w*|mone\w*|income\w*|salar\w*)\b",
    re.IGNORECASE,
)
_PARENTHESES = re.compile(r"\s*\([^()]*\)|\s*\[[^\[\]]*\]")
_SENTENCE_END = re.compile(r"(?<=[a-z0-9)\"'][.!?])\s+(?=[A-Z\"'])")


def general_texts(source: str, folder: Callable[[str], Path] = fetch) -> tuple[str, ...]:
    """The texts of a source, each once, always in the same order.

    Args:
        source: ``wikipedia_summaries``, ``built_in`` or ``socioeconomic``.
        folder: from an archive's name to the folder that holds its files.

    Raises:
        DataError: unknown source, or a file that cannot be read as the source's.
        AssetError: the archive cannot be had.
    """
    if source in ("built_in", "socioeconomic"):
        return _own(source)
    if source == "wikipedia_summaries":
        return _summaries(folder(ARCHIVE) / FILE)
    raise DataError(f"general text '{source}': no such source. {suggestion(source, SOURCES)}")


def split_texts(texts: Sequence[str], seed: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(reference, held_out): two disjoint halves in random order. The order of ``texts`` does not matter.

    Raises:
        DataError: fewer than two different texts.
    """
    different = sorted(set(texts))
    if len(different) < 2:
        raise DataError(f"general text: two different texts are needed to split, but there is {len(different)}.")
    order = np.random.default_rng([seed, 0x7E87]).permutation(len(different))
    half = len(different) // 2
    return tuple(different[i] for i in order[:half]), tuple(different[i] for i in order[half:])


@cache
def _own(source: str) -> tuple[str, ...]:
    lines = Path(__file__).with_name(f"{source}.txt").read_text(encoding="utf-8").splitlines()
    return _once(line.strip() for line in lines)


@cache
def _summaries(file: Path) -> tuple[str, ...]:
    try:
        articles = json.loads(file.read_text(encoding="utf-8"))
        kept = [articles[title] for title in sorted(articles) if articles[title].get("topic") in TOPICS]
        texts = _once(opening(article["extract"]) for article in kept)
        if not texts:
            raise ValueError("no usable text in it")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{file}: cannot be read as Wikipedia summaries ({error!r}). Delete its folder, to fetch it again."
        ) from error
    return texts


def opening(extract: str) -> str:
    """The first whole sentences of an article, without parentheses, within the limits of length.

    Returns:
        An empty string where there are none, or where they speak of people, gender or wealth.
    """
    plain, before = extract, ""
    while plain != before:  # innermost parentheses first
        plain, before = _PARENTHESES.sub("", plain), plain
    plain = re.sub(r"\s+([,.;:])", r"\1", " ".join(plain.split()))
    text = ""
    for sentence in _SENTENCE_END.split(plain):
        longer = f"{text} {sentence}".strip()
        if not sentence.endswith((".", "!", "?")) or len(longer) > MOST_CHARACTERS:
            break
        text = longer
        if len(text) >= LEAST_CHARACTERS:
            break
    usable = len(text) >= LEAST_CHARACTERS and text.isprintable() and not _STEREOTYPED.search(text)
    return text if usable else ""


def _once(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text for text in texts if text))
