"""The pipeline end to end on a tiny model: repeatable, without leaks, the same alone and shared."""

from __future__ import annotations

import dataclasses
import os
import socket
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.multiprocessing as multiprocessing

from raysearch import registry
from raysearch.config.metric_names import METRICS
from raysearch.config.schema import TrialConfig
from raysearch.config.unlearning import LossTermConfig
from raysearch.errors import FailureReason, NonFiniteLossError, TrialError, UndefinedRateError
from raysearch.pipeline.attempt import attempt
from raysearch.pipeline.batches import batches_of_pairs
from raysearch.pipeline.communicator import Alone, ProcessGroup, shard
from raysearch.pipeline.intrinsic import judged_pairs, training_pairs
from raysearch.pipeline.leg import Leg
from raysearch.pipeline.outputs import Subject, features
from raysearch.pipeline.runtime import Runtime
from raysearch.pipeline.trial import Outcome, run_trial
from raysearch.pipeline.unlearn import learning_rate
from raysearch.replay import STAGES, at_stage
from tests.conftest import save_tiny_model
from tests.studies import small_study


@pytest.fixture
def config(tmp_path: Path, tiny_model: Path) -> TrialConfig:
    return small_study(tmp_path, tiny_model).default_trial()


def values(outcome: Outcome) -> dict[str, float]:
    return {name: measured.value for name, measured in outcome.metrics.items()}


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_measures_every_metric(config: TrialConfig, stage: str) -> None:
    chosen = at_stage(config, stage)
    assert chosen.stage == stage
    outcome = run_trial(chosen, Runtime())
    assert tuple(outcome.metrics) == METRICS
    assert all(m.low <= m.value <= m.high for n, m in outcome.metrics.items() if "ratio" in n or "gap" in n)
    assert int(outcome.cube.counts.sum()) == config.data.validation_rows
    assert len(outcome.curves) == (4 if stage in ("unlearning", "combined") else 0)
    assert outcome.facts["augmented_rows"] == (config.data.train_rows if stage in ("cda", "combined") else 0)


def test_a_trial_is_the_same_bit_for_bit_alone_and_after_another(config: TrialConfig) -> None:
    combined, other = at_stage(config, "combined"), at_stage(config, "unlearning").model_copy(update={"seed": 5})
    used = Runtime()
    run_trial(other, used)
    run_trial(at_stage(config, "cda"), used)
    after, alone = run_trial(combined, used), run_trial(combined, Runtime())
    assert after.curves == alone.curves
    assert after.metrics == alone.metrics
    assert np.array_equal(after.cube.counts, alone.cube.counts)


def test_features_of_the_untouched_model_do_not_depend_on_what_ran_before(config: TrialConfig) -> None:
    cda = at_stage(config, "cda")
    used = Runtime()
    run_trial(at_stage(config, "baseline"), used)
    run_trial(cda, used)
    alone = Runtime()
    run_trial(cda, alone)

    def vectors(runtime: Runtime) -> dict:
        return {key[-1]: value for key, value in runtime._memo.items() if key[0] == "features"}

    for texts, found in vectors(alone).items():
        again = vectors(used)[texts]
        assert all(np.array_equal(found[text], again[text]) for text in texts)


def test_a_model_with_dropout_is_trained_without_it(tmp_path: Path) -> None:
    """KL and the change of answer mass are exactly 0 before the first step, whatever the model's configuration says."""
    folder = save_tiny_model(tmp_path / "opt", "opt")
    config = at_stage(small_study(tmp_path, folder).default_trial(), "unlearning")
    first = run_trial(config, Runtime()).curves[0]
    assert (first["kl"], first["answer_mass"]) == (0.0, 0.0)


def test_another_seed_gives_another_trial(config: TrialConfig) -> None:
    one = run_trial(at_stage(config, "unlearning"), Runtime())
    other = run_trial(at_stage(config, "unlearning").model_copy(update={"seed": 1}), Runtime())
    assert one.curves != other.curves


def test_the_untouched_model_has_ratios_of_exactly_one(config: TrialConfig) -> None:
    found = values(run_trial(at_stage(config, "baseline"), Runtime()))
    assert found["answer_mass_ratio"] == 1.0
    assert found["perplexity_ratio"] == 1.0


