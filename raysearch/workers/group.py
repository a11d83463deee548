"""A Ray Train worker group that lives as long as the study: the model is loaded once, trial after trial runs on it.

Rank 0 takes work from the dispatcher and broadcasts it; all ranks run the trial; rank 0 hands the result back. A
trainer nested in each trial, the documented pattern, costs many seconds before any work (docs/design).
"""

from __future__ import annotations

import contextlib
import faulthandler
import logging
import pickle
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
import torch
from ray import cloudpickle
from ray.train import FailureConfig, RunConfig, ScalingConfig
from ray.train.torch import TorchConfig, TorchTrainer, get_device

from raysearch.config.schema import TrialConfig, WorkersConfig
from raysearch.pipeline.attempt import Attempt, attempt
from raysearch.pipeline.communicator import Alone, ProcessGroup
from raysearch.pipeline.leg import Leg
from raysearch.pipeline.runtime import Runtime
from raysearch.pipeline.stage_cache import StageCache
from raysearch.workers.dispatcher import Work

_IDLE_S = 20.0
"""An idle rank 0 speaks to its peers this often: a broadcast that waits for long looks like a lost peer to gloo."""
_PROGRESS_EVERY_S = 0.5

Attempting = Callable[[TrialConfig, Runtime, Leg], Attempt]


@dataclass(frozen=True)
class GroupPlan:
    """What a group needs to know.

    Attributes:
        name: of the group.
        dispatcher: name of the dispatcher's actor, in ``namespace``.
        namespace: Ray namespace of the study.
        workers: processes and resources.
        storage: folder for Ray Train's own files.
        environment: variables for every worker process.
        run: what the processes do with a leg; benchmarks and tests put something else in its place.
    """

    name: str
    dispatcher: str
    namespace: str
    workers: WorkersConfig
    storage: Path
    environment: dict[str, str]
    run: Attempting = attempt


def host(plan: GroupPlan) -> None:
    """Holds a group to its end: ``fit`` lasts as long as its processes. Tells the dispatcher when it is gone for good.

    Where each trial has processes of its own, ``fit`` lasts as long as a trial and is called again; what that costs in
    ``max_restarts`` is nothing, as Ray Train counts failures of one ``fit``.
    """
    dispatcher = ray.get_actor(plan.dispatcher, namespace=plan.namespace)
    timed_out = life = 0
    while True:
        life += 1
        try:
            trainer(plan, life).fit()
            if plan.workers.fresh_group_per_trial and not ray.get(dispatcher.stopping.remote()):
                continue
            why = "it ended"
        except Exception as error:
            logging.getLogger(__name__).exception("group %s", plan.name)
            why = f"worker group {plan.name} failed: {' '.join(str(error).split())[:500]}"
            with contextlib.suppress(ray.exceptions.RayError):
                count: Any = ray.get(dispatcher.time_outs.remote(plan.name))
                if count > timed_out:  # the trials' doing, not the group's: its restarts count anew
                    timed_out = count
                    continue
        break
    with contextlib.suppress(ray.exceptions.RayError):  # the study may have ended meanwhile
        ray.get(dispatcher.leave.remote(plan.name, why))


def trainer(plan: GroupPlan, life: int = 1) -> TorchTrainer:
    """The Ray Train trainer of a group; ``life`` counts those that the group has had."""
    # Sealed: Ray Train's controller gets the settings, too, and would import all that they name, for seconds.
    sealed: bytes = cloudpickle.dumps(plan)  # type: ignore[no-untyped-call]
    return TorchTrainer(
        work_loop,
        train_loop_config={"plan": sealed},
        torch_config=TorchConfig(backend="nccl" if plan.workers.gpus_per_worker > 0 else "gloo"),
        scaling_config=scaling(plan.workers),
        run_config=RunConfig(
            name=f"{plan.name}-{life}",
            storage_path=str(plan.storage),
            failure_config=FailureConfig(max_failures=plan.workers.max_restarts),
            worker_runtime_env={"env_vars": plan.environment},  # type: ignore[call-arg]  # its types are the old API's
        ),
    )


