"""All worker groups of a study: started together, fed through one dispatcher, ended together."""

from __future__ import annotations

import contextlib
import os
import threading
import time
import uuid
from pathlib import Path
from typing import Any

import ray

from raysearch.config.schema import WorkersConfig
from raysearch.pipeline.attempt import attempt
from raysearch.workers.dispatcher import Dispatcher, GroupState, Result, Work
from raysearch.workers.group import Attempting, GroupPlan, host

_ANSWER_S = 10.0
_PASSED_ON = ("RAYSEARCH_CACHE", "HF_HOME", "HF_TOKEN", "HF_HUB_OFFLINE", "TOKENIZERS_PARALLELISM")


class WorkerPool:
    """Ray must be initialised. ``start`` returns at once; groups come up in the background.

    Args:
        config: groups, processes, resources.
        storage: folder for Ray Train's files.
        run: what the groups do with a trial.
    """

    def __init__(self, config: WorkersConfig, storage: Path, run: Attempting = attempt) -> None:
        self._config = config
        self._storage = storage
        self._run = run
        self.namespace = ray.get_runtime_context().namespace
        self.dispatcher_name = f"raysearch-dispatcher-{uuid.uuid4().hex[:8]}"
        self._dispatcher: Any = None
        self._hosts: list[threading.Thread] = []

    def start(self) -> None:
        """Starts the dispatcher and the groups."""
        names = [f"group-{index}" for index in range(self._config.groups)]
        environment = {key: os.environ[key] for key in _PASSED_ON if key in os.environ}
        environment.setdefault("TOKENIZERS_PARALLELISM", "false")
        self._dispatcher = (
            ray.remote(Dispatcher).options(name=self.dispatcher_name, num_cpus=0, max_concurrency=1000).remote(names)
        )
        for name in names:
            plan = GroupPlan(
                name, self.dispatcher_name, self.namespace, self._config, self._storage, environment, self._run
            )
            thread = threading.Thread(target=host, args=(plan,), name=f"raysearch-{name}", daemon=True)
            thread.start()
            self._hosts.append(thread)

    def run(self, work: Work) -> Result | None:
        """Runs one trial and waits for it."""
        ray.get(self._dispatcher.submit.remote(work))
        return self.collect(work.number)

    def alive(self) -> bool:
        """Whether the dispatcher answers; without it nothing can go on."""
        try:
            ray.get(self._dispatcher.stopping.remote(), timeout=_ANSWER_S)
        except (ray.exceptions.RayError, TimeoutError):
            return False
        return True

    def collect(self, number: int) -> Result | None:
        """The result of a trial's finished leg, once; None where there is none, or Ray lost the dispatcher."""
        try:
            result: Result | None = ray.get(self._dispatcher.collect.remote(number))
        except ray.exceptions.RayError:
            return None
        return result

    def snapshot(self) -> dict[str, GroupState]:
        """What each group is doing."""
        states: dict[str, GroupState] = ray.get(self._dispatcher.snapshot.remote())
        return states

    def stop(self, timeout_s: float = 30.0) -> None:
        """Lets the groups end by themselves; what has not ended in time dies with Ray."""
        if self._dispatcher is None:
            return
        with contextlib.suppress(ray.exceptions.RayError):
            ray.get(self._dispatcher.stop.remote())
            deadline = time.monotonic() + timeout_s
            for thread in self._hosts:
                thread.join(max(0.0, deadline - time.monotonic()))
            ray.kill(self._dispatcher)
        self._dispatcher = None