def test_kl_is_exactly_zero_and_answer_mass_unchanged_before_the_first_step(config: TrialConfig) -> None:
    first = run_trial(at_stage(config, "unlearning"), Runtime()).curves[0]
    assert first["kl"] == 0.0
    assert first["answer_mass"] == 0.0


def test_unlearning_lowers_its_loss_on_a_model_that_can_learn(config: TrialConfig) -> None:
    assert config.unlearning is not None
    only_gap = {"probability_gap": config.unlearning.losses["probability_gap"]}
    longer = config.unlearning.model_copy(update={"steps": 150, "lr": 5e-3, "losses": only_gap})
    curve = run_trial(at_stage(config, "unlearning").model_copy(update={"unlearning": longer}), Runtime()).curves
    gap = [point["probability_gap"] for point in curve]
    assert np.mean(gap[-40:]) < 0.6 * np.mean(gap[:20])


def with_losses(config: TrialConfig, names: dict[str, float], **changes: object) -> TrialConfig:
    assert config.unlearning is not None
    losses = {name: LossTermConfig(weight=weight) for name, weight in names.items()}
    unlearning = config.unlearning.model_copy(update={"losses": losses, **changes})
    return at_stage(config, "unlearning").model_copy(update={"unlearning": unlearning})


@pytest.mark.parametrize("name", registry.names("loss"))
def test_every_loss_term_can_be_trained_alone(config: TrialConfig, name: str) -> None:
    outcome = run_trial(with_losses(config, {name: 1.0}), Runtime())
    guarded = set() if "neutral" in registry.get("loss", name).needs else {"signed_gap", "log_answer_mass"}
    assert [set(point) for point in outcome.curves] == [{"step", "loss", "lr", "grad_norm", name, *guarded}] * 4
    assert all(np.isfinite(point["loss"]) for point in outcome.curves)


def test_a_refusal_is_learned_beside_other_terms(config: TrialConfig) -> None:
    chosen = with_losses(config, {"idk": 1.0, "answer_mass": 0.01}, steps=40, lr=5e-3)
    curve = [point["idk"] for point in run_trial(chosen, Runtime()).curves]
    assert np.mean(curve[-5:]) < np.mean(curve[:5]) - 0.5


def test_the_learned_change_can_be_scaled_after_training(config: TrialConfig) -> None:
    chosen = with_losses(config, {"gradient_ascent": 1.0}, steps=8, lr=1e-2)
    found = {}
    for factor in (0.0, 0.5, 1.0):
        scaled = chosen.unlearning.model_copy(update={"task_vector_scale": factor})
        found[factor] = run_trial(chosen.model_copy(update={"unlearning": scaled}), Runtime())
    assert found[0.0].curves == found[0.5].curves == found[1.0].curves
    none, half, whole = (values(found[factor]) for factor in (0.0, 0.5, 1.0))
    untouched = values(run_trial(at_stage(config, "baseline"), Runtime()))
    assert none["intrinsic_gap"] == pytest.approx(untouched["intrinsic_gap"], abs=1e-6)
    assert none["perplexity_ratio"] == pytest.approx(1.0, abs=1e-6)
    assert abs(half["answer_mass_ratio"] - 1) < abs(whole["answer_mass_ratio"] - 1)


def test_the_raw_table_does_not_hear_of_unlearning_and_does_of_augmentation(config: TrialConfig) -> None:
    downstream = config.downstream.model_copy(update={"kind": "table_logistic", "inverse_regularization": 10.0})
    found = {}
    for stage in STAGES:
        chosen = at_stage(config, stage).model_copy(update={"downstream": downstream})
        found[stage] = run_trial(chosen, Runtime()).evidence.decided
    assert found["baseline"] == found["unlearning"]
    assert found["cda"] == found["combined"] != found["baseline"]


