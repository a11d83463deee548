"""Counterfactual augmentation: what is flipped, what is kept, and that nothing given is changed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from raysearch.augment.counterfactual import Augmented, augment, reweighed
from raysearch.config.schema import CdaConfig, CdaDuplicate, CdaNone, CdaReplace, CdaReweigh, CdaWeighted

VALUES = ("male", "female", "other")
TITLES = {"male": "Mr", "female": "Ms", "other": "Mx"}

people = st.lists(st.tuples(st.sampled_from(VALUES), st.integers(0, 1), st.integers(18, 90)), min_size=1, max_size=30)
modes = st.one_of(
    st.just(CdaNone()),
    st.just(CdaDuplicate(mode="duplicate")),
    st.floats(0.01, 1.0).map(lambda fraction: CdaReplace(mode="replace", fraction=fraction)),
    st.floats(0.01, 0.99).map(lambda share: CdaWeighted(mode="weighted", share=share)),
    st.just(CdaReweigh(mode="reweigh")),
)


def flip(frame: pd.DataFrame, values: NDArray[Any]) -> pd.DataFrame:
    """Sex, and the form of address that tells it."""
    return frame.assign(sex=[str(v) for v in values], title=[TITLES[str(v)] for v in values])


def others(value: str) -> tuple[str, ...]:
    return tuple(v for v in VALUES if v != value)


def two(value: str) -> tuple[str, ...]:
    return ("female",) if value == "male" else ("male",)


def table(rows: list[tuple[str, int, int]]) -> tuple[pd.DataFrame, NDArray[np.int64], NDArray[Any]]:
    groups = np.array([sex for sex, _, _ in rows])
    frame = pd.DataFrame({"sex": groups, "title": [TITLES[s] for s in groups], "age": [age for _, _, age in rows]})
    frame.index = pd.Index(range(100, 100 + len(rows)))
    return frame, np.array([y for _, y, _ in rows], dtype=np.int64), groups


def run(rows: list[tuple[str, int, int]], config: CdaConfig, seed: int = 0, values: Any = others) -> Augmented:
    return augment(*table(rows), config, flip, values, seed)


COUPLE = [("male", 1, 30), ("female", 0, 40), ("male", 0, 50), ("female", 1, 60)]


def test_none_changes_nothing() -> None:
    result = run(COUPLE, CdaNone())
    assert result.frame["sex"].tolist() == ["male", "female", "male", "female"]
    assert result.origin.tolist() == [0, 1, 2, 3] and not result.counterfactual.any()


def test_duplicate_adds_each_row_flipped_with_its_label() -> None:
    result = run(COUPLE, CdaDuplicate(mode="duplicate"), values=two)
    assert result.frame["sex"].tolist() == ["male", "female", "male", "female", "female", "male", "female", "male"]
    assert result.frame["title"].tolist() == [TITLES[sex] for sex in result.frame["sex"]]
    assert result.frame["age"].tolist() == [30, 40, 50, 60] * 2
    assert result.target.tolist() == [1, 0, 0, 1] * 2
    assert result.groups.tolist() == result.frame["sex"].tolist()
    assert result.origin.tolist() == [0, 1, 2, 3] * 2
    assert result.counterfactual.tolist() == [False] * 4 + [True] * 4


def test_duplicate_adds_one_copy_for_each_other_value() -> None:
    result = run([("male", 1, 30), ("other", 0, 40)], CdaDuplicate(mode="duplicate"))
    assert result.frame["sex"].tolist() == ["male", "other", "female", "other", "male", "female"]
    assert result.origin.tolist() == [0, 1, 0, 0, 1, 1]


def test_duplicate_of_a_binary_attribute_balances_the_groups_within_each_label() -> None:
    rows = [("male", 1, 30)] * 7 + [("female", 1, 30)] * 2 + [("male", 0, 30)] * 3 + [("female", 0, 30)] * 6
    result = run(rows, CdaDuplicate(mode="duplicate"), values=two)
    for label in (0, 1):
        assert np.sum(result.groups[result.target == label] == "male") == 9


@pytest.mark.parametrize(("fraction", "count"), [(0.25, 5), (0.5, 10), (1.0, 20), (0.01, 1)])
def test_replace_flips_the_asked_share_in_place(fraction: float, count: int) -> None:
    rows = [("male" if i % 3 else "female", i % 2, 20 + i) for i in range(20)]
    result = run(rows, CdaReplace(mode="replace", fraction=fraction), values=two)
    assert result.origin.tolist() == list(range(20)) and result.frame["age"].tolist() == list(range(20, 40))
    assert int(result.counterfactual.sum()) == count
    changed = result.groups != np.array([sex for sex, _, _ in rows])
    assert changed.tolist() == result.counterfactual.tolist()


def test_replace_at_a_smaller_fraction_flips_some_of_the_same_rows_to_the_same_values() -> None:
    rows = [(VALUES[i % 3], i % 2, 20 + i) for i in range(40)]
    few = run(rows, CdaReplace(mode="replace", fraction=0.3), seed=5)
    many = run(rows, CdaReplace(mode="replace", fraction=0.8), seed=5)
    assert many.counterfactual[few.counterfactual].all()
    assert few.groups[few.counterfactual].tolist() == many.groups[few.counterfactual].tolist()


def test_replace_uses_every_other_value() -> None:
    result = run([("male", 1, 30)] * 60, CdaReplace(mode="replace", fraction=1.0))
    assert set(result.groups.tolist()) == {"female", "other"}


def test_the_seed_chooses_the_rows() -> None:
    rows = [("male", 1, i) for i in range(40)]
    config = CdaReplace(mode="replace", fraction=0.5)
    chosen = [run(rows, config, seed=seed, values=two).counterfactual.tolist() for seed in (0, 0, 1)]
    assert chosen[0] == chosen[1] != chosen[2]


@given(rows=people, config=modes, seed=st.integers(0, 1000))
@settings(max_examples=80, deadline=None)
def test_labels_other_fields_and_what_was_given_stay(
    rows: list[tuple[str, int, int]], config: CdaConfig, seed: int
) -> None:
    frame, target, groups = table(rows)
    before = frame.copy(), target.copy(), groups.copy()
    result = augment(frame, target, groups, config, flip, others, seed)
    pd.testing.assert_frame_equal(frame, before[0])
    assert (target.tolist(), groups.tolist()) == (before[1].tolist(), before[2].tolist())
    assert len(result.frame) == len(result.target) == len(result.groups) == len(result.origin)
    assert result.frame.index.tolist() == list(range(len(result.frame)))
    assert result.target.tolist() == target[result.origin].tolist()
    assert result.frame["age"].tolist() == frame["age"].iloc[result.origin].tolist()
    assert result.frame["sex"].tolist() == result.groups.tolist()
    assert result.frame.dtypes.tolist() == frame.dtypes.tolist()
    assert (result.groups != groups[result.origin]).tolist() == result.counterfactual.tolist()
    result.frame["age"] = 0
    result.target[:] = 9
    assert frame["age"].tolist() == before[0]["age"].tolist() and target.tolist() == before[1].tolist()


@given(rows=people, seed=st.integers(0, 1000))
@settings(max_examples=40, deadline=None)
def test_a_binary_flip_of_all_rows_twice_is_the_identity(rows: list[tuple[str, int, int]], seed: int) -> None:
    rows = [("male" if sex == "other" else sex, y, age) for sex, y, age in rows]
    frame, target, groups = table(rows)
    everyone = CdaReplace(mode="replace", fraction=1.0)
    once = augment(frame, target, groups, everyone, flip, two, seed)
    twice = augment(once.frame, once.target, once.groups, everyone, flip, two, seed + 1)
    assert (once.groups != groups).all()
    pd.testing.assert_frame_equal(twice.frame, frame.reset_index(drop=True))
    assert (twice.target.tolist(), twice.groups.tolist()) == (target.tolist(), groups.tolist())


def test_weights_take_the_place_of_copies() -> None:
    copies, weighted = run(COUPLE, CdaDuplicate(mode="duplicate")), run(COUPLE, CdaWeighted(mode="weighted", share=0.3))
    pd.testing.assert_frame_equal(copies.frame, weighted.frame)
    assert copies.weight.tolist() == [1.0] * 12
    assert weighted.weight.tolist() == pytest.approx([0.7] * 4 + [0.15] * 8)  # two copies a row share 0.3


@given(rows=people, config=modes, seed=st.integers(0, 99))
def test_only_copies_add_weight(rows: list[tuple[str, int, int]], config: CdaConfig, seed: int) -> None:
    result = run(rows, config, seed)
    added = int(result.counterfactual.sum()) if config.mode == "duplicate" else 0
    whole = config.mode != "reweigh" or _full(*table(rows)[1:])
    assert not whole or result.weight.sum() == pytest.approx(len(rows) + added)
    assert (result.weight > 0).all()


@given(rows=people)
def test_reweighed_rows_have_label_and_group_independent(rows: list[tuple[str, int, int]]) -> None:
    target, groups = np.array([y for _, y, _ in rows]), np.array([sex for sex, _, _ in rows])
    weight = reweighed(target, groups)
    for group in np.unique(groups):
        # of every group that has both labels the weighted share of positives is that of all rows
        if len(set(target[groups == group])) == 2 == len(set(target)) and _full(target, groups):
            inside = weight[(groups == group) & (target == 1)].sum() / weight[groups == group].sum()
            assert inside == pytest.approx(target.mean())


def _full(target: NDArray[Any], groups: NDArray[Any]) -> bool:
    return all(((groups == g) & (target == y)).any() for g in np.unique(groups) for y in (0, 1))
