"""The exception tree. A user's mistake never shows a traceback; the command line prints its message and exits 2.

RaysearchError
+-- UserError                 exit code 2: place, rule, what came, remedy
|   +-- ConfigError           a YAML file or ``--set``; carries every problem found, not only the first
|   +-- AssetError            a model, table or archive that is missing, corrupt or refused
|   +-- DataError             a table that cannot serve: empty, a column missing, a group too small
|   +-- RunFolderError        a run folder that is missing, unwritable, locked or of a newer version
+-- TrialError                a trial failed; ``reason`` is one of ``FailureReason``
    +-- NonFiniteLossError
    +-- CollapsedError        unlearning took away the answers
    +-- InvertedError         unlearning turned the bias round
    +-- UndefinedRateError    a rate whose denominator is zero or a group below the least size
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class FailureReason(StrEnum):
    """Why a trial has no complete objective vector. Each value is a sentence that a report can show."""

    NON_FINITE_LOSS = "the unlearning loss stopped being a finite number"
    COLLAPSED = "unlearning made the model stop answering"
    INVERTED = "unlearning turned the bias round"
    NON_FINITE_OBJECTIVE = "an objective or a constrained metric is not a finite number"
    MISSING_OBJECTIVE = "an objective that the study asks for was not measured"
    UNDEFINED_RATE = "a group is too small, or has no positives or negatives, to measure a rate"
    OUT_OF_MEMORY = "the device or the machine ran out of memory"
    TIMED_OUT = "the trial took longer than workers.trial_timeout_s"
    LOST_WORKER = "the worker group that ran the trial was lost"
    NO_WORKERS = "no worker group is left"
    BAD_DATA = "the data cannot serve this configuration"
    EXCEPTION = "the trial raised an unexpected error"
    STOPPED = "the study was stopped before the trial finished"


OF_THE_TRIAL = frozenset({FailureReason.NON_FINITE_LOSS, FailureReason.COLLAPSED, FailureReason.INVERTED})
"""What a trial's own settings brought about: many in a row say nothing against the study."""


class EarlyEnd(StrEnum):
    """Why a trial ended before its full fidelity without having failed."""

    HALVED = "stopped early: others were ahead of it at the same fidelity"
    GATED = "an intrinsic constraint failed, so the downstream stage was not paid for"


class RaysearchError(Exception):
    """Root of every error that raysearch raises on purpose."""


class UserError(RaysearchError):
    """Something that the user can mend. The message names the place, the rule, what came, and the remedy."""


@dataclass(frozen=True)
class Problem:
    """One thing wrong in a configuration.

    Attributes:
        place: ``file:line`` where that is known, else the origin (``--set``).
        path: dotted path of the key, ``unlearning.losses.kl.weight``; empty for the whole file.
        message: rule, what came and remedy, in one sentence or two.
    """

    place: str
    path: str
    message: str

    def __str__(self) -> str:
        return ": ".join(part for part in (self.place, self.path, self.message) if part)


class ConfigError(UserError):
    """All problems of a configuration at once, one line each."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class AssetError(UserError):
    """A model, table or archive is missing, corrupt or refused."""


class DataError(UserError):
    """A table cannot serve: empty, a column is missing, a group is too small."""


class RunFolderError(UserError):
    """A run folder is missing, unwritable, locked or was written by a newer version."""


class TrialError(RaysearchError):
    """A trial failed for a known reason; the worker that ran it is fit for the next one."""

    reason: FailureReason = FailureReason.EXCEPTION


class NonFiniteLossError(TrialError):
    """The unlearning loss became NaN or infinite."""

    reason = FailureReason.NON_FINITE_LOSS


class CollapsedError(TrialError):
    """Unlearning took away the answers instead of the bias."""

    reason = FailureReason.COLLAPSED


class InvertedError(TrialError):
    """Unlearning turned the bias round."""

    reason = FailureReason.INVERTED


class UndefinedRateError(TrialError):
    """A rate has no denominator, or a group is below the least size: an error, never a NaN that spreads."""

    reason = FailureReason.UNDEFINED_RATE
