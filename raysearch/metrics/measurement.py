"""A number with its interval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Measurement:
    """A point estimate with a percentile bootstrap interval.

    Attributes:
        value: the estimate.
        low: lower end of the interval.
        high: upper end.
        n: examples behind it.
    """

    value: float
    low: float
    high: float
    n: int


def percentile_interval(samples: NDArray[Any], confidence: float) -> tuple[float, float]:
    """The central interval of bootstrap values; NaN rounds (undefined rates) are left out.

    Source: Efron and Tibshirani, 1993, An Introduction to the Bootstrap, chapter 13.
    """
    kept = samples[np.isfinite(samples)]
    if kept.size == 0:
        return float("nan"), float("nan")
    tail = (1.0 - confidence) / 2.0
    low, high = np.quantile(kept, [tail, 1.0 - tail])
    return float(low), float(high)
