"""Samplers by name: Optuna's, and ours."""

from __future__ import annotations

import inspect
import warnings
from typing import Any

import numpy as np
import optuna
from optuna.samplers import BaseSampler

from raysearch.config.schema import SamplerConfig
from raysearch.errors import ConfigError, Problem
from raysearch.registry import suggestion
from raysearch.search.hvi import Goal, HypervolumeSampler

_CLASSES: dict[str, type[BaseSampler]] = {
    "tpe": optuna.samplers.TPESampler,
    "gp": optuna.samplers.GPSampler,
    "nsga2": optuna.samplers.NSGAIISampler,
    "nsga3": optuna.samplers.NSGAIIISampler,
    "random": optuna.samplers.RandomSampler,
    "quasi_random": optuna.samplers.QMCSampler,
    "hvi": HypervolumeSampler,
}
_WITH_STARTUP = {"tpe", "gp", "hvi"}


def build(config: SamplerConfig, goal: Goal, trials_so_far: int = 0) -> BaseSampler:
    """The sampler of a configuration, seeded.

    Args:
        config: name, seed, options.
        goal: what is searched; Optuna's own samplers learn of it trial by trial.
        trials_so_far: trials of an earlier driver of the same search, so that the draws differ from its draws.

    Raises:
        ConfigError: an option that Optuna's class does not have, or that it refuses.
    """
    kind = _CLASSES[config.name]
    known = set(inspect.signature(kind.__init__).parameters) - {
        "self",
        "goal",
        "seed",
        "n_startup_trials",
        "constraints_func",
    }
    wrong = [
        Problem(
            "", f"search.sampler.options.{option}", f"{kind.__name__} has no such option. {suggestion(option, known)}"
        )
        for option in config.options
        if option not in known
    ]
    if wrong:
        raise ConfigError(wrong)
    given: dict[str, Any] = {"seed": _seed(config.seed, trials_so_far), **config.options}
    if config.name == "quasi_random":  # unscrambled, the sequence has no seed: every study would draw the same points
        given = {"scramble": True, **given}
    if kind is HypervolumeSampler:
        given["goal"] = goal
    if config.name in _WITH_STARTUP:
        given["n_startup_trials"] = config.startup_trials
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        try:
            return kind(**given)
        except (TypeError, ValueError) as error:
            raise ConfigError(
                [Problem("", "search.sampler.options", f"{kind.__name__} refuses them: {error}")]
            ) from error


def _seed(seed: int, trials_so_far: int) -> int:
    if trials_so_far == 0:
        return seed
    return int(np.random.SeedSequence([seed, trials_so_far]).generate_state(1)[0])
