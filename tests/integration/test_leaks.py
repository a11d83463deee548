"""Nothing of a trial reaches the next: numbers, weights, hooks, settings of torch, memory."""

from __future__ import annotations

import gc
import hashlib
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from raysearch.config.schema import TrialConfig
from raysearch.errors import FailureReason
from raysearch.pipeline.attempt import Attempt, attempt
from raysearch.pipeline.leg import WHOLE, Bound, Leg
from raysearch.pipeline.runtime import Runtime, Silent
from raysearch.replay import at_stage
from tests.studies import small_study

GATED = Leg(gate=(Bound("answer_mass_ratio >= 9", "answer_mass_ratio", 0.0, 9.0, None),))


def unlearning(config: TrialConfig, **changes: Any) -> TrialConfig:
    assert config.unlearning is not None
    return config.model_copy(update={"unlearning": config.unlearning.model_copy(update=changes)})


def full_update(config: TrialConfig) -> TrialConfig:
    return unlearning(config, update="full", lr=1e-3)


def with_classifier(config: TrialConfig) -> TrialConfig:
    classifier = config.downstream.classifier.model_copy(update={"epochs": 2})
    downstream = config.downstream.model_copy(update={"kind": "lora_classifier", "classifier": classifier})
    return config.model_copy(update={"downstream": downstream})


def failing(config: TrialConfig) -> TrialConfig:
    """Its loss is no longer finite after some steps: an error from the middle of the training."""
    assert config.unlearning is not None
    weight = config.unlearning.losses["kl"].model_copy(update={"weight": 1e30})
    return unlearning(config, lr=0.99, max_grad_norm=1e30, steps=200, losses={"gradient_ascent": weight})


KINDS: dict[str, tuple[Callable[[TrialConfig], TrialConfig], Leg]] = {
    "adapter": (lambda config: config, WHOLE),
    "full update": (full_update, WHOLE),
    "classifier": (with_classifier, WHOLE),
    "classifier on a full update": (lambda config: with_classifier(full_update(config)), WHOLE),
    "failed": (failing, WHOLE),
    "gated": (lambda config: config, GATED),
}


@pytest.fixture
def config(tmp_path: Path, tiny_model: Path) -> TrialConfig:
    return at_stage(small_study(tmp_path, tiny_model).default_trial(), "combined")


def run(kind: str, config: TrialConfig, runtime: Runtime) -> Attempt:
    change, leg = KINDS[kind]
    done = attempt(change(config), runtime, leg)
    if kind == "failed":
        assert done.reason == FailureReason.NON_FINITE_LOSS
    else:
        assert done.outcome is not None, done.detail
        assert bool(done.outcome.gated) == (kind == "gated")
    return done


def numbers(done: Attempt) -> tuple[Any, ...]:
    found = done.outcome
    assert found is not None and found.cube is not None
    return found.metrics, found.breakdown, found.curves, found.evidence, found.facts, found.cube.counts.tolist()


def disturb_random_states() -> None:
    random.seed(99)
    np.random.seed(99)
    torch.manual_seed(99)


def state_of(runtime: Runtime, config: TrialConfig) -> dict[str, Any]:
    """All that a trial might leave behind in its process, apart from what the runtime keeps on purpose."""
    model = runtime.language_model(config.model).model
    weights = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        weights.update(name.encode() + tensor.numpy().tobytes())
    modules = list(model.modules())
    hooks = [
        getattr(module, kind)
        for module in modules
        for kind in ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    ]
    return {
        "weights": weights.hexdigest(),
        "parameters": [(name, p.requires_grad, p.grad is None) for name, p in model.named_parameters()],
        "modules": [(type(module).__name__, module.training) for module in modules],
        "hooks": sum(map(len, hooks)),
        "attributes": sorted(vars(model)),
        "default dtype": torch.get_default_dtype(),
        "gradients": torch.is_grad_enabled(),
        "inference": torch.is_inference_mode_enabled(),
        "threads": torch.get_num_threads(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
    }


def test_a_trial_after_trials_of_every_kind_is_bit_for_bit_the_trial_alone(config: TrialConfig) -> None:
    used = Runtime()
    for number, other in enumerate(KINDS):
        run(other, config.model_copy(update={"seed": number + 1}), used)
    for kind in ("adapter", "classifier on a full update"):
        disturb_random_states()
        after, alone = run(kind, config, used), run(kind, config, Runtime())
        assert numbers(after) == numbers(alone), kind
        assert numbers(after) != numbers(run(kind, config.model_copy(update={"seed": 1}), used)), kind


def test_every_kind_of_trial_leaves_its_process_as_it_was(config: TrialConfig) -> None:
    runtime = Runtime()
    before = state_of(runtime, config)
    for kind in KINDS:
        run(kind, config, runtime)
        assert state_of(runtime, config) == before, kind


@pytest.fixture
def only_what_is_released() -> Iterator[None]:
    """Python does not look for cycles by itself, so what a trial does not give back stays."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def tensor_bytes() -> int:
    storages = {
        storage.data_ptr(): storage.nbytes()
        for found in gc.get_objects()
        if issubclass(type(found), torch.Tensor)
        for storage in [found.untyped_storage()]
    }
    return sum(storages.values())


class Ring(Silent):
    """Leaves tensors that refer to themselves, as libraries do: only a search for cycles finds them."""

    def stage(self, name: str) -> None:
        ring: list[Any] = [torch.zeros(1000)]
        ring.append(ring)


def test_tensors_are_back_at_their_level_after_every_trial(config: TrialConfig, only_what_is_released: None) -> None:
    runtime = Runtime(observer=Ring())
    for kind in KINDS:  # what is kept of the untouched model is kept once
        run(kind, config, runtime)
    level = tensor_bytes()
    weights = runtime.language_model(config.model).model.parameters()
    assert level >= sum(weight.numel() * weight.element_size() for weight in weights)
    for kind in KINDS:
        run(kind, config, runtime)
        assert tensor_bytes() == level, kind
    gc.collect()
    assert tensor_bytes() == level


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_device_memory_is_back_at_its_level_after_every_trial(config: TrialConfig, only_what_is_released: None) -> None:
    runtime = Runtime(device=torch.device("cuda", torch.cuda.current_device()))
    for kind in KINDS:
        run(kind, config, runtime)
    allocated, reserved = torch.cuda.memory_allocated(), torch.cuda.memory_reserved()
    for kind in KINDS:
        run(kind, config, runtime)
        assert (torch.cuda.memory_allocated(), torch.cuda.memory_reserved()) == (allocated, reserved), kind
