"""What every metric promises; a new name in ``METRICS`` is tested here without another line."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from raysearch.config.metric_names import METRICS
from raysearch.metrics import groups, intrinsic
from raysearch.metrics.definitions import DEFINITIONS
from raysearch.metrics.measurement import Measurement, percentile_interval

BOOTSTRAP = (300, 0.9, 0)


def group_measurements(order: np.ndarray) -> dict[str, Measurement]:
    rng = np.random.default_rng(3)
    target = rng.integers(0, 2, 300)
    group = np.array(["a", "b", "c"])[rng.integers(0, 3, 300)]
    decided = np.where(rng.uniform(size=300) < 0.7, target, 1 - target)
    cube = groups.CountCube.from_predictions(group[order], target[order], decided[order], ("a", "b", "c"))
    return groups.measure(cube, 5, *BOOTSTRAP)


def intrinsic_measurements(order: np.ndarray) -> dict[str, Measurement]:
    rng = np.random.default_rng(4)
    s, a, rs, ra = (-rng.uniform(1, 6, 300) for _ in range(4))
    tokens = rng.integers(5, 40, 300)
    found = intrinsic.gap(s[order], a[order], ["poor", "rich"] * 150, *BOOTSTRAP)
    mass = intrinsic.answer_mass_ratio(s[order], a[order], rs[order], ra[order], *BOOTSTRAP)
    perplexity = intrinsic.perplexity_ratio(s[order], rs[order], tokens[order], *BOOTSTRAP)
    return {
        "intrinsic_gap": found.gap,
        "intrinsic_signed_gap": found.signed_gap,
        "answer_mass_ratio": mass,
        "perplexity_ratio": perplexity,
    }


def measurements(order: np.ndarray | None = None) -> dict[str, Measurement]:
    rows = np.arange(300) if order is None else order
    return {**group_measurements(rows), **intrinsic_measurements(rows)}


RANGES = {
    "intrinsic_signed_gap": (-1.0, 1.0),
    "answer_mass_ratio": (0.0, np.inf),
    "perplexity_ratio": (0.0, np.inf),
}
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "intrinsic_gap": intrinsic.gap,
    "intrinsic_signed_gap": intrinsic.gap,
    **{name: function for module in (groups, intrinsic) for name, function in inspect.getmembers(module, callable)},
}


@pytest.mark.parametrize("name", METRICS)
class TestEveryMetric:
    def test_is_defined_in_words_with_a_formula_and_a_version(self, name: str) -> None:
        doc = FUNCTIONS[name].__doc__
        assert doc
        assert "Formula:" in doc or "fairlearn" in doc
        assert "Range" in doc or "range" in doc or name in ("intrinsic_gap", "intrinsic_signed_gap")
        assert DEFINITIONS[name]

    def test_lies_in_its_range_and_in_its_interval(self, name: str) -> None:
        found = measurements()[name]
        low, high = RANGES.get(name, (0.0, 1.0))
        assert low <= found.value <= high
        assert low <= found.low <= found.high <= high
        assert found.n == 300

    def test_does_not_depend_on_the_order_of_rows(self, name: str) -> None:
        order = np.random.default_rng(0).permutation(300)
        assert measurements(order)[name].value == pytest.approx(measurements()[name].value, rel=1e-12)

    def test_is_repeatable(self, name: str) -> None:
        assert measurements()[name] == measurements()[name]


def test_rounds_without_a_value_are_left_out_of_an_interval() -> None:
    samples = np.concatenate([np.linspace(0, 1, 101), np.full(50, np.nan)])
    assert percentile_interval(samples, 0.9) == (pytest.approx(0.05), pytest.approx(0.95))
    assert np.isnan(percentile_interval(np.full(3, np.nan), 0.9)).all()
