"""Hypervolume against cost: our search against plain OptunaSearch, random search, NSGA-II, and Syne Tune's MOASHA.

    python benchmarks/search_quality.py                        # all problems, 20 seeds; about ten minutes
    python benchmarks/search_quality.py --problems mw8 --seeds 5

Searches run on a simulated clock with 4 workers: the recorded study under ``benchmarks/data/demo-60`` through its
surrogate, and three constrained synthetic problems with four objectives. Every search gets the cost that plain
OptunaSearch, as Ray's documentation shows it, spends on ``TRIALS`` trials. Written to ``benchmarks/results/``: one JSON
file, one picture. The last line is a JSON object: of plain OptunaSearch's cost, the share after which ours has reached
the hypervolume that it ends with (median over seeds, problems pooled, with the quartiles as ``low`` and ``high``; 9
stands for never).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.measuring import machine
from benchmarks.problems import SYNTHETIC, SyntheticProblem
from raysearch.config.schema import EarlyStoppingConfig, SamplerConfig
from raysearch.config.space import walk
from raysearch.ledger.run_folder import RunFolder
from raysearch.pareto.front import to_minimise
from raysearch.search.halving import Arrival
from raysearch.search.searcher import choose
from raysearch.simulation.play import Played, Simulation, hypervolume_over_cost
from raysearch.simulation.problem import Problem
from raysearch.simulation.run import search
from raysearch.simulation.surrogate import RecordedProblem

matplotlib.use("Agg")
HERE = Path(__file__).resolve().parent
RECORDED = HERE / "data" / "demo-60"
MOASHA_ENV = Path.home() / ".cache" / "raysearch-benchmarks" / "moasha"
TRIALS = 60
WORKERS = 4
ETA = 3
Curve = list[tuple[float, float]]
Method = Callable[[Problem, int, float], Curve]


def rungs_of(problem: Problem) -> tuple[int, ...]:
    """Two rungs, at a ninth and a third of the full fidelity."""
    return tuple(sorted({max(1, round(problem.full / 9)), max(2, round(problem.full / 3))}))


def ours(problem: Problem, seed: int, budget_s: float) -> Curve:
    """Our sampler by expected gain of feasible hypervolume, and the cheap gate."""
    sampler = SamplerConfig(name="hvi", seed=seed, startup_trials=8)
    return search(problem, sampler, 100_000, WORKERS, None, True, seed, budget_s).curve


def ours_halving(problem: Problem, seed: int, budget_s: float) -> Curve:
    """The same with one rung, at a ninth of the full fidelity, at which half go on."""
    early = EarlyStoppingConfig(rungs=rungs_of(problem)[:1], reduction_factor=2.0)
    sampler = SamplerConfig(name="hvi", seed=seed, startup_trials=8)
    return search(problem, sampler, 100_000, WORKERS, early, True, seed, budget_s).curve


def tpe_halving(problem: Problem, seed: int, budget_s: float) -> Curve:
    """Optuna's TPE told of constraints, halving on vectors at two rungs, the cheap gate."""
    early = EarlyStoppingConfig(rungs=rungs_of(problem), reduction_factor=float(ETA))
    sampler = SamplerConfig(name="tpe", seed=seed)
    return search(problem, sampler, 100_000, WORKERS, early, True, seed, budget_s).curve


def tpe_withheld(problem: Problem, seed: int, budget_s: float) -> Curve:
    """TPE that sees objectives alone; halving and the gate know of constraints; a milder halving."""
    early = EarlyStoppingConfig(rungs=rungs_of(problem), reduction_factor=2.0)
    sampler = SamplerConfig(name="tpe", seed=seed, constraints="withheld")
    return search(problem, sampler, 100_000, WORKERS, early, True, seed, budget_s).curve


def nsga2(problem: Problem, seed: int, budget_s: float) -> Curve:
    """NSGA-II told of constraints; a population that fits the budget."""
    sampler = SamplerConfig(name="nsga2", seed=seed, options={"population_size": 20})
    return search(problem, sampler, 100_000, WORKERS, None, False, seed, budget_s).curve


def random(problem: Problem, seed: int, budget_s: float) -> Curve:
    """Random search."""
    return search(problem, SamplerConfig(name="random", seed=seed), 100_000, WORKERS, None, False, seed, budget_s).curve


