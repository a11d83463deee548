"""What benchmarks of the driver put in the place of training: made-up results, sleeping groups, clocks and scales."""

from __future__ import annotations

import asyncio
import pickle
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import psutil
from ray import cloudpickle

from raysearch.config.load import Study
from raysearch.config.metric_names import METRICS
from raysearch.ledger.record import TrialRecord
from raysearch.ledger.run_folder import RunFolder
from raysearch.metrics.groups import CountCube
from raysearch.metrics.measurement import Measurement
from raysearch.pipeline.attempt import Attempt
from raysearch.pipeline.trial import Outcome
from raysearch.workers.pool import WorkerPool

cloudpickle.register_pickle_by_value(sys.modules[__name__])  # Ray's processes need not find this folder


def made_up_attempt() -> Attempt:
    """A whole result, of the size of a real one."""
    cube = CountCube(("female", "male"), np.full((2, 2, 2), 20))
    metrics = {name: Measurement(0.5, 0.4, 0.6, 160) for name in METRICS}
    curve = [{"step": step + 1.0, "loss": 1.0, "lr": 0.01, "grad_norm": 1.0} for step in range(18)]
    facts: dict[str, Any] = {"majority_rate": 0.5}
    return Attempt(Outcome(metrics, {}, cube, curve, facts, costs_s={"total": 1.0}))


class Sleepers:
    """Some of a study's groups, in one process; each sleeps for a trial."""

    def __init__(self, dispatcher: str, namespace: str, names: list[str], sleep_s: float, result: bytes) -> None:
        import ray

        self._dispatcher = ray.get_actor(dispatcher, namespace=namespace)
        self._names, self._sleep_s, self._result = names, sleep_s, result

    async def run(self) -> None:
        await asyncio.gather(*(self._slot(name) for name in self._names))

    async def _slot(self, name: str) -> None:
        epoch = await self._dispatcher.join.remote(name)
        while not await self._dispatcher.stopping.remote():
            work = await self._dispatcher.take.remote(name, epoch, 5.0)
            if work is not None:
                await asyncio.sleep(self._sleep_s)
                await self._dispatcher.finish.remote(name, epoch, work.number, self._result, True)


class SleepingPool(WorkerPool):
    """The study's pool with sleepers, spread over Ray's nodes, in place of Ray Train's groups."""

    sleep_s = 1.0

    def start(self) -> None:
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy as OnNode

        from raysearch.workers.dispatcher import Dispatcher

        names = [f"group-{index}" for index in range(self._config.groups)]
        self.dispatcher_name = f"sleep-{uuid.uuid4().hex[:8]}"
        options = {"name": self.dispatcher_name, "num_cpus": 0, "max_concurrency": 1000}
        self._dispatcher = ray.remote(Dispatcher).options(**options).remote(names)
        result = pickle.dumps(made_up_attempt())
        nodes = [node["NodeID"] for node in ray.nodes() if node["Alive"]]
        self._sleepers = []
        for index, node in enumerate(nodes[: len(names)]):
            share = names[index :: len(nodes)]
            sleepers = ray.remote(Sleepers).options(num_cpus=0, scheduling_strategy=OnNode(node, soft=False))
            self._sleepers.append(sleepers.remote(self.dispatcher_name, self.namespace, share, self.sleep_s, result))
        for sleepers in self._sleepers:
            sleepers.run.remote()


class Clock:
    """Notes when each trial was recorded, and how much processor time the driver had had by then."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.cpu_s: list[float] = []

    def say(self, text: str) -> None: ...

    def started(self, run: RunFolder, study: Study, total: int, done: int) -> None: ...

    def working(self, groups: dict[str, Any]) -> None: ...

    def reached(self, trial: int, fidelity: int) -> None: ...

    def finished(self, record: TrialRecord) -> None:
        self.times.append(time.monotonic())
        self.cpu_s.append(time.process_time())
        if len(self.times) % 500 == 0:
            tell(f"{len(self.times)} trials recorded")


def tell(words: str) -> None:
    """A line on the screen, past whatever holds back Ray's chatter."""
    print(words, file=sys.__stderr__, flush=True)


class Scales:
    """Weighs this process and those it started, by what they are: the most that was seen, in GiB of PSS."""

    def __init__(self) -> None:
        self.peak_gib: dict[str, float] = {}

    def weigh(self) -> None:
        """Looks once."""
        own = psutil.Process()
        seen = {"driver": _gib(own), "workers": 0.0, "tune_actors": 0.0, "rest_of_ray": 0.0}
        for child in own.children(recursive=True):
            try:
                title = " ".join(child.cmdline())
                kind = "workers" if "RayTrainWorker" in title else "rest_of_ray"
                seen["tune_actors" if "ResourceTrainable" in title else kind] += _gib(child)
            except psutil.Error:
                continue
        for kind, gib in seen.items():
            self.peak_gib[kind] = round(max(self.peak_gib.get(kind, 0.0), gib), 2)

    @contextmanager
    def watching(self, every_s: float) -> Iterator[None]:
        """Looks again and again, from a thread."""
        end = threading.Event()

        def look() -> None:
            while not end.wait(every_s):
                self.weigh()

        thread = threading.Thread(target=look, daemon=True)
        thread.start()
        try:
            yield
        finally:
            end.set()
            thread.join()


def _gib(process: psutil.Process) -> float:
    """Proportional: memory that processes share counts once. Where the system does not say, all that is resident."""
    found = process.memory_full_info()
    return float(getattr(found, "pss", found.rss)) / 2**30
