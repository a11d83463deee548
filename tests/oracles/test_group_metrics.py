"""fairlearn is the oracle of the group metrics, on random data with two and more groups."""

from __future__ import annotations

import numpy as np
import pytest
from fairlearn.metrics import MetricFrame, demographic_parity_difference, equalized_odds_difference
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score

from raysearch.errors import UndefinedRateError
from raysearch.metrics.groups import CountCube, majority_rate, measure


def drawn(seed: int, groups: int, rows: int = 120):
    rng = np.random.default_rng(seed)
    group = np.array([f"g{i}" for i in range(groups)])[rng.integers(0, groups, rows)]
    target = rng.integers(0, 2, rows)
    decided = (rng.uniform(size=rows) < 0.3 + 0.4 * target).astype(int)
    # every group gets a positive and a negative, so that all rates are defined
    extra = np.repeat([f"g{i}" for i in range(groups)], 2)
    return (
        np.concatenate([group, extra]),
        np.concatenate([target, np.tile([0, 1], groups)]),
        np.concatenate([decided, np.zeros(2 * groups, int)]),
    )


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), groups=st.integers(2, 5))
def test_every_metric_equals_fairlearns(seed: int, groups: int) -> None:
    group, target, decided = drawn(seed, groups)
    cube = CountCube.from_predictions(group, target, decided, sorted(set(group)))
    ours = {name: m.value for name, m in measure(cube, 1, 100, 0.95, 0).items()}
    frame = MetricFrame(metrics=accuracy_score, y_true=target, y_pred=decided, sensitive_features=group)
    assert ours["accuracy"] == pytest.approx(frame.overall)
    assert ours["accuracy_parity"] == pytest.approx(frame.difference())
    common = dict(y_true=target, y_pred=decided, sensitive_features=group)
    assert ours["demographic_parity_difference"] == pytest.approx(demographic_parity_difference(**common))
    assert ours["equalized_odds_difference"] == pytest.approx(equalized_odds_difference(**common))
    assert ours["equalized_odds_mean_difference"] == pytest.approx(equalized_odds_difference(**common, agg="mean"))
    assert majority_rate(cube) == pytest.approx(max(target.mean(), 1 - target.mean()))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), cut=st.integers(0, 120))
def test_cubes_of_parts_add_up_to_the_cube_of_all(seed: int, cut: int) -> None:
    group, target, decided = drawn(seed, 3)
    order = sorted(set(group))
    parts = [CountCube.from_predictions(group[s], target[s], decided[s], order) for s in (slice(cut), slice(cut, None))]
    whole = CountCube.from_predictions(group, target, decided, order)
    assert np.array_equal((parts[0] + parts[1]).counts, whole.counts)


def test_a_classifier_biased_on_purpose_scores_its_bias_and_a_fair_one_zero() -> None:
    group = np.repeat(["f", "m"], 100)
    target = np.tile([0, 1], 100)
    biased = (group == "m").astype(int)
    found = measure(CountCube.from_predictions(group, target, biased, ("f", "m")), 10, 200, 0.95, 0)
    assert found["demographic_parity_difference"].value == 1.0
    assert found["equalized_odds_difference"].value == 1.0
    fair = measure(CountCube.from_predictions(group, target, target, ("f", "m")), 10, 200, 0.95, 0)
    assert fair["demographic_parity_difference"].value == 0.0
    assert fair["equalized_odds_difference"].value == 0.0
    assert fair["accuracy"].value == 1.0


def test_a_group_without_positives_is_an_error_where_fairlearn_gives_a_number() -> None:
    group, target, decided = np.array(["a", "a", "b", "b"]), np.array([0, 1, 0, 0]), np.array([0, 1, 0, 1])
    assert np.isfinite(equalized_odds_difference(target, decided, sensitive_features=group))
    with pytest.raises(UndefinedRateError, match="group 'b' has 2 judged rows, 0 positive and 2 negative"):
        measure(CountCube.from_predictions(group, target, decided, ("a", "b")), 1, 100, 0.95, 0)


def test_one_group_is_an_error() -> None:
    with pytest.raises(UndefinedRateError, match="there is one group"):
        measure(CountCube(("a",), np.array([[[5, 5], [5, 5]]])), 1, 100, 0.95, 0)


def test_a_group_that_is_not_expected_is_an_error() -> None:
    with pytest.raises(ValueError, match="group 'x'"):
        CountCube.from_predictions(np.array(["x"]), np.array([1]), np.array([1]), ("a", "b"))


def test_cubes_of_different_groups_do_not_add() -> None:
    one = CountCube(("a", "b"), np.zeros((2, 2, 2), dtype=np.int64))
    with pytest.raises(ValueError, match="different groups"):
        _ = one + CountCube(("a", "c"), one.counts)


def test_intervals_cover_the_truth_about_as_often_as_they_say() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for seed in range(200):
        accuracy = rng.binomial(200, 0.75, 2)
        counts = np.array([[[a // 2, 100 - a // 2], [100 - (a - a // 2), a - a // 2]] for a in accuracy])
        found = measure(CountCube(("a", "b"), counts), 1, 200, 0.9, seed)["accuracy"]
        covered += found.low <= 0.75 <= found.high
    assert 0.82 <= covered / 200 <= 0.97
