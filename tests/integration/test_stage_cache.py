"""A trial's numbers are the same with the cache empty, warm or off, and a warm one does less."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from raysearch.config.schema import CdaDuplicate, ModelConfig, TrialConfig
from raysearch.losses.composite import CompositeLoss
from raysearch.models.backbone import hidden_states
from raysearch.models.language_model import LanguageModel, load, probed
from raysearch.pipeline import stage_cache, unlearn
from raysearch.pipeline.leg import Leg
from raysearch.pipeline.runtime import Runtime
from raysearch.pipeline.stage_cache import StageCache
from raysearch.pipeline.trial import Outcome, run_trial
from raysearch.replay import at_stage
from tests.conftest import save_tiny_model
from tests.studies import small_study

LAST = ("trial.unlearning.lora.last_layers=1",)


def config_of(tmp_path: Path, model: Path, stage: str = "combined", *overrides: str) -> TrialConfig:
    config = at_stage(small_study(tmp_path, model, *overrides).default_trial(), stage)
    return config.model_copy(update={"cda": CdaDuplicate(mode="duplicate")}) if stage == "combined" else config


def numbers(outcome: Outcome) -> Any:
    return outcome.metrics, outcome.breakdown, outcome.curves, outcome.evidence, outcome.facts


@pytest.mark.parametrize("overrides", [(), LAST, ("trial.unlearning.update=full", *LAST)])
def test_same_numbers_with_the_cache_empty_warm_and_off(
    tmp_path: Path, tiny_model: Path, overrides: tuple[str, ...]
) -> None:
    config, folder = config_of(tmp_path, tiny_model, "combined", *overrides), tmp_path / "stages"
    off = run_trial(config, Runtime(cache=StageCache.off()))
    empty = run_trial(config, Runtime(cache=StageCache(folder)))
    warm_runtime = Runtime(cache=StageCache(folder))
    warm = run_trial(config, warm_runtime)
    assert numbers(off) == numbers(empty) == numbers(warm)
    made = {name: count for name, count in warm_runtime.cache.counts.items() if name.endswith("made")}
    assert not made or overrides[:1] == ("trial.unlearning.update=full",)  # its weights are too large a share to write


def test_trials_that_differ_in_augmentation_share_an_unlearning(tmp_path: Path, tiny_model: Path) -> None:
    cache = StageCache(tmp_path / "stages")
    runtime = Runtime(cache=cache)
    combined = config_of(tmp_path, tiny_model)
    alone = at_stage(combined, "unlearning")
    run_trial(combined, runtime)
    before = dict(cache.counts)
    found = run_trial(alone, runtime)
    assert cache.counts["unlearning found"] == 1 and cache.counts["unlearning made"] == before["unlearning made"] == 1
    assert numbers(found) == numbers(run_trial(alone, Runtime(cache=StageCache.off())))


@pytest.mark.parametrize("overrides", [LAST, ("trial.unlearning.update=full", *LAST)])
def test_an_untouched_model_leaves_what_enters_the_blocks_that_others_train(
    tmp_path: Path, tiny_model: Path, overrides: tuple[str, ...]
) -> None:
    baseline = config_of(tmp_path, tiny_model, "baseline", *overrides)
    trained = config_of(tmp_path, tiny_model, "unlearning", *overrides)
    counts = {}
    for upper_blocks in (None, 1):
        folder = tmp_path / f"stages-{upper_blocks}"
        parted = run_trial(baseline, Runtime(cache=StageCache(folder)), Leg(upper_blocks=upper_blocks))
        assert numbers(parted) == numbers(run_trial(baseline, Runtime(cache=StageCache.off())))
        runtime = Runtime(cache=StageCache(folder))
        found = run_trial(trained, runtime)
        assert numbers(found) == numbers(run_trial(trained, Runtime(cache=StageCache.off())))
        counts[upper_blocks] = runtime.cache.counts["lower_states made"]
    assert 0 < counts[1] < counts[None], "left: what only training reads"


@pytest.mark.parametrize("change", ["seed=1", "unlearning.lr=5.0e-3", "unlearning.losses.kl.weight=0.5"])
def test_what_changes_training_is_trained_anew(tmp_path: Path, tiny_model: Path, change: str) -> None:
    cache = StageCache(tmp_path / "stages")
    first = run_trial(config_of(tmp_path, tiny_model, "unlearning"), Runtime(cache=cache))
    other = run_trial(config_of(tmp_path, tiny_model, "unlearning", f"trial.{change}"), Runtime(cache=cache))
    assert cache.counts["unlearning made"] == 2
    assert first.curves != other.curves


def test_the_scale_of_the_task_vector_needs_no_training(tmp_path: Path, tiny_model: Path) -> None:
    cache = StageCache(tmp_path / "stages")
    whole = run_trial(config_of(tmp_path, tiny_model, "unlearning"), Runtime(cache=cache))
    half = run_trial(
        config_of(tmp_path, tiny_model, "unlearning", "trial.unlearning.task_vector_scale=0.5"), Runtime(cache=cache)
    )
    assert cache.counts["unlearning made"] == 1
    assert half.curves == whole.curves and half.metrics["intrinsic_gap"] != whole.metrics["intrinsic_gap"]


def test_a_leg_to_a_rung_trains_and_goes_on_from_its_own_state(tmp_path: Path, tiny_model: Path) -> None:
    config, cache = config_of(tmp_path, tiny_model, "unlearning"), StageCache(tmp_path / "stages")
    folder = str(tmp_path / "states")
    run_trial(config, Runtime(cache=cache), Leg(until=2, folder=folder))
    assert cache.counts["unlearning made"] == 0
    legs = run_trial(config, Runtime(cache=cache), Leg(folder=folder))
    assert numbers(legs) == numbers(run_trial(config, Runtime(cache=StageCache.off())))


@pytest.mark.parametrize("family", ["llama", "phi3", "gemma2", "gemma3_text"])
def test_a_pass_that_begins_above_frozen_blocks_trains_the_same(tmp_path: Path, family: str) -> None:
    """Against the whole pass over padded rows: the curve is the same up to rounding."""
    model = save_tiny_model(tmp_path / family, family)
    attention = "trial.model.attention=eager" if family == "gemma2" else "trial.model.attention=sdpa"
    config = config_of(tmp_path, model, "unlearning", attention, *LAST)
    short = run_trial(config, Runtime())
    runtime = Runtime(cache=StageCache.off())
    lm = runtime.language_model(config.model)
    assert lm.longest_shared and lm.splits
    object.__setattr__(lm, "longest_shared", 0)
    object.__setattr__(lm, "splits", False)
    whole = run_trial(config, runtime)
    for ours, theirs in zip(short.curves, whole.curves, strict=True):
        assert ours == pytest.approx(theirs, rel=2e-3, abs=2e-5)
    for name in ("intrinsic_gap", "perplexity_ratio", "answer_mass_ratio"):
        assert short.metrics[name].value == pytest.approx(whole.metrics[name].value, rel=1e-3)
    assert short.evidence.decided == whole.evidence.decided


def test_training_is_not_begun_when_its_result_is_there(
    tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, folder = config_of(tmp_path, tiny_model, "unlearning"), tmp_path / "stages"
    run_trial(config, Runtime(cache=StageCache(folder)))
    monkeypatch.setattr(unlearn, "_train", None)
    run_trial(config, Runtime(cache=StageCache(folder)))


def test_other_code_of_a_loss_gives_other_scores(
    tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Scores of a trained model are found under its training's address, the code that trained it included."""
    config, folder = config_of(tmp_path, tiny_model, "unlearning"), tmp_path / "stages"
    before = run_trial(config, Runtime(cache=StageCache(folder)))
    code, weigh = stage_cache._code, CompositeLoss.__call__

    def turned(self: CompositeLoss, *args: Any, **kwargs: Any) -> Any:
        loss, values = weigh(self, *args, **kwargs)
        return -loss, values

    monkeypatch.setattr(CompositeLoss, "__call__", turned)
    monkeypatch.setattr(stage_cache, "_code", lambda packages: code(packages) + ("x" if "losses" in packages else ""))
    after = run_trial(config, Runtime(cache=StageCache(folder)))
    assert numbers(after) == numbers(run_trial(config, Runtime(cache=StageCache.off())))
    assert after.evidence.pair_gaps != before.evidence.pair_gaps


