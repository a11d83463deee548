"""Suggestions that look at the price against suggestions that do not, on the recorded study.

    python benchmarks/cost_aware.py
    python benchmarks/cost_aware.py --seeds 5 --trials 30       # shorter

Both are our sampler (`hvi`) on the simulated demo of `data/demo-60`, without rungs; in both a trial that shares its
unlearned update with a complete one pays for no unlearning, as the stage cache lets it. The one asks for the largest
gain of hypervolume, the other (`search.sampler.options: {cost_aware: true}`) for the largest gain a second. The cost is
what each spends until it has the hypervolume that the first has at the end of its trials, or `--share` of it.

The last line is a JSON object: cost of the first / cost of the second, the median over seeds, with the quartiles; seeds
in which the second did not get there within the first's whole cost count with a ratio of 0.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.measuring import RESULTS, keep, machine, spread
from raysearch.config.schema import SamplerConfig
from raysearch.ledger.run_folder import RunFolder
from raysearch.search.price import update_of
from raysearch.simulation.run import Report, search
from raysearch.simulation.surrogate import RecordedProblem

HERE = Path(__file__).resolve().parent


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, default=HERE / "data" / "demo-60")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--trials", type=int, default=60, help="of the first; the second has as many seconds")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--share", type=float, default=0.98, help="of the first's last hypervolume: what is to be had")
    parser.add_argument("--out", type=Path, default=RESULTS / "cost-aware.json")
    arguments = parser.parse_args()
    problem = RecordedProblem(RunFolder.open(arguments.run))
    rows = []
    for seed in range(arguments.seeds):
        plain = play(problem, seed, arguments.trials, arguments.workers, False, float("inf"))
        budget_s = plain.curve[-1][0]
        priced = play(problem, seed, 6 * arguments.trials, arguments.workers, True, budget_s)
        goal = arguments.share * plain.curve[-1][1]
        first, second = cost_of(plain, goal), cost_of(priced, goal)
        row = {
            "seed": seed,
            "cost_s": round(first, 1),
            "cost_aware_s": round(second, 1) if np.isfinite(second) else None,
            "hypervolume": plain.curve[-1][1],
            "cost_aware_hypervolume_for_the_same_cost": priced.curve[-1][1],
            "trials": len(plain.played),
            "cost_aware_trials": len(priced.played),
            "cost_aware_updates": len({update_of(trial.params) for trial in priced.played}),
        }
        print(json.dumps(row))
        rows.append(row | {"ratio": first / second})
    gain = np.median([r["cost_aware_hypervolume_for_the_same_cost"] / r["hypervolume"] for r in rows])
    last = {
        **spread([row["ratio"] for row in rows]),
        "hypervolume_ratio_at_equal_cost": round(float(gain), 4),
        "not_reached": sum(row["cost_aware_s"] is None for row in rows),
    }
    asked = {name: getattr(arguments, name) for name in ("seeds", "trials", "workers", "share")}
    keep({"machine": machine(1), "arguments": asked, "rows": rows, "result": last}, arguments.out)
    print(json.dumps(last))
    return 0


def play(problem: RecordedProblem, seed: int, trials: int, workers: int, cost_aware: bool, budget_s: float) -> Report:
    """One simulated search."""
    sampler = SamplerConfig(name="hvi", seed=seed, options={"cost_aware": cost_aware})
    return search(problem, sampler, trials, workers, None, gate=True, seed=seed, budget_s=budget_s)


def cost_of(report: Report, goal: float) -> float:
    """Seconds until the hypervolume is there; infinite where it never is."""
    return next((cost for cost, volume in report.curve if volume >= goal), float("inf"))


if __name__ == "__main__":
    sys.exit(main())
