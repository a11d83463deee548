"""What the driver costs: sleeping trials through Ray Tune, searcher, ledger and Optuna, against the ideal time.

    python benchmarks/driver_cost.py --trials 2000 --slots 16

The worker groups are replaced by coroutines that take work from the real dispatcher, sleep a second, and hand back a
whole result; all else is the study's own code. The ideal time is trials / slots seconds. The last line is a JSON
object: overhead over the ideal time, of the middle of the run (start and end of Ray apart), with the quartiles of its
stretches.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import pickle
import platform
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from raysearch.config.load import Study, load_study
from raysearch.config.metric_names import METRICS
from raysearch.ledger.record import TrialRecord
from raysearch.ledger.run_folder import RunFolder
from raysearch.metrics.groups import CountCube
from raysearch.metrics.measurement import Measurement
from raysearch.pipeline.attempt import Attempt
from raysearch.pipeline.trial import Outcome
from raysearch.workers.pool import WorkerPool


def made_up_attempt() -> bytes:
    """A whole result, of the size of a real one."""
    cube = CountCube(("female", "male"), np.full((2, 2, 2), 20))
    metrics = {name: Measurement(0.5, 0.4, 0.6, 160) for name in METRICS}
    curve = [{"step": step + 1.0, "loss": 1.0, "lr": 0.01, "grad_norm": 1.0} for step in range(18)]
    facts: dict[str, Any] = {"majority_rate": 0.5}
    return pickle.dumps(Attempt(Outcome(metrics, {}, cube, curve, facts, costs_s={"total": 1.0})))


class Sleepers:
    """As many slots as a study has groups; each sleeps for a trial."""

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
    """The study's pool with sleepers in place of Ray Train's groups."""

    sleep_s = 1.0

    def start(self) -> None:
        import ray

        from raysearch.workers.dispatcher import Dispatcher

        names = [f"group-{index}" for index in range(self._config.groups)]
        self.dispatcher_name = f"sleep-{uuid.uuid4().hex[:8]}"
        options = {"name": self.dispatcher_name, "num_cpus": 0, "max_concurrency": 1000}
        self._dispatcher = ray.remote(Dispatcher).options(**options).remote(names)
        sleepers = ray.remote(Sleepers).options(num_cpus=0)
        self._sleepers = sleepers.remote(self.dispatcher_name, self.namespace, names, self.sleep_s, made_up_attempt())
        self._sleepers.run.remote()


class Clock:
    """Notes when each trial was recorded."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def say(self, text: str) -> None: ...

    def started(self, run: RunFolder, study: Study, total: int, done: int) -> None: ...

    def working(self, groups: dict[str, Any]) -> None: ...

    def reached(self, trial: int, fidelity: int) -> None: ...

    def finished(self, record: TrialRecord) -> None:
        self.times.append(time.monotonic())
        if len(self.times) % 200 == 0:
            print(f"{len(self.times)} trials recorded", file=sys.__stderr__, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=2000)
    parser.add_argument("--slots", type=int, default=16)
    parser.add_argument("--queued", type=int, default=4, help="trials proposed ahead of a free slot")
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent / "results")
    arguments = parser.parse_args()
    from raysearch.study.run import search
    from raysearch.study.session import chatter_to

    changes = [f"search.trials={arguments.trials}", f"workers.groups={arguments.slots}", "search.gate=false"]
    changes.append(f"workers.queued={arguments.queued}")
    study = load_study("demo", [*changes, "search.sampler={name: random}"])
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        run = RunFolder.create(Path(folder) / "run", study.text, {"study": "sleep", "overrides": list(study.overrides)})
        started = time.monotonic()
        with chatter_to(run.logs / "ray.log"):
            search(study, run, arguments.trials, clock, None, SleepingPool)
        whole = time.monotonic() - started
        recorded = sum(1 for _ in run.ledger)
    times = np.asarray(clock.times)
    skip = 2 * arguments.slots  # the start fills the slots one after another
    middle = times[skip : -arguments.slots]
    ideal = SleepingPool.sleep_s / arguments.slots
    overhead = (middle[-1] - middle[0]) / (len(middle) - 1) / ideal - 1
    stretches = [part for part in np.array_split(middle, 10) if len(part) > 1]
    parts = [(part[-1] - part[0]) / (len(part) - 1) / ideal - 1 for part in stretches]
    low, high = np.quantile(parts, [0.25, 0.75])
    machine = f"{platform.machine()}, {platform.system()}, Python {platform.python_version()}"
    facts = {
        "machine": machine,
        "trials": arguments.trials,
        "slots": arguments.slots,
        "queued": arguments.queued,
        "recorded": recorded,
        "whole_s": round(whole, 1),
        "ideal_s": arguments.trials * ideal,
    }
    line = {"ratio": round(float(overhead), 4), "low": round(float(low), 4), "high": round(float(high), 4)}
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "driver-cost.json").write_text(json.dumps({**facts, **line}, indent=1) + "\n")
    print(f"{recorded} trials in {whole:.1f} s, Ray's start and end included; ideal {facts['ideal_s']:.1f} s")
    print(json.dumps(line))
    return 0


if __name__ == "__main__":
    sys.exit(main())