def optuna_search(problem: Problem, seed: int, budget_s: float, trials: int = 100_000) -> Curve:
    """Ray Tune's OptunaSearch as documented: a list of metrics, a list of modes, its default sampler."""
    from ray.tune.search.optuna import OptunaSearch

    suggested: dict[str, dict[str, Any]] = {}

    def space(trial: Any) -> dict[str, Any]:
        params, _ = walk(problem.space, lambda name, leaf: choose(trial, name, leaf))
        suggested["last"] = params
        return {}

    names = list(problem.objectives)
    modes = ["min" if direction == "minimize" else "max" for direction in problem.objectives.values()]
    searcher = OptunaSearch(space, metric=names, mode=modes, seed=seed)
    numbers = iter(range(1_000_000))

    def params_of(given: Any) -> tuple[int, Mapping[str, Any]]:
        return next(numbers), suggested.pop("last")

    def result_of(played: Played) -> tuple[dict[str, Any] | None, bool]:
        values = played.outcome.values
        return (None, True) if values is None else (dict(zip(names, values, strict=True)), False)

    simulation = Simulation(
        problem, searcher, params_of, WORKERS, trials, result_of=result_of, seed=seed, budget_s=budget_s
    )
    return hypervolume_over_cost(simulation.run(), problem.objectives, problem.corner)


class MoashaRungs:
    """Syne Tune's scheduler in place of ours, behind a pipe."""

    def __init__(self, problem: Problem, python: Path) -> None:
        self._directions = list(problem.objectives.values())
        server = HERE / "peers" / "moasha_server.py"
        line = [str(python), str(server), str(len(self._directions)), str(rungs_of(problem)[0]), str(problem.full), "3"]
        self._server = subprocess.Popen(
            line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )

    def goes_on(self, arrival: Arrival) -> bool:
        values = to_minimise(np.asarray([arrival.values]), self._directions)[0].tolist()
        assert self._server.stdin is not None and self._server.stdout is not None
        word = {"trial": arrival.trial, "values": values, "fidelity": arrival.fidelity}
        self._server.stdin.write(json.dumps(word) + "\n")
        self._server.stdin.flush()
        answer = self._server.stdout.readline().strip()
        if not answer:
            raise RuntimeError("the MOASHA server ended")
        return answer.endswith("CONTINUE")

    def close(self) -> None:
        if self._server.stdin is not None:
            self._server.stdin.close()
        self._server.wait()


def moasha(problem: Problem, seed: int, budget_s: float) -> Curve:
    """Random suggestions, as MOASHA makes them, stopped by Syne Tune's MOASHA."""
    import raysearch.simulation.run as simulation_run

    early = EarlyStoppingConfig(rungs=rungs_of(problem), reduction_factor=float(ETA))
    rungs = MoashaRungs(problem, MOASHA_ENV / "bin" / "python")
    kept = simulation_run.Rungs
    simulation_run.Rungs = lambda *_: rungs  # type: ignore[assignment, misc]
    try:
        sampler = SamplerConfig(name="random", seed=seed)
        return search(problem, sampler, 100_000, WORKERS, early, False, seed, budget_s).curve
    finally:
        simulation_run.Rungs = kept  # type: ignore[misc]
        rungs.close()


def install_moasha() -> bool:
    """Makes the peer's environment. False where it does not install: the comparison then goes without it."""
    if (MOASHA_ENV / "bin" / "python").is_file():
        return True
    with contextlib.suppress(subprocess.CalledProcessError):
        subprocess.run([sys.executable, "-m", "venv", str(MOASHA_ENV)], check=True)
        install = [str(MOASHA_ENV / "bin" / "pip"), "install", "--quiet", "syne-tune==0.16.0"]
        subprocess.run(install, check=True, capture_output=True)
        return True
    return False


def at(curve: Curve, cost: float) -> float:
    """Hypervolume after so much cost."""
    return max((volume for spent, volume in curve if spent <= cost), default=0.0)


def reached(curve: Curve, volume: float) -> float:
    """Cost after which a hypervolume is reached; infinite where it never is."""
    return next((spent for spent, found in curve if found >= volume), float("inf"))


def problems(names: list[str]) -> Iterator[tuple[str, Problem]]:
    """Problems by name."""
    for name in names:
        yield name, RecordedProblem(RunFolder.open(RECORDED)) if name == "recorded" else SyntheticProblem(name)


def compare(name: str, problem: Problem, methods: Mapping[str, Method], seeds: int) -> dict[str, Any]:
    """All methods on one problem, seed by seed, at the cost that plain OptunaSearch spends on ``TRIALS`` trials."""
    curves: dict[str, list[Curve]] = {method: [] for method in ("optuna_search", *methods)}
    for seed in range(seeds):
        started = time.perf_counter()
        plain = optuna_search(problem, seed, float("inf"), TRIALS)
        curves["optuna_search"].append(plain)
        for method, run in methods.items():
            curves[method].append(run(problem, seed, plain[-1][0]))
        print(f"{name}: seed {seed + 1} of {seeds}, {time.perf_counter() - started:.0f} s", flush=True)
    return {"curves": curves}


