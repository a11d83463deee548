"""What the driver costs: sleeping trials through Ray Tune, searcher, ledger and Optuna, against the ideal time.

    python benchmarks/driver_cost.py --trials 2000 --slots 16

The worker groups are replaced by coroutines that take work from the real dispatcher, sleep a second, and hand back a
whole result; all else is the study's own code. The ideal time is trials / slots seconds. The last line is a JSON
object: overhead over the ideal time, of the middle of the run (start and end of Ray apart), with the quartiles of its
stretches.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.measuring import machine
from benchmarks.stand_ins import Clock, SleepingPool
from raysearch.config.load import load_study
from raysearch.ledger.run_folder import RunFolder


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=2000)
    parser.add_argument("--slots", type=int, default=16)
    parser.add_argument("--queued", type=int, default=4, help="trials proposed ahead of a free slot")
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent / "results")
    arguments = parser.parse_args()
    from raysearch.study.run import search
    from raysearch.study.session import chatter_to

    changes = [f"search.trials={arguments.trials}", f"workers.groups={arguments.slots}", "search.gate=false"]
    changes.append(f"workers.queued={arguments.queued}")
    study = load_study("demo", [*changes, "search.sampler={name: random}"])
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        run = RunFolder.create(Path(folder) / "run", study.text, {"study": "sleep", "overrides": list(study.overrides)})
        started = time.monotonic()
        with chatter_to(run.logs / "ray.log"):
            search(study, run, arguments.trials, clock, None, SleepingPool)
        whole = time.monotonic() - started
        recorded = sum(1 for _ in run.ledger)
    times = np.asarray(clock.times)
    skip = 2 * arguments.slots  # the start fills the slots one after another
    middle = times[skip : -arguments.slots]
    ideal = SleepingPool.sleep_s / arguments.slots
    overhead = (middle[-1] - middle[0]) / (len(middle) - 1) / ideal - 1
    stretches = [part for part in np.array_split(middle, 10) if len(part) > 1]
    parts = [(part[-1] - part[0]) / (len(part) - 1) / ideal - 1 for part in stretches]
    low, high = np.quantile(parts, [0.25, 0.75])
    facts = {
        "machine": machine(),
        "trials": arguments.trials,
        "slots": arguments.slots,
        "queued": arguments.queued,
        "recorded": recorded,
        "whole_s": round(whole, 1),
        "ideal_s": arguments.trials * ideal,
    }
    line = {"ratio": round(float(overhead), 4), "low": round(float(low), 4), "high": round(float(high), 4)}
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "driver-cost.json").write_text(json.dumps({**facts, **line}, indent=1) + "\n")
    print(f"{recorded} trials in {whole:.1f} s, Ray's start and end included; ideal {facts['ideal_s']:.1f} s")
    print(json.dumps(line))
    return 0


if __name__ == "__main__":
    sys.exit(main())
