"""Runs recorded trials again, and trials alone, in this process: no Ray, breakpoints work, the workers' own code."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from raysearch.config.schema import CdaDuplicate, CdaNone, TrialConfig
from raysearch.config.unlearning import UnlearningConfig
from raysearch.errors import TrialError
from raysearch.ledger.record import TrialRecord
from raysearch.ledger.run_folder import RunFolder
from raysearch.pipeline.runtime import Observer, Runtime, Silent
from raysearch.pipeline.trial import Outcome, run_trial

STAGES = ("baseline", "cda", "unlearning", "combined")


def at_stage(config: TrialConfig, stage: str) -> TrialConfig:
    """The configuration with its mitigations switched as a stage asks; what must be on and is off gets defaults."""
    cda = config.cda if stage in ("cda", "combined") else CdaNone()
    if stage in ("cda", "combined") and cda.mode == "none":
        cda = CdaDuplicate(mode="duplicate")
    unlearning = (config.unlearning or UnlearningConfig()) if stage in ("unlearning", "combined") else None
    return config.model_copy(update={"cda": cda, "unlearning": unlearning})


def run_here(
    config: TrialConfig, observer: Observer | None = None, threads: int | None = None, device: str | None = None
) -> Outcome:
    """Runs one trial in this process and lets every error through.

    Args:
        config: the trial.
        observer: sees each stage.
        threads: of torch; None leaves its default.
        device: ``cpu`` or ``cuda``; None takes a GPU where there is one.
    """
    if threads is not None:
        torch.set_num_threads(threads)
    chosen = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    return run_trial(config, Runtime(device=chosen, observer=observer or Silent()))


@dataclass(frozen=True)
class Difference:
    """A metric as recorded and as measured again."""

    metric: str
    recorded: float
    again: float
    tolerance: float = 0.0

    @property
    def same(self) -> bool:
        """Equal bit for bit; within the tolerance where something is not as it was."""
        return abs(self.recorded - self.again) <= self.tolerance


@dataclass(frozen=True)
class Replay:
    """A recorded trial run again.

    Attributes:
        record: what the ledger holds.
        differences: one a metric.
        changed: versions, processes, threads or machine type that are not as recorded, in words. Where there are
            none, every metric should be the same bit for bit.
    """

    record: TrialRecord
    differences: tuple[Difference, ...]
    changed: tuple[str, ...]

    @property
    def same(self) -> bool:
        """All metrics are the same; of a failed trial, it failed again."""
        return all(difference.same for difference in self.differences)


TOLERANCE = 0.02
"""Where processes, threads, device or versions differ, sums are added in another order: a decision near its threshold
may flip. Two of 160 rows are 0.0125."""


def replay(run: RunFolder, trial: int, observer: Observer | None = None) -> Replay:
    """Runs a recorded trial again, with its threads and on its kind of device, and compares every metric.

    Raises:
        RunFolderError: no such trial, or one that has no metrics to compare and does not fail.
        TrialError: the trial fails (as a failed one should).
    """
    from raysearch.pipeline.attempt import execution, versions

    record = run.ledger.get(trial)
    device = None if "device" not in record.execution else "cpu" if record.execution["device"] == "cpu" else "cuda"
    if device == "cuda" and not torch.cuda.is_available():
        device = "cpu"
    outcome = run_here(TrialConfig.model_validate(record.config), observer, record.execution.get("threads"), device)
    if not record.metrics:
        raise TrialError(f"trial {trial} was recorded as failed ({record.reason}), and does not fail here")
    here = {**versions(), **{key: str(value) for key, value in execution(Runtime()).items()}}
    then = {**record.versions, **{key: str(value) for key, value in record.execution.items()}}
    changed = [
        f"{key} was {then[key]}, is {here[key]}"
        for key in (*record.versions, "workers", "threads", "device", "machine")
        if key in then and then[key] != here.get(key)
    ]
    if record.state == "stopped":
        changed.append(f"the trial was stopped at fidelity {record.fidelity}, and ran to its full fidelity here")
    tolerance = TOLERANCE if changed else 0.0
    differences = tuple(
        Difference(name, estimate.value, outcome.metrics[name].value, tolerance)
        for name, estimate in record.metrics.items()
    )
    return Replay(record, differences, tuple(changed))
