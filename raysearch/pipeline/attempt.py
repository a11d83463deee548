"""A trial with its outcome or the reason why there is none: what workers and the debugging run both call."""

from __future__ import annotations

import gc
import os
import platform
import resource
import time
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any

import torch

from raysearch import __version__
from raysearch.config.schema import TrialConfig
from raysearch.errors import DataError, FailureReason, TrialError
from raysearch.pipeline.leg import WHOLE, Leg
from raysearch.pipeline.runtime import Runtime
from raysearch.pipeline.trial import Outcome, explain, run_trial

_LIBRARIES = ("torch", "transformers", "peft", "numpy", "scikit-learn", "pandas", "ray", "optuna")


@dataclass(frozen=True)
class Attempt:
    """One run of a trial.

    Attributes:
        outcome: what was measured; None when it failed.
        reason: why it failed.
        detail: the error's own words.
        execution: processes, threads, device, host, process, memory.
        versions: of what decides numbers.
        costs_s: seconds by stage of an attempt that failed; an outcome has its own.
        spoiled: the error was not one that every process of a group meets alike, so the group must start anew.
    """

    outcome: Outcome | None
    reason: FailureReason | None = None
    detail: str | None = None
    execution: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    spoiled: bool = False
    costs_s: dict[str, float] = field(default_factory=dict)

    @property
    def final(self) -> bool:
        """The trial is at its end: full fidelity, gated, or failed."""
        return self.outcome is None or self.outcome.final


def attempt(config: TrialConfig, runtime: Runtime, leg: Leg = WHOLE) -> Attempt:
    """Runs a leg of a trial and turns any error into its reason. Interrupts and exits pass through."""
    start = time.perf_counter()
    runtime.cache.counts.clear()
    try:
        outcome, reason, detail, spoiled = run_trial(config, runtime, leg), None, None, False
    except Exception as error:
        outcome, (reason, detail) = None, explain(error)
        spoiled = not isinstance(error, TrialError | DataError)
        if spoiled:
            runtime.reset()
    costs = {"total": time.perf_counter() - start} if outcome is None else {}
    _release(runtime)
    return Attempt(outcome, reason, detail, execution(runtime), versions(), spoiled, costs)


def _release(runtime: Runtime) -> None:
    """Gives a trial's memory back now: objects that refer to each other stay until Python happens to look for them."""
    gc.collect()
    if runtime.device.type == "cuda":
        torch.cuda.empty_cache()  # other groups may share the device


def execution(runtime: Runtime) -> dict[str, Any]:
    """Where and how: a replay that wants the same bits needs the same number of processes and threads."""
    return {
        "stage_cache": dict(runtime.cache.counts),
        "workers": runtime.communicator.size,
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name(runtime.device) if runtime.device.type == "cuda" else runtime.device.type,
        "host": platform.node(),
        "machine": platform.machine(),
        "process": os.getpid(),
        "peak_memory_gib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
    }


def versions() -> dict[str, str]:
    """raysearch, Python, and the libraries that decide numbers."""
    found = {"raysearch": __version__, "python": platform.python_version()}
    for library in _LIBRARIES:
        try:
            found[library] = metadata.version(library)
        except metadata.PackageNotFoundError:
            continue
    return found
