"""Which trial Ray Tune starts next: the first that was asked for, found among those that live.

Tune's own scheduler looks through all trials of the study for it, at every event; a trial then costs the driver the
more, the more came before it.
"""

from __future__ import annotations

from itertools import count
from typing import Any

from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler


class InTurn(FIFOScheduler):
    """First come, first served, at a cost that follows the trials that are out, not those that are done."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._numbers = count()
        self._place: dict[str, int] = {}

    def on_trial_add(self, tune_controller: Any, trial: Trial) -> None:
        """Gives the trial its place."""
        self._place[trial.trial_id] = next(self._numbers)

    def choose_trial_to_run(self, tune_controller: Any) -> Trial | None:
        """The pending trial with the first place, else the paused one; None where there is neither."""
        live: list[Trial] = list(tune_controller.get_live_trials())
        for state in (Trial.PENDING, Trial.PAUSED):
            waiting = [trial for trial in live if trial.status == state]
            if waiting:
                first: Trial = min(waiting, key=lambda trial: self._place[trial.trial_id])
                return first
        return None

    def on_trial_complete(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> None:
        """Its place is nobody's."""
        self._place.pop(trial.trial_id, None)

    def on_trial_error(self, tune_controller: Any, trial: Trial) -> None:
        """Its place is nobody's."""
        self._place.pop(trial.trial_id, None)

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: the ledger is the truth, Tune's snapshot is never read."""
        return {}

    def save(self, checkpoint_path: str) -> None:
        """Nothing; see ``__getstate__``."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing; see ``__getstate__``."""