def summary(found: Mapping[str, Any]) -> dict[str, Any]:
    """Medians and quartiles over seeds, by method."""
    curves: dict[str, list[Curve]] = found["curves"]
    budgets = [curve[-1][0] for curve in curves["optuna_search"]]
    ends = [curve[-1][1] for curve in curves["optuna_search"]]
    out: dict[str, Any] = {}
    for method, runs in curves.items():
        final = [at(curve, budget) for curve, budget in zip(runs, budgets, strict=True)]
        share = [reached(c, end) / budget for c, end, budget in zip(runs, ends, budgets, strict=True)]
        out[method] = {
            "hypervolume": np.quantile(final, [0.25, 0.5, 0.75]).tolist(),
            # a share that is never reached counts as 9: the budget is 1
            "cost_share_to_optuna_search_end": np.quantile(np.minimum(share, 9.0), [0.25, 0.5, 0.75]).tolist(),
            "never_reached": int(np.sum(~np.isfinite(share))),
            "wins_against_random": int(
                np.sum([a >= at(b, x) for a, b, x in zip(final, curves.get("random", runs), budgets, strict=True)])
            ),
        }
    return out


COLORS = {
    "ours": "#0072b2",
    "ours_halving": "#004466",
    "tpe_halving": "#56b4e9",
    "tpe_withheld": "#e69f00",
    "optuna_search": "#d55e00",
    "random": "#777777",
    "nsga2": "#009e73",
    "moasha": "#cc79a7",
}


def draw(results: Mapping[str, Any], path: Path, seeds: int) -> None:
    """Median hypervolume against the share of the budget, with the band from quartile to quartile."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.4 * len(results), 5.2), dpi=110, layout="constrained")
    axes = figure.subplots(1, len(results), squeeze=False)[0]
    shares = np.linspace(0.02, 1.0, 60)
    for axis, (name, found) in zip(axes, results.items(), strict=True):
        budgets = [curve[-1][0] for curve in found["curves"]["optuna_search"]]
        for method, runs in found["curves"].items():
            values = np.asarray([[at(c, s * b) for s in shares] for c, b in zip(runs, budgets, strict=True)])
            low, middle, high = np.quantile(values, [0.25, 0.5, 0.75], axis=0)
            axis.plot(shares, middle, color=COLORS[method], linewidth=2.2, label=method.replace("_", " "))
            axis.fill_between(shares, low, high, color=COLORS[method], alpha=0.12)
        axis.set_title(name, fontsize=15)
        axis.set_xlabel(f"cost (1: plain OptunaSearch with {TRIALS} trials)", fontsize=12)
        axis.grid(alpha=0.25)
    axes[0].set_ylabel("hypervolume of feasible trials", fontsize=12)
    handles, texts = axes[0].get_legend_handles_labels()
    figure.legend(handles, texts, loc="outside lower center", ncol=len(texts), frameon=False, fontsize=13)
    figure.suptitle(f"Search quality: median of {seeds} seeds, band from quartile to quartile", fontsize=16)
    figure.savefig(path)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", nargs="+", default=["recorded", *SYNTHETIC], choices=["recorded", *SYNTHETIC])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--out", type=Path, default=HERE / "results", help="folder for the JSON file and the picture")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    import logging

    logging.disable(logging.WARNING)
    methods: dict[str, Method] = {
        "ours": ours,
        "ours_halving": ours_halving,
        "tpe_halving": tpe_halving,
        "tpe_withheld": tpe_withheld,
        "random": random,
        "nsga2": nsga2,
    }
    if install_moasha():
        methods["moasha"] = moasha
    results = {n: compare(n, problem, methods, arguments.seeds) for n, problem in problems(arguments.problems)}
    arguments.out.mkdir(parents=True, exist_ok=True)
    summaries = {name: summary(found) for name, found in results.items()}
    for name, methods_found in summaries.items():
        print(f"\n{name}: hypervolume at the same cost, and cost share to where OptunaSearch ends (quartiles)")
        for method, numbers in methods_found.items():
            volume = " ".join(f"{value:.4f}" for value in numbers["hypervolume"])
            share = " ".join(f"{value:.2f}" for value in numbers["cost_share_to_optuna_search_end"])
            print(f"  {method:<22} {volume}   {share}   never {numbers['never_reached']}")
    tag = "-".join(arguments.problems) if len(arguments.problems) < 4 else "all"
    facts = {
        "machine": machine(),
        "seeds": arguments.seeds,
        "trials": TRIALS,
        "workers": WORKERS,
        "problems": summaries,
    }
    (arguments.out / f"search-quality-{tag}.json").write_text(json.dumps(facts, indent=1) + "\n")
    draw(results, arguments.out / f"search-quality-{tag}.png", arguments.seeds)
    shares = []
    for found in results.values():
        plain = found["curves"]["optuna_search"]
        shares += [
            min(9.0, reached(curve, end[-1][1]) / end[-1][0])
            for curve, end in zip(found["curves"]["ours"], plain, strict=True)
        ]
    low, middle, high = np.quantile(shares, [0.25, 0.5, 0.75]).tolist()  # 9: never, within the cost given
    print(json.dumps({"ratio": round(middle, 3), "low": round(low, 3), "high": round(high, 3)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