def test_another_tokenizer_is_another_model(tmp_path: Path) -> None:
    model = save_tiny_model(tmp_path / "model")
    first = load(ModelConfig(source=str(model)))
    file = model / "tokenizer.json"
    words = json.loads(file.read_text())
    words["pre_tokenizer"]["add_prefix_space"] = True
    file.write_text(json.dumps(words))
    other = load(ModelConfig(source=str(model)))
    assert first.digest == other.digest and first.identity != other.identity


@pytest.mark.parametrize(("family", "shared", "splits"), [("falcon", True, False), ("jamba", False, True)])
def test_a_family_that_is_built_otherwise_takes_the_whole_way(family: str, shared: bool, splits: bool) -> None:
    """Falcon's blocks give more than their states; Jamba mixes tokens by other means than attention."""
    size: dict[str, Any] = dict(hidden_size=32, num_hidden_layers=8, num_attention_heads=4, vocab_size=300)
    if family == "jamba":
        size |= dict(
            intermediate_size=64, num_key_value_heads=2, use_mamba_kernels=False, mamba_d_state=4, num_experts=2
        )
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(family, **size)).eval()
    tokenizer = SimpleNamespace(get_vocab=lambda: {"a": 0}, pad_token_id=0, eos_token_id=0)
    lm = LanguageModel(model, cast(Any, tokenizer), "random", torch.device("cpu"))
    found = probed(lm)
    assert found.splits is splits and (found.longest_shared > 0) is shared
    plain, tree = (found.plant(rows) for rows in ([[3, 4, 5, 6]], [[3, 4, 5, 6], [3, 4, 9, 7]]))
    with torch.no_grad():
        one, two = plain.rows(hidden_states(model, plain)), tree.rows(hidden_states(model, tree))
    torch.testing.assert_close(one[0], two[0], rtol=1e-3, atol=1e-4)