def scaling(workers: WorkersConfig) -> ScalingConfig:
    """How many processes a group has, and where Ray may place them."""
    gpu = workers.gpus_per_worker > 0
    per_worker: dict[str, float] = {"CPU": workers.cpus_per_worker, **workers.resources}
    if gpu:
        per_worker["GPU"] = workers.gpus_per_worker
    return ScalingConfig(
        num_workers=workers.workers_per_group,
        use_gpu=gpu,
        resources_per_worker=per_worker,
        accelerator_type=workers.accelerator_type,
        label_selector=workers.label_selector or None,  # type: ignore[call-arg]  # its types are the old API's
    )


class _Reporter:
    """Tells the dispatcher what rank 0 is doing, without waiting and not too often."""

    def __init__(self, dispatcher: Any, group: str, epoch: int) -> None:
        self._dispatcher, self._group, self._epoch = dispatcher, group, epoch
        self._stage, self._last = "", 0.0
        self._answer: Any = None
        self._leaving = False

    def stage(self, name: str) -> None:
        self._stage, self._last = name, 0.0
        self.progress(0, 0, {})

    def progress(self, done: int, total: int, values: dict[str, float]) -> None:
        if time.monotonic() - self._last >= _PROGRESS_EVERY_S or done == total:
            self._last = time.monotonic()
            self._look()
            self._answer = self._dispatcher.progress.remote(self._group, self._epoch, self._stage, done, total, values)

    def show(self, title: str, value: Any) -> None: ...

    def leaving(self) -> bool:
        self._look()
        return self._leaving

    def _look(self) -> None:
        if self._answer is not None and ray.wait([self._answer], timeout=0)[0]:
            answer, self._answer = self._answer, None
            with contextlib.suppress(ray.exceptions.RayError):  # the dispatcher is gone: the group will be, too
                self._leaving = ray.get(answer)


@contextlib.contextmanager
def _time_limit(timeout_s: float | None) -> Iterator[None]:
    """Ends this process when the block takes too long, even inside a library's C code; its group then starts anew."""
    if timeout_s is None:
        yield
        return
    faulthandler.dump_traceback_later(timeout_s, exit=True, file=2)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


def work_loop(config: dict[str, Any]) -> None:
    """Runs on every worker of a group until the dispatcher stops, or, with fresh groups, for one trial.

    Raises:
        RuntimeError: a trial met an error that its peers may not have met; Ray Train then restarts the group.
    """
    plan: GroupPlan = pickle.loads(config["plan"])
    torch.set_num_threads(plan.workers.cpus_per_worker)
    device = get_device()
    if device.type == "cuda":
        torch.cuda.set_device(device)  # NCCL's collectives on objects use the current device
    group = ProcessGroup(device) if plan.workers.workers_per_group > 1 else Alone()
    dispatcher: Any = ray.get_actor(plan.dispatcher, namespace=plan.namespace)
    rank0 = group.rank == 0
    epoch: int = group.broadcast(ray.get(dispatcher.join.remote(plan.name)) if rank0 else 0)
    cache = StageCache.of(plan.workers.stage_cache)
    runtime = Runtime(device=device, communicator=group, cache=cache)
    if rank0:
        runtime.observer = _Reporter(dispatcher, plan.name, epoch)
    while True:
        work: Work | None = None
        stopping = False
        if rank0:
            work = ray.get(dispatcher.take.remote(plan.name, epoch, _IDLE_S))
            stopping = work is None and ray.get(dispatcher.stopping.remote())
        word: tuple[Work | None, bool] = group.broadcast((work, stopping))
        work, stopping = word
        if stopping:
            return
        if work is None:
            continue
        with _time_limit(work.leg.timeout_s):
            done = plan.run(TrialConfig.model_validate(work.config), runtime, work.leg)
        if rank0 or done.spoiled:
            ray.get(dispatcher.finish.remote(plan.name, epoch, work.number, pickle.dumps(done), done.final))
        if done.spoiled and group.size > 1:
            raise RuntimeError(f"trial {work.number}: {done.detail}")
        if plan.workers.fresh_group_per_trial:
            return
