"""What a downstream model hands back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from raysearch.config.schema import TrialConfig
from raysearch.errors import TrialError
from raysearch.pipeline.data import Data
from raysearch.pipeline.leg import Leg
from raysearch.pipeline.outputs import Subject
from raysearch.pipeline.runtime import Runtime

MAX_ITERATIONS = 2000
"""L-BFGS on standardised features converges in some hundreds at the regularisations that are worth searching."""


def check_labels(target: NDArray[np.int64]) -> None:
    """Both labels must be there to learn from.

    Raises:
        TrialError: one is not.
    """
    if len(set(target.tolist())) < 2:
        raise TrialError("all training rows have the same label: nothing can be learned from them")


@dataclass(frozen=True)
class Judgement:
    """Decisions of this process on its share of the judged rows.

    Attributes:
        rows: the share, as a slice of the judged rows.
        decided: [share] 0 or 1.
        facts: counts for the record.
    """

    rows: slice
    decided: NDArray[np.int64]
    facts: dict[str, Any]


class Downstream(Protocol):
    """A downstream model. One registered class a file in ``downstream/``."""

    def judge(self, config: TrialConfig, data: Data, subject: Subject, runtime: Runtime, leg: Leg) -> Judgement:
        """Trains on the training rows, as far as the leg goes, and decides on the judged rows."""
