"""How far to take a trial now: a leg ends at a rung, or at the trial's full fidelity. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Bound:
    """A constraint with its reference filled in.

    Attributes:
        name: as the ledger has it, ``accuracy >= baseline - 0.03``.
        metric: what is bounded.
        base: value that the bound is added to.
        at_least: lower bound, or None.
        at_most: upper bound; exactly one of the two is given.
    """

    name: str
    metric: str
    base: float
    at_least: float | None
    at_most: float | None

    def violation(self, value: float) -> float:
        """How far the bound is from holding, in the metric's unit; <= 0 is feasible."""
        if self.at_least is not None:
            return self.base + self.at_least - value
        assert self.at_most is not None  # one of the two is given: ``ConstraintConfig`` checks it
        return value - self.base - self.at_most


@dataclass(frozen=True)
class Leg:
    """One stretch of a trial.

    Attributes:
        until: value of the fidelity at which this leg ends; None takes the trial to its full fidelity.
        fidelity: which fidelity, a path of the configuration.
        folder: where the trial's state is kept from leg to leg; None keeps none.
        gate: bounds on intrinsic metrics; where one is broken, the downstream stage is not run.
        timeout_s: most seconds for this leg; None sets no limit.
        checkpoint_every_s: how often unlearning saves its state within the leg.
        upper_blocks: blocks at the model's end that the study's other trials train; one that trains none keeps what
            enters them, on its way, for those.
    """

    until: int | None = None
    fidelity: str = "unlearning.steps"
    folder: str | None = None
    gate: tuple[Bound, ...] = ()
    timeout_s: float | None = None
    checkpoint_every_s: float = 60.0
    upper_blocks: int | None = None

    def limit(self, fidelity: str, full: int) -> int:
        """The leg's end on a scale of ``fidelity``, never beyond the trial's own ``full``."""
        return full if self.until is None or fidelity != self.fidelity else min(self.until, full)

    def broken(self, values: Mapping[str, float]) -> dict[str, float]:
        """Violations of all gated bounds, if one is broken; else nothing."""
        found = {bound.name: bound.violation(values[bound.metric]) for bound in self.gate}
        return found if any(violation > 0 for violation in found.values()) else {}


EPOCHS = "downstream.classifier.epochs"
"""A fidelity that only one kind of downstream model has."""

WHOLE = Leg()
"""The whole trial in one leg, nothing kept."""


def full_fidelity(config: Mapping[str, Any], fidelity: str) -> int | None:
    """A trial's own full value of a fidelity; None where its configuration has no such thing."""
    node: Any = config
    if fidelity == EPOCHS and config.get("downstream", {}).get("kind") != "lora_classifier":
        return None
    for key in fidelity.split("."):
        node = node.get(key) if isinstance(node, Mapping) else None
    return node if isinstance(node, int) else None


def rungs_of(config: Mapping[str, Any], fidelity: str, rungs: Sequence[int]) -> tuple[int, ...]:
    """The rungs below a trial's full fidelity."""
    full = full_fidelity(config, fidelity)
    return () if full is None else tuple(rung for rung in rungs if rung < full)
