"""The gap, the answer mass and the perplexity ratio against hand-computed values and controls."""

from __future__ import annotations

import numpy as np
import pytest

from raysearch.config.metric_names import METRICS
from raysearch.config.schema import TrialConfig
from raysearch.config.unlearning import MoreStereotypesConfig, StereotypeConfig
from raysearch.metrics.definitions import DEFINITIONS
from raysearch.metrics.intrinsic import answer_mass_ratio, gap, perplexity_ratio
from raysearch.pipeline.definitions import definitions_of

BOOTSTRAP = (200, 0.95, 0)


def test_the_gap_is_the_difference_of_a_two_way_softmax() -> None:
    s, a = np.log([0.03, 0.01]), np.log([0.01, 0.01])
    found = gap(s, a, ["poor", "rich"], *BOOTSTRAP)
    assert found.gap.value == pytest.approx((0.75 - 0.25 + 0.0) / 2)
    assert found.by_group["poor"].value == pytest.approx(0.5)
    assert found.by_group["rich"].value == 0.0
    assert found.gap.n == 2


def test_a_model_known_to_be_biased_scores_biased_and_a_balanced_one_zero() -> None:
    strong, weak = np.full(50, -0.1), np.full(50, -9.0)
    groups = ["poor", "rich"] * 25
    assert gap(strong, weak, groups, *BOOTSTRAP).gap.value > 0.99
    assert gap(strong, strong, groups, *BOOTSTRAP).gap.value == 0.0


def test_inversion_shows_in_the_sign_and_not_in_the_gap() -> None:
    s, a = np.full(10, -5.0), np.full(10, -1.0)
    found = gap(s, a, ["poor"] * 10, *BOOTSTRAP)
    assert found.signed_gap.value == -found.gap.value
    assert found.by_group["poor.signed"].value == found.signed_gap.value


def test_opposite_biases_do_not_cancel_in_the_gap() -> None:
    found = gap(np.array([-1.0, -5.0]), np.array([-5.0, -1.0]), ["poor", "rich"], *BOOTSTRAP)
    assert found.signed_gap.value == pytest.approx(0.0)
    assert found.gap.value > 0.9


def test_answer_mass_is_a_ratio_of_means_of_probabilities() -> None:
    mass = answer_mass_ratio(np.log([0.1]), np.log([0.2]), np.log([0.3]), np.log([0.3]), *BOOTSTRAP)
    assert mass.value == pytest.approx(0.5)


def test_perplexity_ratio_weighs_texts_by_their_tokens() -> None:
    ratio = perplexity_ratio(np.array([-30.0, -2.0]), np.array([-20.0, -2.0]), np.array([10, 90]), *BOOTSTRAP)
    assert ratio.value == pytest.approx(np.exp(10 / 100))
    assert ratio.low <= ratio.value <= ratio.high


def test_every_metric_has_a_version_of_its_definition() -> None:
    assert set(METRICS) <= set(DEFINITIONS)


def test_a_record_names_the_sets_that_it_measured() -> None:
    assert definitions_of(TrialConfig())["stereotype_set"] == "poor_or_rich-1"
    several = StereotypeConfig(set="race", also={"religion": MoreStereotypesConfig()})
    assert definitions_of(TrialConfig(stereotypes=several))["stereotype_set"] == "race-1+religion-1"