def test_a_classifier_learns_from_rows_that_choose_nothing(config: TrialConfig) -> None:
    """The unlearned model stays as it is below the classifier, and is found again after it."""
    classifier = config.downstream.classifier.model_copy(update={"epochs": 6, "lr": 5e-3})
    downstream = config.downstream.model_copy(update={"kind": "lora_classifier", "classifier": classifier})
    combined = at_stage(config, "combined").model_copy(update={"downstream": downstream})
    runtime = Runtime()
    first = run_trial(combined, runtime)
    assert len(first.facts["classifier_accuracy_by_epoch"]) == 6
    fitted, aside = first.facts["classifier_rows"]
    assert fitted == 2 * (config.data.train_rows - aside)  # neither row nor copy of a person set aside is fitted on
    features = combined.model_copy(update={"downstream": config.downstream})
    assert run_trial(features, runtime).evidence == run_trial(features, Runtime()).evidence
    assert run_trial(combined, runtime).evidence == first.evidence


def test_too_few_rows_for_a_classifier_are_a_failure_with_its_reason(config: TrialConfig) -> None:
    downstream = config.downstream.model_copy(update={"kind": "lora_classifier"})
    chosen = at_stage(config, "baseline").model_copy(update={"downstream": downstream})
    for rows in (1, 2):
        with pytest.raises(TrialError, match=r"same label|too few"):
            run_trial(chosen, Runtime(), Leg(until=rows, fidelity="data.train_rows"))


def test_training_rows_can_be_undersampled_and_judged_rows_stay(config: TrialConfig) -> None:
    cda = at_stage(config, "cda")
    even = config.data.model_copy(update={"balance": "label_and_group"})
    plain, balanced = run_trial(cda, Runtime()), run_trial(cda.model_copy(update={"data": even}), Runtime())
    assert balanced.facts["train_rows"] < plain.facts["train_rows"] == 60
    assert balanced.facts["train_rows"] % 4 == 0 and balanced.facts["augmented_rows"] == balanced.facts["train_rows"]
    assert balanced.evidence.target == plain.evidence.target


def test_features_may_be_of_a_lower_layer(config: TrialConfig) -> None:
    runtime, found = Runtime(), []
    lm = runtime.language_model(config.model)
    for layer in (None, 1, 2):
        downstream = config.downstream.model_copy(update={"layer": layer})
        untouched = Subject(lm, lm.model, untouched=True)
        ((vectors, _),) = features(untouched, [["The age is 34.", "The sex is female."]], downstream, 64, runtime)
        found.append(vectors)
    assert not np.allclose(found[0], found[1])
    np.testing.assert_allclose(found[0], found[2])  # after the last block, normed
    downstream = config.downstream.model_copy(update={"layer": 99})
    with pytest.raises(TrialError, match=r"the model has \d+ blocks; downstream.layer is 99"):
        run_trial(at_stage(config, "baseline").model_copy(update={"downstream": downstream}), Runtime())


def test_a_loss_that_blows_up_is_a_failure_with_its_reason_and_leaves_the_model_clean(config: TrialConfig) -> None:
    assert config.unlearning is not None
    runtime = Runtime()
    before = values(run_trial(at_stage(config, "baseline"), runtime))
    wild = config.unlearning.model_copy(update={"lr": 0.99, "max_grad_norm": 1e30, "steps": 200})
    wild = wild.model_copy(
        update={"losses": {"gradient_ascent": wild.losses["kl"].model_copy(update={"weight": 1e30})}}
    )
    broken = at_stage(config, "unlearning").model_copy(update={"unlearning": wild})
    with pytest.raises(NonFiniteLossError, match=r"step \d+ of 200"):
        run_trial(broken, runtime)
    failed = attempt(broken, runtime)
    assert (failed.outcome, failed.reason, failed.spoiled) == (None, FailureReason.NON_FINITE_LOSS, False)
    assert values(run_trial(at_stage(config, "baseline"), runtime)) == before


def test_a_group_too_small_is_a_failure_with_its_reason(config: TrialConfig) -> None:
    from raysearch.metrics.groups import CountCube, measure

    cube = CountCube(("a", "b"), np.array([[[9, 1], [2, 8]], [[0, 0], [3, 4]]]))
    with pytest.raises(UndefinedRateError, match="group 'b' has 7 judged rows, 7 positive and 0 negative"):
        measure(cube, 1, 100, 0.95, 0)


