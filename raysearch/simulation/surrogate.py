"""A recorded study as a problem: surrogates fitted to its ledger stand in for training.

Metrics: one Gaussian process a metric over (parameters, share of the full fidelity), fitted to the results at rungs and
at the end, so that trials have learning curves. Seed noise: residuals of recorded replicates, drawn as whole vectors,
so that metrics that move together do so here; without replicates, none. Failures: the nearest recorded trials' share
of failures. Costs: seconds a unit of fidelity and seconds an evaluation, by stage, from trees over the parameters.
"""

from __future__ import annotations

import hashlib
import json
import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel
from sklearn.neighbors import KNeighborsClassifier

from raysearch.config.load import Study
from raysearch.config.metric_names import is_intrinsic, range_of
from raysearch.errors import UserError
from raysearch.ledger.record import TrialRecord
from raysearch.ledger.run_folder import RunFolder
from raysearch.pipeline.leg import full_fidelity
from raysearch.search import constraints
from raysearch.search.price import Price
from raysearch.search.unit_cube import UnitCube
from raysearch.simulation.problem import Outcome
from raysearch.uncertainty.configurations import configurations

Matrix = NDArray[np.float64]

LEAST_TRIALS = 8
"""With fewer complete trials a surrogate of several parameters would be a guess."""

_EARLY_STAGES = ("model", "data", "intrinsic")
_EVALUATION_STAGES = (*_EARLY_STAGES, "downstream", "metrics")


