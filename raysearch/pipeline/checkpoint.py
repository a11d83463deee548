"""The state of an unfinished unlearning on disk: adapter, optimiser, curve. One safetensors file a step, no pickle.

A file gets its name when it is whole, so a kill leaves the earlier one. Training that goes on from a file gives the
same numbers, bit for bit, as training that was never interrupted (tested).
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from raysearch.config.schema import TrialConfig
from raysearch.models.sharding import spread_like, whole


@dataclass
class Progress:
    """How far an unlearning has come.

    Attributes:
        step: steps done.
        curve: one dict a step.
    """

    step: int = 0
    curve: list[dict[str, float]] = field(default_factory=list)


class Checkpoints:
    """The saved states of one trial.

    Args:
        folder: of the trial alone.
        config: the trial: a state of another configuration is never loaded.
    """

    def __init__(self, folder: Path, config: TrialConfig) -> None:
        self._folder = folder
        text = json.dumps(config.model_dump(mode="json"), sort_keys=True)
        self._digest = hashlib.sha256(text.encode()).hexdigest()

    def save(self, progress: Progress, model: nn.Module, optimizer: torch.optim.Optimizer, write: bool = True) -> None:
        """Writes a state; earlier ones of the trial are removed afterwards.

        Args:
            progress: how far it has come.
            model: what of it is trained is saved.
            optimizer: its state is saved with it.
            write: False only takes part in gathering weights that are spread over processes.
        """
        tensors = state_of(model)
        for name, parameter in _trained(model).items():
            for key, value in optimizer.state.get(parameter, {}).items():
                tensors[f"{key}/{name}"] = whole(torch.as_tensor(value))
        if not write:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        contiguous = {key: tensor.cpu().contiguous().clone() for key, tensor in tensors.items()}
        target = self._folder / f"step-{progress.step:06d}.safetensors"
        part = target.with_name(f".{target.name}.{os.getpid()}.part")
        save_file(contiguous, part, {"config": self._digest, "curve": json.dumps(progress.curve)})
        part.rename(target)
        for old in self._files():
            if old != target:
                old.unlink(missing_ok=True)

    def load(self, most_steps: int, model: nn.Module, optimizer: torch.optim.Optimizer) -> Progress:
        """Loads the furthest state of at most so many steps into the model and the optimiser, if there is a sound one.

        Returns:
            Where it stands; step 0 where there is nothing to go on from.
        """
        for file in reversed(self._files()):
            step = int(file.stem.removeprefix("step-"))
            if step > most_steps:
                continue
            try:
                with safe_open(file, framework="pt") as opened:
                    facts: dict[str, str] = opened.metadata() or {}
                    if facts.get("config") != self._digest:
                        continue
                    curve = json.loads(facts["curve"])
                    tensors = {key: opened.get_tensor(key) for key in opened.keys()}  # noqa: SIM118  # not a dict
                self._restore(tensors, model, optimizer)
            except (OSError, ValueError, KeyError, SafetensorError):
                continue  # a damaged state is worth nothing: an earlier one, or the start, gives the same numbers
            return Progress(step, curve)
        return Progress()

    def _restore(self, tensors: dict[str, Tensor], model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        trained = _trained(model)
        put_state(model, {key: tensor for key, tensor in tensors.items() if key.startswith("parameter/")})
        state: dict[Any, dict[str, Tensor]] = {}
        for name, parameter in trained.items():
            entries = {
                key.partition("/")[0]: tensor
                for key, tensor in tensors.items()
                if key.partition("/")[2] == name and not key.startswith("parameter/")
            }
            state[parameter] = {k: v if k == "step" else spread_like(v, parameter) for k, v in entries.items()}
        optimizer.state.update(state)

    def _files(self) -> list[Path]:
        return sorted(self._folder.glob("step-*.safetensors"))


def state_of(model: nn.Module) -> dict[str, Tensor]:
    """What of a model is trained; every process must call it where weights are spread over processes."""
    return {f"parameter/{name}": whole(parameter.detach()) for name, parameter in _trained(model).items()}


def put_state(model: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Gives a model what ``state_of`` took of one like it.

    Raises:
        ValueError: it was one with other parameters.
    """
    trained = _trained(model)
    if {f"parameter/{name}" for name in trained} != set(tensors):
        raise ValueError("the saved state is of other parameters")
    with torch.no_grad():
        for name, parameter in trained.items():
            parameter.copy_(spread_like(tensors[f"parameter/{name}"], parameter))


def _trained(model: nn.Module) -> dict[str, nn.Parameter]:
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
