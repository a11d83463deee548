"""What a run holds, as JSON for programs; for people it is the screen (``screen.py``)."""

from __future__ import annotations

from typing import Any

from raysearch.ledger.run_folder import RunFolder
from raysearch.report.screen import View
from raysearch.report.sight import Sight


def summarize(run: RunFolder) -> dict[str, Any]:
    """Counts, costs and standing of a run, from the files in its folder.

    Raises:
        RunFolderError: a record cannot be read.
    """
    sight = Sight(run)
    view = sight.look()
    study, tally = run.study(), view.tally
    asked = run.asked_trials(study)
    seconds = tally.seconds_left(view.left)
    return {
        "run": str(run.path),
        "study": study.config.name,
        "running": view.working,
        "done": sight.done,
        "standing": view.standing,
        "trials": view.total,
        "trials_asked": asked,
        "explore": asked - round(study.config.search.replicates.share * asked),
        "recorded": tally.recorded,
        "left": 0 if sight.done else view.left,
        "anchors": tally.anchors,
        "replicates": tally.replicates,
        "complete": tally.complete,
        "feasible": tally.feasible,
        "stopped": tally.stopped,
        "gated": tally.gated,
        "failed": tally.failed,
        "unfinished": run.ledger.unfinished(),
        "confirmed": run.confirmed(),
        "texts_cut": tally.texts_cut,
        "best_feasible": {name: best.value for name, best in tally.best.items()},
        "best_feasible_trial": {name: best.trial for name, best in tally.best.items()},
        "hypervolume": tally.hypervolume,
        "reference_point": dict(zip(study.config.objectives, study.config.corner, strict=True)),
        "trials_per_hour": tally.trials_per_hour,
        "seconds_left": 0.0 if sight.done else seconds,
        "seconds_by_stage": {name: round(seconds, 1) for name, seconds in tally.costs_s.items()},
        "groups": {name: state.model_dump() for name, state in view.groups.items()},
    }


def overview(run: RunFolder) -> View:
    """What ``raysearch status`` shows to people.

    Raises:
        RunFolderError: a record cannot be read.
    """
    return Sight(run).look(notes=True)