class RecordedProblem:
    """A ``Problem`` made of a run's ledger.

    Args:
        run: its folder.

    Raises:
        UserError: too few complete trials, or no baseline.
    """

    def __init__(self, run: RunFolder) -> None:
        self.study: Study = run.study()
        self._records = list(run.ledger)
        self._rungs = run.ledger.rungs()
        complete = [r for r in self._records if r.state == "complete" and r.kind == "search"]
        if len(complete) < LEAST_TRIALS:
            raise UserError(
                f"{run.path}: has {len(complete)} complete sampled trials; a surrogate needs {LEAST_TRIALS}. "
                f"Record more with `raysearch resume {run.path} --trials N`."
            )
        baseline = next((r for r in self._records if r.kind == "anchor" and r.stage == "baseline"), None)
        if baseline is None or baseline.state != "complete":
            raise UserError(f"{run.path}: has no complete baseline, which constraints are relative to.")
        self._baseline = {name: estimate.value for name, estimate in baseline.metrics.items()}
        self._majority = float(baseline.facts.get("majority_rate", 0.0))
        early = self.study.config.search.early_stopping
        self.fidelity = "unlearning.steps" if early is None else early.fidelity
        fulls = [full_fidelity(r.config, self.fidelity) for r in complete]
        self._full = max((full for full in fulls if full is not None), default=1)
        self._cube = UnitCube(self.study.space)
        wanted = {*self.study.config.objectives, *(c.metric for c in self.study.config.constraints)}
        self._metrics = sorted(wanted)
        self._fit_metrics(complete)
        self._fit_noise()
        self._fit_failures()
        self._fit_costs(complete)
        self._memo: dict[tuple[str, int], dict[str, float]] = {}

    @property
    def space(self) -> Any:
        """The study's."""
        return self.study.space

    @property
    def objectives(self) -> Mapping[str, str]:
        """The study's."""
        return self.study.config.objectives

    @property
    def corner(self) -> Sequence[float]:
        """The study's reference point."""
        return self.study.config.corner

    @property
    def full(self) -> int:
        """The largest full fidelity among the recorded trials."""
        return self._full

    def _row_of(self, params: Mapping[str, Any]) -> list[float]:
        columns: list[float] = self._cube.columns(self._cube.point(params)[None])[0].tolist()
        return columns

    def _row(self, params: Mapping[str, Any], share: float) -> list[float]:
        """Inputs of the surrogates; ``share`` is of the trial's own full fidelity."""
        return [*self._row_of(params), share]

    def _fit_metrics(self, complete: Sequence[TrialRecord]) -> None:
        by_trial = {record.trial: record for record in self._records if record.kind == "search"}
        rows = [(record.params, 1.0, record.metrics) for record in complete]
        for rung in self._rungs:
            if rung.trial in by_trial:
                full = full_fidelity(by_trial[rung.trial].config, self.fidelity) or self._full
                rows.append((by_trial[rung.trial].params, rung.fidelity / full, rung.metrics))
        inputs = np.asarray([self._row(params, share) for params, share, _ in rows])
        self._models: dict[str, GaussianProcessRegressor] = {}
        for metric in self._metrics:
            targets = np.asarray([metrics[metric].value for _, _, metrics in rows])
            kernel = ConstantKernel(1.0) * Matern(np.ones(inputs.shape[1]), (0.1, 50.0), nu=2.5) + WhiteKernel(0.1)
            model = GaussianProcessRegressor(kernel, normalize_y=True, n_restarts_optimizer=1, random_state=0)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)  # a length scale at its bound: it does not matter
                self._models[metric] = model.fit(inputs, targets)

    def _fit_noise(self) -> None:
        residuals: list[list[float]] = []
        for found in configurations(self._records):
            count = len(found.records)
            if count > 1:
                scale = math.sqrt(count / (count - 1))
                residuals += [
                    [scale * (r.metrics[m].value - found.spread(m).mean) for m in self._metrics] for r in found.records
                ]
        self._noise: Matrix = np.asarray(residuals or [[0.0] * len(self._metrics)])

    def _fit_failures(self) -> None:
        sampled = [r for r in self._records if r.kind == "search"]
        failed = np.asarray([r.state == "failed" for r in sampled])
        self._failures: KNeighborsClassifier | None = None
        if failed.any():
            inputs = np.asarray([self._row_of(r.params) for r in sampled])
            self._failures = KNeighborsClassifier(min(5, len(sampled))).fit(inputs, failed)

    def _fit_costs(self, complete: Sequence[TrialRecord]) -> None:
        passed: dict[int, int] = {}
        for rung in self._rungs:
            passed[rung.trial] = passed.get(rung.trial, 0) + 1
        inputs = np.asarray([self._row_of(r.params) for r in complete])
        training = [r.costs_s.get("unlearning", 0.0) for r in complete]
        evaluations = [
            [r.costs_s.get(stage, 0.0) / (1 + passed.get(r.trial, 0)) for stage in _EVALUATION_STAGES] for r in complete
        ]
        targets = np.column_stack([training, np.asarray(evaluations)])
        self._costs = ExtraTreesRegressor(30, min_samples_leaf=3, random_state=0).fit(inputs, targets)
        self._cost_memo: dict[str, Matrix] = {}

    def outcome(self, params: Mapping[str, Any], fidelity: int, seed: int) -> Outcome:
        """What the surrogates say, with the noise of the seed: one draw a trial, the same at all its fidelities."""
        key = json.dumps(dict(params), sort_keys=True, default=str)
        digest = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big")
        rng = np.random.default_rng([seed, digest])
        noise = self._noise[rng.integers(len(self._noise))]
        if self._failures is not None:
            odds = self._failures.predict_proba(np.asarray([self._row_of(params)]))[0, -1]
            if rng.uniform() < odds and self._failures.classes_[-1]:
                return Outcome(None)
        mean = self._mean(key, params, fidelity)
        values = {
            metric: float(np.clip(mean[metric] + shift, *range_of(metric)))
            for metric, shift in zip(self._metrics, noise, strict=True)
        }
        bounds = constraints.bounds(self.study.config.constraints, self._majority, self._baseline)
        found = {bound.name: bound.violation(values[bound.metric]) for bound in bounds}
        early = {bound.name: found[bound.name] for bound in bounds if is_intrinsic(bound.metric)}
        return Outcome(tuple(values[name] for name in self.objectives), found, early)

    def _mean(self, key: str, params: Mapping[str, Any], fidelity: int) -> dict[str, float]:
        if (key, fidelity) not in self._memo:
            row = np.asarray([self._row(params, fidelity / self._full)])
            self._memo[key, fidelity] = {m: float(model.predict(row)[0]) for m, model in self._models.items()}
        return self._memo[key, fidelity]

    def price(self, params: Mapping[str, Any], start: int, end: int, gated: bool) -> Price:
        """Seconds of a leg: its training, and one evaluation, the early part of it if gated.

        Where the fidelity is not a measure of training (training rows of the downstream model), the first leg pays for
        all of it.
        """
        key = json.dumps(dict(params), sort_keys=True, default=str)
        if key not in self._cost_memo:
            self._cost_memo[key] = self._costs.predict(np.asarray([self._row_of(params)]))[0]
        training, *evaluation = self._cost_memo[key].tolist()
        share = (end - start) / self._full if self.fidelity == "unlearning.steps" else float(start == 0)
        stages = _EARLY_STAGES if gated else _EVALUATION_STAGES
        return Price(float(share * training), float(sum(evaluation[: len(stages)])))
