"""Ray Tune's trainable: a little actor that walks a trial through its legs. Nothing heavy is imported here."""

from __future__ import annotations

import json
from typing import Any

import ray
from ray import tune

from raysearch.pipeline.leg import Bound, Leg
from raysearch.workers.dispatcher import Work


class TrialOnGroups(tune.Trainable):
    """Hands one leg after another to the worker groups and waits; needs no resources of its own.

    Its configuration: ``number`` of the trial, its ``config`` and ``legs`` as JSON text, ``crew`` as the
    dispatcher takes it, ``dispatcher`` and ``namespace`` of the dispatcher's actor.
    """

    def setup(self, config: dict[str, Any]) -> None:
        """Takes a trial in hand."""
        self._dispatcher: Any = ray.get_actor(config["dispatcher"], namespace=config["namespace"])
        self._dispatcher.present.remote()
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Takes the next trial in hand; the actor stays."""
        self._crew: int = new_config["crew"]
        self._number: int = new_config["number"]
        self._config: dict[str, Any] = json.loads(new_config["config"])
        self._legs = [read_leg(leg) for leg in json.loads(new_config["legs"])]
        return True

    def step(self) -> dict[str, Any]:
        """One leg. The trial is done with its last leg, or earlier where it failed or was gated."""
        leg = self._legs.pop(0)
        final: bool = ray.get(self._dispatcher.submit.remote(Work(self._number, self._config, leg), self._crew))
        return {"number": self._number, "done": final or not self._legs}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Nothing: the trial's state is in the run folder."""

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Nothing; see ``save_checkpoint``."""


def read_leg(fields: dict[str, Any]) -> Leg:
    """A leg from the plain values that ``dataclasses.asdict`` makes of it."""
    return Leg(**{**fields, "gate": tuple(Bound(**bound) for bound in fields["gate"])})
