"""A Ray Tune searcher on Optuna's ask and tell: vectors of objectives, native constraints, failures as failures.

Tune's own OptunaSearch leaves a trial RUNNING for ever when a metric is NaN, lets early-stopped trials into the front
and cannot pass constraints. Here a finished trial is first written to the ledger by ``settle``, which returns what to
tell Optuna: a complete, finite vector with its constraints, or a failure with its reason.
"""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState
from ray.tune.search import Searcher

from raysearch.config.schema import StudyConfig
from raysearch.config.space import Choice, Distribution, Int, label, walk
from raysearch.search.samplers import build


@dataclass(frozen=True)
class Proposal:
    """A trial to run.

    Attributes:
        number: its number in the ledger.
        params: sampled leaves; empty for an anchor.
        config: the whole configuration, plain values.
        anchor: the stage's name for an anchor, else None.
    """

    number: int
    params: dict[str, Any]
    config: dict[str, Any]
    anchor: str | None = None


@dataclass(frozen=True)
class Verdict:
    """What is known of a finished trial.

    Attributes:
        values: the objective vector in the study's order; None when the trial failed.
        constraints: name -> violation, feasible <= 0.
        reason: why it failed.
    """

    values: tuple[float, ...] | None
    constraints: dict[str, float]
    reason: str | None = None


Settle = Callable[[Proposal, bool], Verdict]
"""(proposal, whether Ray Tune lost the trial) -> verdict, after the ledger has the record."""


def open_study(journal: Path, name: str, config: StudyConfig) -> optuna.Study:
    """A new Optuna study in a journal file of its own; a name that exists already is an error of ours, not a merge."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        storage = JournalStorage(JournalFileBackend(str(journal)))
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.create_study(
        storage=storage,
        study_name=name,
        directions=list(config.objectives.values()),
        sampler=build(config.search.sampler),
        load_if_exists=False,
    )


class ParetoSearcher(Searcher):
    """Hands out the anchors, then what Optuna asks for.

    The baseline comes first and alone: constraints are relative to it. The other anchors follow, then sampled trials.

    Args:
        study: Optuna's.
        space: the tree of constants and distributions.
        anchors: configurations by stage, baseline first.
        settle: records a finished trial and judges it.
        trials: sampled trials to run, anchors not counted.
        concurrent: most trials out at a time; a proposal made earlier than needed is made with less knowledge.
    """

    def __init__(
        self,
        study: optuna.Study,
        space: Any,
        anchors: Sequence[tuple[str, dict[str, Any]]],
        settle: Settle,
        trials: int,
        concurrent: int,
    ) -> None:
        super().__init__(metric=None, mode=None)
        self._study = study
        self._space = space
        self._anchors = [Proposal(n, {}, config, stage) for n, (stage, config) in enumerate(anchors)]
        self._next = len(self._anchors)
        self._last = self._next + trials
        self._settle = settle
        self._concurrent = concurrent
        self._out: dict[str, tuple[Proposal, optuna.trial.Trial | None]] = {}
        self._baseline_pending = bool(self._anchors)
        self._stopped = False
        self._abandoned = 0

    def set_search_properties(self, metric: str | None, mode: str | None, config: dict[str, Any], **spec: Any) -> bool:
        """Objectives and space are the study's; Tune has none to give."""
        return True

    @property
    def exhausted(self) -> bool:
        """Every anchor and every sampled trial was proposed and has come back."""
        return not self._anchors and self._next >= self._last and not self._abandoned

    def stop(self) -> None:
        """Proposes nothing more."""
        self._stopped = True

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:  # type: ignore[override]
        """The next trial; None while the baseline is not known yet; FINISHED after the last."""
        if self._stopped:
            return Searcher.FINISHED
        if len(self._out) >= self._concurrent or (self._baseline_pending and self._out):
            return None
        if self._anchors:
            proposal = self._anchors.pop(0)
            self._out[trial_id] = (proposal, None)
            return _as_tune_config(proposal)
        if self._next >= self._last:
            return Searcher.FINISHED
        asked = self._study.ask()
        params, config = walk(self._space, lambda name, leaf: _choose(asked, name, leaf))
        proposal = Proposal(self._next, params, config)
        self._next += 1
        asked.set_user_attr("trial", proposal.number)
        self._out[trial_id] = (proposal, asked)
        return _as_tune_config(proposal)

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Only the end of a trial counts."""

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Records and judges a finished trial, once, then tells Optuna."""
        if trial_id not in self._out:
            return
        proposal, asked = self._out.pop(trial_id)
        verdict = self._settle(proposal, error)
        if proposal.anchor is not None:
            self._baseline_pending = False
            return
        if asked is not None:
            tell(self._study, asked, verdict)

    def abandon(self, reason: str) -> None:
        """Fails whatever is still out, so that no trial stays RUNNING in Optuna's journal."""
        self._abandoned = len(self._out)
        for _, asked in self._out.values():
            if asked is not None:
                tell(self._study, asked, Verdict(None, {}, reason))
        self._out.clear()

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Tune pickles its arguments for a restore that is never made; see ``save``."""
        return {}

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the ledger is the truth, and a pickle of Optuna's storage would carry its address."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing; see ``save``."""

    def get_state(self) -> dict[str, Any]:
        """Nothing; see ``save``."""
        return {}

    def set_state(self, state: dict[str, Any]) -> None:
        """Nothing; see ``save``."""


def tell(study: optuna.Study, asked: optuna.trial.Trial, verdict: Verdict) -> None:
    """Tells Optuna the outcome. Constraints must be set before ``tell``; a failure keeps its reason."""
    if verdict.values is None or not all(math.isfinite(value) for value in verdict.values):
        asked.set_user_attr("reason", verdict.reason or "no finite objective vector")
        study.tell(asked, state=TrialState.FAIL)
        return
    for name, violation in verdict.constraints.items():
        asked.set_constraint(name, violation)
    study.tell(asked, list(verdict.values))


def _as_tune_config(proposal: Proposal) -> dict[str, Any]:
    """JSON text for the configuration: Tune would take its dots, lists and dictionaries for a space of its own."""
    return {"number": proposal.number, "config": json.dumps(proposal.config)}


def _choose(asked: optuna.trial.Trial, name: str, leaf: Distribution) -> Any:
    if isinstance(leaf, Choice):
        return asked.suggest_categorical(name, [label(leaf, index) for index in range(len(leaf.options))])
    if isinstance(leaf, Int):
        return asked.suggest_int(name, leaf.low, leaf.high, step=leaf.step or 1, log=leaf.log)
    return asked.suggest_float(name, leaf.low, leaf.high, step=leaf.step, log=leaf.log)
