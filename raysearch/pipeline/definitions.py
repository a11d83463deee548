"""What a trial's numbers mean: versions of the metrics' definitions and of the stereotype sets that it measures."""

from __future__ import annotations

from raysearch.config.schema import TrialConfig
from raysearch.metrics.definitions import DEFINITIONS
from raysearch.stereotypes.stereotype_set import find


def definitions_of(config: TrialConfig) -> dict[str, str]:
    """By name; trials with equal ones are comparable."""
    sets = "+".join(f"{name}-{find(name).version}" for name in config.stereotypes.weights)
    return {**DEFINITIONS, "stereotype_set": sets}
