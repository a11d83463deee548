"""``raysearch simulate``: a recorded study through the searcher and the scheduler, without training."""

from __future__ import annotations

import time
from collections import Counter, deque
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from raysearch.config.schema import EarlyStoppingConfig, SamplerConfig
from raysearch.errors import UserError
from raysearch.ledger.run_folder import RunFolder
from raysearch.search import storage
from raysearch.search.halving import Rungs
from raysearch.search.hvi import Goal
from raysearch.search.searcher import Agenda, ParetoSearcher
from raysearch.simulation.play import Played, SimulatedDesk, Simulation, hypervolume_over_cost, our_params
from raysearch.simulation.problem import Problem


@dataclass(frozen=True)
class Report:
    """What a simulated search came to.

    Attributes:
        played: its trials in the order in which they ended.
        curve: (cost so far in seconds, hypervolume so far) after each.
        simulated_s: length of the search on the simulated clock.
        real_s: what the simulation itself took.
    """

    played: list[Played]
    curve: list[tuple[float, float]]
    simulated_s: float
    real_s: float

    def summary(self) -> dict[str, Any]:
        """For people and programs; ``real_s`` is left out, so that the same search prints the same text."""
        return {
            "trials": len(self.played),
            "states": dict(sorted(Counter(trial.state for trial in self.played).items())),
            "cost_s": round(self.curve[-1][0], 1) if self.curve else 0.0,
            "clock_s": round(self.simulated_s, 1),
            "hypervolume": self.curve[-1][1] if self.curve else 0.0,
        }


def search(
    problem: Problem,
    sampler: SamplerConfig,
    trials: int,
    workers: int,
    early_stopping: EarlyStoppingConfig | None,
    gate: bool,
    seed: int = 0,
    budget_s: float = float("inf"),
) -> Report:
    """Our search on a problem: the sampler told of constraints, halving, the gate.

    Args:
        problem: recorded or synthetic.
        sampler: name, seed, options.
        trials: to sample.
        workers: trials at a time.
        early_stopping: rungs on the problem's fidelity; None takes every trial all the way.
        gate: whether trials that break an early constraint end before the costly part.
        seed: of the trials.
        budget_s: no trial is handed out after so much cost.
    """
    started = time.perf_counter()
    directions = list(problem.objectives.values())
    goal = Goal(problem.space, directions, problem.corner, updates_kept=early_stopping is None)
    study = storage.study_in_memory(goal, sampler)
    desk = SimulatedDesk()
    agenda = Agenda(deque(), deque(), trials, 0, 0, baseline_first=False)
    searcher = ParetoSearcher(
        study, problem.space, agenda, desk, workers, constraints_told=sampler.constraints == "told"
    )
    simulation = Simulation(
        problem,
        searcher,
        our_params(desk),
        workers,
        trials,
        None if early_stopping is None else Rungs(directions, early_stopping.reduction_factor),
        () if early_stopping is None else early_stopping.rungs,
        gate,
        desk,
        seed=seed,
        budget_s=budget_s,
        updates_kept=True,
    )
    return report(problem, simulation.run(), started)


def report(problem: Problem, played: list[Played], started: float) -> Report:
    """Sums a search up."""
    curve = hypervolume_over_cost(played, problem.objectives, problem.corner)
    end = max((trial.finished_s for trial in played), default=0.0)
    return Report(played, curve, end, time.perf_counter() - started)


@dataclass(frozen=True)
class Settings:
    """How to search a recorded problem."""

    sampler: SamplerConfig
    early_stopping: EarlyStoppingConfig | None


def settings_of(run: RunFolder, sampler: str | None, rungs: str | None, reduction_factor: float, seed: int) -> Settings:
    """The study's own settings, with what the user changes.

    Raises:
        UserError: an unknown sampler, or rungs that are not rising numbers.
    """
    search = run.study().config.search
    try:
        chosen = search.sampler.model_copy(update={"seed": seed})
        if sampler is not None:
            chosen = SamplerConfig.model_validate(
                {"name": sampler, "seed": seed, "startup_trials": search.sampler.startup_trials}
            )
        early = search.early_stopping
        if rungs is not None:
            fidelity = "unlearning.steps" if early is None else early.fidelity
            levels = None if rungs == "none" else [int(level) for level in rungs.split(",")]
            early = None
            if levels is not None:
                early = EarlyStoppingConfig.model_validate(
                    {"fidelity": fidelity, "rungs": levels, "reduction_factor": reduction_factor}
                )
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = "--sampler" if first["loc"] == ("name",) else "--rungs"
        raise UserError(f"{place}: {first['msg']}, got '{sampler if place == '--sampler' else rungs}'") from None
    except ValueError:
        raise UserError(f"--rungs {rungs}: give rising whole numbers, as in --rungs 6,12, or none") from None
    return Settings(chosen, early)


def simulate_run(run: RunFolder, settings: Settings, trials: int, workers: int, gate: bool, seed: int) -> Report:
    """Searches the problem that a run's ledger recorded.

    Raises:
        UserError: too few recorded trials.
    """
    from raysearch.simulation.surrogate import RecordedProblem

    problem = RecordedProblem(run)
    return search(problem, settings.sampler, trials, workers, settings.early_stopping, gate, seed)
