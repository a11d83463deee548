"""Ways of unlearning, end to end on a tiny model: what is trained, with what weights, and when it is given up."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from raysearch.config.schema import TrialConfig
from raysearch.config.unlearning import GuardsConfig, LossTermConfig, MoreStereotypesConfig
from raysearch.errors import CollapsedError, FailureReason, InvertedError, TrialError
from raysearch.pipeline.attempt import attempt
from raysearch.pipeline.batches import batches_of_pairs, parts_of
from raysearch.pipeline.intrinsic import judged_pairs, training_pairs
from raysearch.pipeline.leg import Leg
from raysearch.pipeline.runtime import Runtime
from raysearch.pipeline.trial import Outcome, run_trial
from raysearch.replay import at_stage
from tests.studies import small_study


@pytest.fixture
def config(tmp_path: Path, tiny_model: Path) -> TrialConfig:
    return at_stage(small_study(tmp_path, tiny_model).default_trial(), "unlearning")


def changed(config: TrialConfig, **changes: Any) -> TrialConfig:
    assert config.unlearning is not None
    return config.model_copy(update={"unlearning": config.unlearning.model_copy(update=changes)})


def with_sets(config: TrialConfig, **weights: float) -> TrialConfig:
    also = {name: MoreStereotypesConfig(weight=weight) for name, weight in weights.items()}
    return config.model_copy(update={"stereotypes": config.stereotypes.model_copy(update={"also": also})})


def curve(outcome: Outcome, name: str) -> list[float]:
    return [point[name] for point in outcome.curves]


class TestFullUpdate:
    def test_it_trains_and_puts_the_weights_back_bit_for_bit(self, config: TrialConfig) -> None:
        runtime = Runtime()
        before = run_trial(at_stage(config, "baseline"), runtime)
        model = runtime.language_model(config.model).model
        weights = {name: parameter.clone() for name, parameter in model.named_parameters()}
        full = changed(config, update="full", lr=1e-3, steps=8)
        outcome = run_trial(full, runtime)
        assert curve(outcome, "kl")[0] == 0.0 < curve(outcome, "kl")[-1]
        assert outcome.metrics["intrinsic_gap"] != before.metrics["intrinsic_gap"]
        for name, parameter in model.named_parameters():
            assert torch.equal(parameter, weights[name]) and not parameter.requires_grad
        assert run_trial(at_stage(config, "baseline"), runtime).metrics == before.metrics

    def test_the_layers_can_be_chosen(self, config: TrialConfig) -> None:
        from raysearch.models.full import trained_names

        lm = Runtime().language_model(config.model)
        assert config.unlearning is not None
        lora = config.unlearning.lora
        everything = {name for name, _ in lm.model.named_parameters()}
        assert trained_names(lm.model, lora) == everything
        last = trained_names(lm.model, lora.model_copy(update={"last_layers": 1}))
        assert last == {name for name in everything if ".layers.1." in name}
        attention = trained_names(lm.model, lora.model_copy(update={"last_layers": 1, "target": "attention"}))
        assert attention == {name for name in last if "self_attn" in name} != last

    def test_its_change_can_be_scaled_to_nothing(self, config: TrialConfig) -> None:
        nothing = changed(config, update="full", lr=1e-3, steps=8, task_vector_scale=0.0)
        assert run_trial(nothing, Runtime()).metrics["perplexity_ratio"].value == 1.0

    def test_its_legs_are_bit_for_bit_the_trial_in_one_go(self, config: TrialConfig, tmp_path: Path) -> None:
        full = changed(config, update="full", lr=1e-3, steps=5)
        folder = str(tmp_path / "state")
        run_trial(full, Runtime(), Leg(until=2, folder=folder))
        assert run_trial(full, Runtime(), Leg(folder=folder)).curves == run_trial(full, Runtime()).curves


def test_micro_batches_make_the_same_step(config: TrialConfig) -> None:
    whole, parts = run_trial(config, Runtime()), run_trial(changed(config, micro_batches=3), Runtime())
    for one, other in zip(whole.curves, parts.curves, strict=True):
        assert other == pytest.approx(one, rel=1e-4, abs=1e-6)
    with pytest.raises(TrialError, match="in 5 micro-batches; each needs at least one of each"):
        run_trial(changed(config, micro_batches=5), Runtime())


def test_parts_are_consecutive_and_none_is_empty() -> None:
    assert [list(part) for part in parts_of(range(7), 3)] == [[0, 1], [2, 3, 4], [5, 6]]
    assert [list(part) for part in parts_of(range(2), 5)] == [[0], [1]]


def test_activations_can_be_computed_twice_with_the_same_result(config: TrialConfig) -> None:
    lean = config.model_copy(update={"model": config.model.model_copy(update={"activation_checkpointing": True})})
    runtime = Runtime()
    assert run_trial(lean, runtime).curves == run_trial(config, Runtime()).curves
    blocks = runtime.language_model(lean.model).model.model.layers
    hidden = torch.ones(1, 3, 32, requires_grad=True)
    kept: list[int] = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t.numel()) or t, lambda t: t):
        position = runtime.language_model(lean.model).model.model.rotary_emb(hidden, torch.arange(3)[None])
        kept.clear()
        blocks[0](hidden, position_embeddings=position)
    assert sum(kept) <= 2 * hidden.numel() + 2 * position[0].numel()


class TestPrimalDual:
    def test_the_weight_rises_while_the_bound_is_broken_and_falls_while_it_holds(self, config: TrialConfig) -> None:
        tight = changed(config, losses=self.losses(at_most=0.0), steps=6)
        loose = changed(config, losses=self.losses(at_most=50.0), steps=6)
        rising, falling = (curve(run_trial(c, Runtime()), "weight.answer_mass") for c in (tight, loose))
        assert rising[0] == falling[0] == 0.5
        assert rising[2:] == sorted(rising[2:]) and rising[-1] > 0.5
        assert falling[1] == 0.0 == falling[-1]

    def test_it_moves_by_the_rule(self, config: TrialConfig) -> None:
        points = run_trial(changed(config, losses=self.losses(at_most=0.001), steps=6), Runtime()).curves
        for one, other in itertools.pairwise(points):
            moved = one["weight.answer_mass"] + 0.2 * (one["answer_mass"] - 0.001)
            assert other["weight.answer_mass"] == max(0.0, moved)

    def test_it_goes_on_where_it_was(self, config: TrialConfig, tmp_path: Path) -> None:
        dual = changed(config, losses=self.losses(at_most=0.001), steps=5)
        folder = str(tmp_path / "state")
        run_trial(dual, Runtime(), Leg(until=3, folder=folder))
        assert run_trial(dual, Runtime(), Leg(folder=folder)).curves == run_trial(dual, Runtime()).curves

    @staticmethod
    def losses(at_most: float) -> dict[str, LossTermConfig]:
        return {
            "gradient_ascent": LossTermConfig(weight=1.0),
            "answer_mass": LossTermConfig(weight=0.5, at_most=at_most, dual_lr=0.2),
        }


class TestGuards:
    def test_a_model_that_no_longer_answers_is_given_up(self, config: TrialConfig) -> None:
        losses = {"gradient_ascent": LossTermConfig(weight=1.0)}
        guards = GuardsConfig(window=2, least_answer_mass_ratio=0.5, least_signed_gap=None)
        wild = changed(config, losses=losses, guards=guards, steps=200, lr=2e-2)
        with pytest.raises(CollapsedError, match=r"step \d+: both answers together .*least_answer_mass_ratio 0.5"):
            run_trial(wild, Runtime())
        failed = attempt(wild, Runtime())
        assert (failed.reason, failed.spoiled) == (FailureReason.COLLAPSED, False)

    def test_a_bias_turned_round_is_given_up(self, config: TrialConfig) -> None:
        losses = {"learn": LossTermConfig(weight=1.0), "gradient_ascent": LossTermConfig(weight=1.0)}
        guards = GuardsConfig(window=3, least_answer_mass_ratio=None, least_signed_gap=-0.02)
        wild = changed(config, losses=losses, guards=guards, steps=200, lr=2e-2)
        with pytest.raises(InvertedError, match="the bias was turned round"):
            run_trial(wild, Runtime())

    def test_switched_off_they_let_it_go_on(self, config: TrialConfig) -> None:
        losses = {"gradient_ascent": LossTermConfig(weight=1.0)}
        guards = GuardsConfig(window=1, least_answer_mass_ratio=None, least_signed_gap=None)
        assert len(run_trial(changed(config, losses=losses, guards=guards, steps=12, lr=1e-2), Runtime()).curves) == 12


class TestSeveralSets:
    def test_each_set_is_measured_in_equal_parts(self, config: TrialConfig) -> None:
        outcome = run_trial(with_sets(config, race=0.5, religion=1.0), Runtime())
        parts = {name: outcome.breakdown[name] for name in ("poor_or_rich", "race", "religion")}
        assert {part.n for part in parts.values()} == {10}
        mean = np.mean([part.value for part in parts.values()])
        assert outcome.metrics["intrinsic_gap"].value == pytest.approx(mean)
        assert {"poor", "rich", "violent", "peaceful", "race.signed"} <= set(outcome.breakdown)

    def test_a_step_takes_its_pairs_from_all_sets_in_turn(self, config: TrialConfig) -> None:
        pairs = training_pairs(with_sets(config, race=1.0, poor_or_rich_es=1.0))
        batches = batches_of_pairs(pairs, 4, seed=0)
        drawn = [[pair.set for pair in next(batches)] for _ in range(3)]
        assert all(len(batch) == 4 and set(batch) == set(pairs) for batch in drawn)
        together = [name for batch in drawn for name in batch]
        assert {together.count(name) for name in pairs} == {4}

    def test_a_set_of_weight_zero_is_measured_and_not_trained(self, config: TrialConfig) -> None:
        silent = with_sets(config, race=0.0)
        assert set(training_pairs(silent)) == {"poor_or_rich"}
        assert {pair.set for pair in judged_pairs(silent)} == {"poor_or_rich", "race"}
        assert run_trial(silent, Runtime()).curves == run_trial(config, Runtime()).curves

    def test_a_weight_counts_in_the_loss_and_not_in_the_values(self, config: TrialConfig) -> None:
        losses = {"learn": LossTermConfig(weight=1.0)}
        light, heavy = (
            run_trial(changed(with_sets(config, race=w), losses=losses, steps=1), Runtime()).curves[0]
            for w in (0.5, 2.0)
        )
        assert light["learn"] == heavy["learn"]
        assert light["loss"] < heavy["loss"]


def test_terms_may_be_those_of_training_while_templates_and_words_are_not(config: TrialConfig) -> None:
    seen = config.model_copy(update={"stereotypes": config.stereotypes.model_copy(update={"terms": "seen"})})
    trained = training_pairs(seen)["poor_or_rich"]
    judged = judged_pairs(seen)
    assert {pair.terms for pair in judged} <= {pair.terms for pair in trained}
    for part in ("template", "word"):
        assert not {getattr(p, part) for p in trained} & {getattr(p, part) for p in judged}


def test_controls_are_recorded_beside_the_gap(config: TrialConfig) -> None:
    assert {"control.not_normalised", "control.equal_length"} <= set(run_trial(config, Runtime()).breakdown)
    thorough = config.model_copy(update={"evaluation": config.evaluation.model_copy(update={"controls": True})})
    found = run_trial(thorough, Runtime()).breakdown
    for name in ("control.paraphrases", "control.both_orders", "control.order_effect"):
        assert 0.0 <= found[name].low <= found[name].value <= found[name].high <= 1.0 and found[name].n > 8


def test_kl_may_be_held_on_sentences_about_work_and_wealth(config: TrialConfig) -> None:
    assert config.unlearning is not None
    neutral = config.unlearning.neutral.model_copy(update={"source": "socioeconomic"})
    outcome = run_trial(changed(config, neutral=neutral), Runtime())
    assert curve(outcome, "kl")[0] == 0.0
    assert curve(outcome, "kl") != curve(run_trial(config, Runtime()), "kl")


def test_the_optimiser_of_a_gpu_takes_the_same_steps(config: TrialConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = run_trial(config, Runtime())
    monkeypatch.setattr("raysearch.pipeline.unlearn._fused", lambda parameters: True)
    fused = run_trial(config, Runtime())
    assert curve(fused, "loss") == pytest.approx(curve(plain, "loss"), rel=1e-4)
    assert fused.metrics["intrinsic_gap"].value == pytest.approx(plain.metrics["intrinsic_gap"].value, abs=1e-4)
