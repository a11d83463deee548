"""Trials of earlier runs that a search begins with: they inform the sampler, and never enter the front."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from raysearch.config.load import Study
from raysearch.config.schema import TrialConfig
from raysearch.errors import ConfigError, UserError
from raysearch.ledger.record import TrialRecord
from raysearch.ledger.run_folder import RunFolder
from raysearch.pipeline.definitions import definitions_of
from raysearch.search import constraints


class WarmTrial(BaseModel):
    """A trial of an earlier run as this study's sampler sees it.

    Attributes:
        origin: ``RUN#7``.
        params: this study's parameters.
        values: this study's objectives.
        constraints: this study's constraints, relative to the earlier run's baseline.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    origin: str
    params: dict[str, Any]
    values: tuple[float, ...]
    constraints: dict[str, float]


def gather(study: Study, runs: Iterable[Path], say: Callable[[str], None]) -> list[WarmTrial]:
    """Takes the complete trials of earlier runs that this study could have had: same problem, possible parameters.

    Raises:
        RunFolderError: not a run.
        UserError: a run of which no trial fits; nothing is taken in silence.
    """
    found: list[WarmTrial] = []
    for path in runs:
        run = RunFolder.open(path)
        records = [r for r in run.ledger if r.kind == "search" and r.state == "complete"]
        baseline = next((r for r in run.ledger if r.kind == "anchor" and r.stage == "baseline"), None)
        taken = [trial for record in records if (trial := _fit(study, record, baseline, run.path.name)) is not None]
        if not taken:
            raise UserError(
                f"--warm-start {path}: none of its {len(records)} complete sampled trials fits this study. A trial "
                "fits when its whole configuration, seed apart, is one that this study's space can give."
            )
        say(f"warm start: {len(taken)} of {len(records)} complete trials of {path} fit this study")
        found += taken
    return found


def _fit(study: Study, record: TrialRecord, baseline: TrialRecord | None, run: str) -> WarmTrial | None:
    try:
        config = study.trial(record.params)
    except ConfigError:
        return None
    theirs = TrialConfig.model_validate(record.config)
    same_problem = config.model_copy(update={"seed": theirs.seed}) == theirs
    same_definitions = all(record.definitions.get(name) == version for name, version in definitions_of(config).items())
    wanted = study.config.objectives
    needed = {*wanted, *(constraint.metric for constraint in study.config.constraints)}
    if not same_problem or not same_definitions or any(name not in record.metrics for name in needed):
        return None
    values = {name: estimate.value for name, estimate in record.metrics.items()}
    reference = None if baseline is None else {name: e.value for name, e in baseline.metrics.items()}
    if reference is None and any(c.relative_to == "baseline" for c in study.config.constraints):
        return None
    return WarmTrial(
        origin=f"{run}#{record.trial}",
        params=record.params,
        values=tuple(values[name] for name in wanted),
        constraints=constraints.violations(
            study.config.constraints, values, record.facts.get("majority_rate", 0.0), reference or values
        ),
    )


def keep(run: RunFolder, trials: list[WarmTrial]) -> None:
    """Writes them into the run folder, which needs nothing outside itself to be resumed."""
    if trials:
        part = run.path / ".warm_start.part"
        part.write_text("".join(trial.model_dump_json() + "\n" for trial in trials), encoding="utf-8")
        part.rename(run.warm_start)


def kept(run: RunFolder) -> list[WarmTrial]:
    """What ``keep`` wrote."""
    if not run.warm_start.is_file():
        return []
    lines = run.warm_start.read_text(encoding="utf-8").splitlines()
    return [WarmTrial.model_validate_json(line) for line in lines]
