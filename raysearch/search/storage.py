"""Optuna's study: a journal file in the run folder, or a database of the user's; always derived from the ledger.

The database's address is read from the environment variable ``RAYSEARCH_STORAGE`` and never written anywhere: a
password in it stays out of the run folder, the logs, and the screen.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers._ga._base import BaseGASampler
from optuna.storages import BaseStorage, InMemoryStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.study import StudyDirection
from optuna.trial import TrialState, create_trial

from raysearch.config.load import Study
from raysearch.config.schema import SamplerConfig
from raysearch.config.space import Distribution, walk
from raysearch.errors import UserError
from raysearch.search.distributions import distribution
from raysearch.search.hvi import PARTIAL, Goal
from raysearch.search.price import PRICE
from raysearch.search.samplers import build
from raysearch.search.searcher import Verdict

ADDRESS = "RAYSEARCH_STORAGE"
_POPULATION = 50
"""Optuna's own default."""
_STATES = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}


def open_storage(journal: Path) -> BaseStorage:
    """The database that ``RAYSEARCH_STORAGE`` names, else the journal file.

    Raises:
        UserError: the database cannot be reached, or its driver is not installed; the password is not shown.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    address = os.environ.get(ADDRESS, "").strip()
    if not address:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            return JournalStorage(JournalFileBackend(str(journal)))
    try:
        return RDBStorage(address, engine_kwargs={"pool_pre_ping": True})
    except Exception as error:  # SQLAlchemy, its drivers and Optuna each raise errors of their own
        kind = address.partition("://")[0] if "://" in address else "it is no URL"
        name = type(error).__name__  # the error's own words may repeat the address, or parts of it
        raise UserError(
            f"{ADDRESS} ({kind}, the rest is not shown): the database does not serve ({name}). Check that it runs, the "
            "address, and the driver (`pip install 'psycopg[binary]'` for postgresql+psycopg://); or unset it."
        ) from None


def holding(name: str, journal: Path) -> BaseStorage | None:
    """The database or journal file that has a study of this name; None where neither has. Makes nothing.

    Raises:
        UserError: as in ``open_storage``.
    """
    if not os.environ.get(ADDRESS, "").strip() and not (journal.is_file() and os.access(journal, os.W_OK)):
        return None  # Optuna opens a journal file for writing, also where it only reads
    opened = open_storage(journal)
    return opened if name in optuna.get_all_study_names(opened) else None


def in_memory() -> BaseStorage:
    """A storage that lives as long as this process."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return InMemoryStorage()


def new_study(storage: BaseStorage, name: str, study: Study, trials_so_far: int = 0) -> optuna.Study:
    """A new study under a name of its own; an older one of this name, derived from the same ledger, is removed first.

    Args:
        storage: where.
        name: the run's.
        study: space, directions, reference point, sampler.
        trials_so_far: shifts the sampler's seed, so that a resumed search does not draw its first points again.
    """
    if name in optuna.get_all_study_names(storage):
        optuna.delete_study(study_name=name, storage=storage)
    found = optuna.create_study(
        storage=storage,
        study_name=name,
        directions=list(study.config.objectives.values()),
        sampler=build(study.config.search.sampler, goal_of(study), trials_so_far),
        load_if_exists=False,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        found.set_metric_names(list(study.config.objectives))  # for who looks at it with Optuna's tools
    return found


def goal_of(study: Study) -> Goal:
    """What a study's sampler is to reach."""
    early = study.config.search.early_stopping
    by_steps = early is not None and early.fidelity == "unlearning.steps"
    return Goal(study.space, list(study.config.objectives.values()), study.config.corner, updates_kept=not by_steps)


def study_in_memory(goal: Goal, sampler: SamplerConfig) -> optuna.Study:
    """A study that lives as long as this process: for simulations."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.create_study(
        directions=[StudyDirection[direction.upper()] for direction in goal.directions], sampler=build(sampler, goal)
    )


def add(
    study: optuna.Study,
    space: Any,
    trials: Iterable[tuple[Mapping[str, Any], Verdict, Mapping[str, Any]]],
) -> None:
    """Adds finished trials as they are.

    The genetic samplers know their parents by a generation that they write on the trials that they asked for; added
    trials get one here, population by population in their order, or the search would begin again from chance.

    Args:
        study: Optuna's.
        space: the tree that the parameters are of.
        trials: (parameters, verdict, user attributes) of each.
    """
    generation_key, population = _generations(study)
    complete = 0
    known: dict[str, BaseDistribution] = {}
    for params, verdict, attributes in trials:
        found: dict[str, BaseDistribution] = {}

        def note(
            name: str, leaf: Distribution, params: Mapping[str, Any] = params, found: dict[str, Any] = found
        ) -> Any:
            found[name] = known.setdefault(name, distribution(leaf))
            return params[name]

        used, _ = walk(space, note)
        told: dict[str, Any] = {} if verdict.reason is None else {"reason": verdict.reason}
        if verdict.partial is not None:
            told[PARTIAL] = asdict(verdict.partial)
        if verdict.price is not None:
            told[PRICE] = verdict.price.told()
        study.add_trial(
            create_trial(
                state=_STATES[verdict.state],
                values=None if verdict.values is None else list(verdict.values),
                params=used,
                distributions=found,
                user_attrs={**attributes, **told},
                system_attrs={generation_key: complete // population} if generation_key else {},
                constraints=verdict.constraints or None,
            )
        )
        complete += verdict.state == "complete"


def _generations(study: optuna.Study) -> tuple[str | None, int]:
    """(name of the generation's attribute, or None for a sampler without generations; size of a population)."""
    if not isinstance(study.sampler, BaseGASampler):
        return None, 1
    return study.sampler._get_generation_key(), study.sampler.population_size or _POPULATION
