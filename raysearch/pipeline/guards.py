"""What ends an unlearning that has gone wrong: the bias turned round, or the model no longer answers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from raysearch.config.unlearning import GuardsConfig
from raysearch.errors import CollapsedError, InvertedError

SIGNED_GAP, LOG_MASS = "signed_gap", "log_answer_mass"
"""Names in a learning curve: means over a step's pairs of p_s - p_a, and of log(P(s) + P(a))."""


def check(curve: Sequence[Mapping[str, float]], config: GuardsConfig) -> None:
    """Judges the last steps of a learning curve.

    Single batches differ much in both, as each holds a few prompts: so a mean over ``window`` steps is judged.

    Raises:
        CollapsedError: the answers' probability is below the least share of what it was at the first step.
        InvertedError: the mean signed gap is below the least.
    """
    if len(curve) < config.window or LOG_MASS not in curve[-1]:
        return
    last = curve[-config.window :]
    step = int(curve[-1]["step"])
    change = sum(point[LOG_MASS] for point in last) / len(last) - curve[0][LOG_MASS]
    least = config.least_answer_mass_ratio
    if least is not None and change < math.log(least):
        raise CollapsedError(
            f"step {step}: both answers together are {math.exp(change):.2g} times as likely as at the first step, less "
            f"than unlearning.guards.least_answer_mass_ratio {least:g}: the model no longer answers. Lower "
            "unlearning.lr or the weight of gradient_ascent, or raise that of answer_mass."
        )
    signed = sum(point[SIGNED_GAP] for point in last) / len(last)
    if config.least_signed_gap is not None and signed < config.least_signed_gap:
        raise InvertedError(
            f"step {step}: the signed gap is {signed:.2f}, below unlearning.guards.least_signed_gap "
            f"{config.least_signed_gap:g}: the bias was turned round. Raise the weight of probability_gap, or lower "
            "those of learn and gradient_ascent."
        )
