"""What every public bias set fulfils. A new file in ``bias_sets/sets`` is under these tests once it has small files."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from raysearch import registry
from raysearch.assets.archive import resolve
from raysearch.assets.catalog import ARCHIVES
from raysearch.bias_sets.bias_set import BiasSet, Bootstrap, Item, Ratings, some_of_each
from raysearch.errors import DataError
from tests.small_bias_sets import WRITERS

QUICK = Bootstrap(rounds=50)


@pytest.fixture(params=registry.names("bias_set"))
def bias_set(request: pytest.FixtureRequest) -> BiasSet:
    component: BiasSet = registry.get("bias_set", request.param)()
    return component


@pytest.fixture(params=["small", pytest.param("real", marks=pytest.mark.network)])
def items(request: pytest.FixtureRequest, bias_set: BiasSet, tmp_path: Path) -> tuple[Item, ...]:
    if request.param == "real":
        return real(bias_set.name)
    return bias_set.read(WRITERS[bias_set.name](tmp_path / "set"))


@cache
def real(name: str) -> tuple[Item, ...]:
    """The public files, read once."""
    component: BiasSet = registry.get("bias_set", name)()
    return component.read(resolve(component.archive))


def rated(items: tuple[Item, ...], likely: Callable[[Item, int], bool]) -> Ratings:
    """Ratings by a model that finds some choices likely and all others unlikely."""
    total = np.asarray([[-1.0 if likely(item, k) else -9.0 for k in range(len(item.choices))] for item in items])
    return Ratings(total, np.full(total.shape, 2.0))


def ideal(items: tuple[Item, ...]) -> Ratings:
    return rated(items, lambda item, k: k in item.right)


def biased(items: tuple[Item, ...]) -> Ratings:
    return rated(items, lambda item, k: k == item.biased)


def test_it_describes_itself(bias_set: BiasSet) -> None:
    assert registry.get("bias_set", bias_set.name) is type(bias_set)
    assert isinstance(bias_set, BiasSet)
    words = inspect.getdoc(type(bias_set)) or ""
    assert "arXiv:" in words and "percent" in words and "ormula" in words
    for text in (bias_set.description, bias_set.licence, bias_set.source):
        assert text and "\n" not in text
    assert "arXiv:" in bias_set.source and bias_set.licence in ARCHIVES[bias_set.archive].licence
    for method in (type(bias_set).read, type(bias_set).measure):
        assert inspect.getdoc(method)


def test_items_are_whole(bias_set: BiasSet, items: tuple[Item, ...]) -> None:
    assert items and {item.category for item in items} <= set(bias_set.categories)
    assert len({len(item.choices) for item in items}) == 1
    for item in items:
        places = range(len(item.choices))
        assert set(item.right) <= set(places) and item.right
        assert item.biased in (None, *places)
        assert all(passage.text.strip() for passage in item.choices)
        assert len(set(item.choices)) == len(item.choices)


def test_only_the_categories_asked_for_are_read(bias_set: BiasSet, tmp_path: Path) -> None:
    folder = WRITERS[bias_set.name](tmp_path / "set")
    everything = bias_set.read(folder)
    category = everything[-1].category
    assert bias_set.read(folder, [category]) == tuple(item for item in everything if item.category == category)


def test_a_category_that_it_has_not_gets_a_suggestion(bias_set: BiasSet, tmp_path: Path) -> None:
    near = bias_set.categories[0]
    with pytest.raises(DataError, match=f"no category '{near}x'. Did you mean '{near}'"):
        bias_set.read(tmp_path, [near + "x"])


def test_an_ideal_model_scores_ideal(bias_set: BiasSet, items: tuple[Item, ...]) -> None:
    """Only nearly for s_DIS: in some real categories up to 54 % of the right answers follow the stereotype."""
    for score in bias_set.scores(items, ideal(items), QUICK):
        tolerance = 10.0 if score.name == "s_DIS" else 1e-9
        assert score.measurement.value == pytest.approx(score.ideal, abs=tolerance), score


def test_a_biased_model_scores_biased(bias_set: BiasSet, items: tuple[Item, ...]) -> None:
    """The negative control: in every category at least one score is as far from its ideal as it can be, 50 or 100."""
    scores = bias_set.scores(items, biased(items), QUICK)
    for category in {score.category for score in scores}:
        worst = max(abs(s.measurement.value - s.ideal) for s in scores if s.category == category)
        assert worst in (pytest.approx(50.0), pytest.approx(100.0)), category


def test_scores_stay_in_range_with_intervals_around_them(bias_set: BiasSet, items: tuple[Item, ...]) -> None:
    rng = np.random.default_rng(0)
    shape = (len(items), len(items[0].choices))
    ratings = Ratings(-rng.exponential(10.0, shape), rng.integers(3, 30, shape).astype(np.float64))
    scores = bias_set.scores(items, ratings, QUICK)
    assert len({(score.category, score.name) for score in scores}) == len(scores)
    for score in scores:
        value = score.measurement
        assert value.n > 0
        assert np.isnan(value.value) or -100.0 <= value.low <= value.high <= 100.0
        assert np.isnan(value.value) or -100.0 <= value.value <= 100.0


def test_a_score_whose_ideal_is_50_is_also_given_as_its_distance_from_it(
    bias_set: BiasSet, items: tuple[Item, ...]
) -> None:
    scores = bias_set.scores(items, biased(items), QUICK)
    values = {(score.category, score.name): score.measurement.value for score in scores}
    for score in scores:
        if score.ideal == 50.0:
            stem, comma, definition = score.name.partition(",")
            distance = values[score.category, f"|{stem} - 50|{comma}{definition}"]
            assert distance == pytest.approx(abs(score.measurement.value - 50.0))


def test_the_order_of_items_does_not_change_a_value(bias_set: BiasSet, tmp_path: Path) -> None:
    items = bias_set.read(WRITERS[bias_set.name](tmp_path / "set"))
    total = -np.random.default_rng(1).exponential(10.0, (len(items), len(items[0].choices)))
    ratings = Ratings(total, np.ones_like(total))
    back = np.arange(len(items))[::-1]
    straight = bias_set.scores(items, ratings, QUICK)
    turned = bias_set.scores([items[i] for i in back], ratings[back], QUICK)
    assert [s.measurement.value for s in straight] == pytest.approx([s.measurement.value for s in turned], nan_ok=True)


def test_a_limit_keeps_so_many_of_each_stratum_and_the_same_ones_each_time(
    bias_set: BiasSet, items: tuple[Item, ...]
) -> None:
    kept = some_of_each(items, 1)
    strata = [(item.category, item.condition) for item in kept]
    assert len(set(strata)) == len(strata) == len({(item.category, item.condition) for item in items})
    assert kept == some_of_each(items, 1)
    assert bias_set.scores(kept, ideal(kept), QUICK)
    assert set(some_of_each(items, 10**6)) == set(items)