def test_an_unexpected_error_spoils_the_attempt(config: TrialConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("boom")

    monkeypatch.setattr("raysearch.pipeline.trial.prepare", broken)
    failed = attempt(config, Runtime())
    assert (failed.reason, failed.spoiled) == (FailureReason.EXCEPTION, True)
    assert failed.detail == "RuntimeError: boom"


def test_the_sensitive_column_stays_in_the_text_when_columns_are_few(config: TrialConfig) -> None:
    few = config.model_copy(update={"text": config.text.model_copy(update={"max_columns": 1})})
    assert run_trial(at_stage(few, "baseline"), Runtime()).facts["columns"] == ["sex"]


def test_leaving_the_sensitive_attribute_out_makes_augmentation_a_repetition(config: TrialConfig) -> None:
    without = config.model_copy(update={"text": config.text.model_copy(update={"include_sensitive": False})})
    outcome = run_trial(at_stage(without, "cda"), Runtime())
    assert "sex" not in outcome.facts["columns"]


def test_trained_and_judged_pairs_share_no_template_or_word(config: TrialConfig) -> None:
    train, judged = training_pairs(config)["poor_or_rich"], judged_pairs(config)
    for part in ("template", "word", "terms"):
        assert not {getattr(p, part) for p in train} & {getattr(p, part) for p in judged}


def test_every_pair_comes_once_before_any_comes_again(config: TrialConfig) -> None:
    pairs = training_pairs(config)["poor_or_rich"][:10]
    batches = batches_of_pairs({"poor_or_rich": pairs}, 4, seed=3)
    drawn = [pair for _ in range(5) for pair in next(batches)]
    assert len(set(drawn[:10])) == 10
    assert set(drawn[10:]) == set(pairs)


def test_the_learning_rate_rises_and_falls(config: TrialConfig) -> None:
    assert config.unlearning is not None
    plan = config.unlearning.model_copy(update={"steps": 10, "lr": 1.0 - 1e-9, "warmup_fraction": 0.2})
    rates = [learning_rate(step, plan) for step in range(10)]
    assert rates[0] < rates[1] == pytest.approx(1.0)
    assert rates[1:] == sorted(rates[1:], reverse=True)
    assert rates[-1] > 0


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_shares_cover_everything_once(size: int) -> None:
    ranks = [dataclasses.make_dataclass("Fake", ["rank", "size"])(rank, size) for rank in range(size)]
    covered = [i for fake in ranks for i in range(7)[shard(7, fake)]]
    assert covered == list(range(7))


def _in_a_group(rank: int, size: int, port: int, text: str, out: str) -> None:
    torch.set_num_threads(1)
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    torch.distributed.init_process_group("gloo", rank=rank, world_size=size)
    config = TrialConfig.model_validate_json(text, strict=False)
    runtime = Runtime(communicator=ProcessGroup(torch.device("cpu")))
    outcome = run_trial(config, runtime)
    torch.save(
        {"values": values(outcome), "curves": outcome.curves, "counts": outcome.cube.counts.tolist()}, f"{out}.{rank}"
    )
    torch.distributed.destroy_process_group()


def test_two_workers_give_the_result_of_one(config: TrialConfig, tmp_path: Path) -> None:
    downstream = config.downstream.model_copy(update={"kind": "lora_classifier"})
    combined = at_stage(config, "combined").model_copy(update={"downstream": downstream})
    alone = run_trial(combined, Runtime(communicator=Alone()))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    out = str(tmp_path / "rank")
    multiprocessing.spawn(_in_a_group, args=(2, port, combined.model_dump_json(), out), nprocs=2)
    shared = [torch.load(f"{out}.{rank}") for rank in range(2)]
    assert shared[0] == shared[1]
    for ours, theirs in zip(alone.curves, shared[0]["curves"], strict=True):
        assert theirs == pytest.approx(ours, rel=1e-3, abs=1e-6)
    assert shared[0]["values"] == pytest.approx(values(alone), rel=1e-3, abs=1e-5)
    assert shared[0]["counts"] == alone.cube.counts.tolist()


def test_more_workers_than_pairs_in_a_step_is_refused(config: TrialConfig) -> None:
    from raysearch.losses.composite import CompositeLoss
    from raysearch.pipeline.unlearn import _check_shares

    assert config.unlearning is not None
    many = dataclasses.make_dataclass("Fake", ["rank", "size"])(0, 7)
    with pytest.raises(TrialError, match="7 workers share a step of 6 pairs"):
        _check_shares(config.unlearning, CompositeLoss(config.unlearning.losses), many)
