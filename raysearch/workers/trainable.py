"""Ray Tune's trainable. Its actor imports this file, so nothing heavy is imported here."""

from __future__ import annotations

import json
from typing import Any

import ray
from ray import tune

from raysearch.workers.dispatcher import Work


def run_on_group(config: dict[str, Any], dispatcher: str, namespace: str) -> None:
    """Hands the trial to a worker group and waits; needs no resources of its own.

    Args:
        config: ``number`` of the trial and its ``config`` as JSON text.
        dispatcher: name of the dispatcher's actor.
        namespace: its Ray namespace.
    """
    actor = ray.get_actor(dispatcher, namespace=namespace)
    ray.get(actor.submit.remote(Work(config["number"], json.loads(config["config"]))))
    tune.report({"number": config["number"]})
