"""Runs recorded trials again, and trials alone, in this process: no Ray, breakpoints work, the workers' own code."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from raysearch.config.schema import CdaDuplicate, CdaNone, TrialConfig, UnlearningConfig
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


def run_here(config: TrialConfig, observer: Observer | None = None, threads: int | None = None) -> Outcome:
    """Runs one trial in this process and lets every error through.

    Args:
        config: the trial.
        observer: sees each stage.
        threads: of torch; None leaves its default.
    """
    if threads is not None:
        torch.set_num_threads(threads)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return run_trial(config, Runtime(device=device, observer=observer or Silent()))


@dataclass(frozen=True)
class Difference:
    """A metric as recorded and as measured again."""

    metric: str
    recorded: float
    again: float

    @property
    def same(self) -> bool:
        """Equal bit for bit."""
        return self.recorded == self.again


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
        """All metrics equal bit for bit."""
        return all(difference.same for difference in self.differences)


def replay(run: RunFolder, trial: int, observer: Observer | None = None) -> Replay:
    """Runs a recorded trial again, with its number of threads, and compares every metric.

    Raises:
        RunFolderError: no such trial.
        TrialError: the trial fails (as a failed one should).
    """
    from raysearch.pipeline.attempt import execution, versions

    record = run.ledger.get(trial)
    outcome = run_here(TrialConfig.model_validate(record.config), observer, record.execution.get("threads"))
    differences = tuple(
        Difference(name, estimate.value, outcome.metrics[name].value) for name, estimate in record.metrics.items()
    )
    here = {**versions(), **{key: str(value) for key, value in execution(Runtime()).items()}}
    then = {**record.versions, **{key: str(value) for key, value in record.execution.items()}}
    changed = [
        f"{key} was {then[key]}, is {here[key]}"
        for key in (*record.versions, "workers", "threads", "device", "machine")
        if key in then and then[key] != here.get(key)
    ]
    return Replay(record, differences, tuple(changed))
