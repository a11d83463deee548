"""Gradients of every registered loss term: right in float64, exactly zero where masked, never into the reference."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from raysearch import registry
from raysearch.losses.inputs import Answers, LossInputs, Neutral
from tests.contracts.test_losses import LEAVES, parts, with_garbage
from tests.loss_inputs import inputs_for

NAMES = registry.names("loss")


def trained_leaves(inputs: LossInputs) -> dict[tuple[str, str], torch.Tensor]:
    """What the model in training produces, as leaves that require gradients."""
    return {
        (name, leaf): getattr(part, leaf).clone().requires_grad_()
        for name, part in parts(inputs).items()
        for leaf in LEAVES[type(part)]
    }


def rebuilt(inputs: LossInputs, leaves: dict[tuple[str, str], torch.Tensor]) -> LossInputs:
    given: dict[str, Answers | Neutral] = {}
    for name, part in parts(inputs).items():
        given[name] = dataclasses.replace(part, **{leaf: leaves[name, leaf] for leaf in LEAVES[type(part)]})
    return LossInputs(**given)


def is_reference(key: tuple[str, str]) -> bool:
    return key[0].startswith("reference") or key[1].startswith("reference")


@pytest.mark.parametrize("name", NAMES)
def test_gradients_agree_with_finite_differences(name: str) -> None:
    component = registry.get("loss", name)()
    inputs = inputs_for(component.needs)
    leaves = trained_leaves(inputs)
    trained = [key for key in leaves if not is_reference(key)]

    def values(*given: torch.Tensor) -> torch.Tensor:
        fixed = {key: leaf.detach() for key, leaf in leaves.items()}
        return component.per_example(rebuilt(inputs, fixed | dict(zip(trained, given, strict=True))))

    assert torch.autograd.gradcheck(values, [leaves[key] for key in trained])


@pytest.mark.parametrize("name", NAMES)
def test_masked_positions_get_exactly_zero_gradient(name: str) -> None:
    component = registry.get("loss", name)()
    inputs = with_garbage(inputs_for(component.needs))
    leaves = trained_leaves(inputs)
    component.per_example(rebuilt(inputs, leaves)).sum().backward()
    for (part, leaf), tensor in leaves.items():
        mask = parts(inputs)[part].mask
        if is_reference((part, leaf)) or tensor.grad is None:
            continue
        assert (tensor.grad[~mask] == 0).all()
        assert torch.isfinite(tensor.grad).all()


@pytest.mark.parametrize("name", NAMES)
def test_the_reference_gets_no_gradient(name: str) -> None:
    component = registry.get("loss", name)()
    inputs = inputs_for(component.needs)
    leaves = trained_leaves(inputs)
    component.per_example(rebuilt(inputs, leaves)).sum().backward()
    moved = {key for key, leaf in leaves.items() if leaf.grad is not None and (leaf.grad != 0).any()}
    assert moved
    assert not any(is_reference(key) for key in moved)


def test_bounded_forms_of_ascent_leave_a_forgotten_answer_alone() -> None:
    def pull(name: str, logp: float) -> float:
        ones = torch.ones(1, 1, dtype=torch.bool)
        leaf = torch.tensor([[logp]], dtype=torch.float64, requires_grad=True)
        start = Answers(torch.tensor([[-1.0]], dtype=torch.float64), ones)
        answer = Answers(leaf, ones)
        registry.get("loss", name)().per_example(LossInputs(answer, answer, None, start, start)).sum().backward()
        assert leaf.grad is not None
        return float(leaf.grad)

    assert pull("gradient_ascent", -1.0) == pull("gradient_ascent", -60.0) == 1.0
    for name in ("clipped_ascent", "npo", "sim_npo"):
        assert pull(name, -1.0) > 0.1
        assert 0 <= pull(name, -60.0) < 0.01


def test_ascent_lowers_and_learning_raises_its_answer() -> None:
    for name, sign in (("gradient_ascent", 1.0), ("learn", -1.0)):
        inputs = inputs_for(frozenset({"answers"}))
        leaves = trained_leaves(inputs)
        registry.get("loss", name)().per_example(rebuilt(inputs, leaves)).sum().backward()
        part = "stereotype" if name == "gradient_ascent" else "anti_stereotype"
        gradient, mask = leaves[part, "token_logps"].grad, parts(inputs)[part].mask
        assert gradient is not None
        assert (torch.sign(gradient[mask]) == sign).all()
