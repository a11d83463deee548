"""Who hears how a study goes, and the error that ends one."""

from __future__ import annotations

from typing import Any, Protocol

from raysearch.config.load import Study
from raysearch.errors import RaysearchError
from raysearch.ledger.record import TrialRecord
from raysearch.ledger.run_folder import RunFolder


class Listener(Protocol):
    """Hears how a study goes: the live screen, or nobody."""

    def say(self, text: str) -> None:
        """A line for the user."""

    def started(self, run: RunFolder, study: Study, total: int, done: int) -> None:
        """Workers are coming up; ``total`` trials, anchors included, of which ``done`` are recorded already."""

    def working(self, groups: dict[str, Any]) -> None:
        """What each worker group does now (``workers.dispatcher.GroupState`` by name); called twice a second."""

    def reached(self, trial: int, fidelity: int) -> None:
        """A trial's result at a rung is in the ledger."""

    def finished(self, record: TrialRecord) -> None:
        """A trial is in the ledger."""


class StudyError(RaysearchError):
    """A study could not go on; what it had finished is in the ledger."""
