"""How throughput grows with worker groups, and what a trial costs the driver as the ledger grows.

    python benchmarks/scaling.py

A cluster of several Ray nodes on this machine (``ray.cluster_utils.Cluster``); on each sleep some of 1, 2, 4, ... 64
worker groups. All else is the study's own: searcher, Ray Tune with its actors, dispatcher, ledger, Optuna's journal.
The ideal is groups / seconds of sleep trials a second; efficiency is what is reached of it between the start, where
the slots fill one after another, and the last round. Then one long study of trials that sleep not at all: the
driver's processor time a trial among the first hundreds and the last.

The last line is a JSON object: efficiency with the most groups (``ratio``), its lowest and highest over stretches of
the run, the growth of the driver's cost, and its memory (PSS, GiB).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.measuring import machine
from benchmarks.stand_ins import Clock, Scales, SleepingPool, tell
from raysearch.config.load import load_study
from raysearch.ledger.run_folder import RunFolder
from raysearch.study.run import search
from raysearch.study.session import chatter_to

WINDOW = 100
"""Trials over which a cost is averaged."""


@dataclass
class Course:
    """What was noted of a study: moments and the driver's processor time, by recorded trial."""

    whole_s: float
    times: NDArray[Any]
    cpu_s: NDArray[Any]
    scales: Scales = field(default_factory=Scales)


def course(address: str, folder: Path, trials: int, groups: int, queued: int, sleep_s: float) -> Course:
    """Runs a study of sleeping trials on the cluster."""
    changes = [f"search.trials={trials}", "search.sampler={name: random}", "search.gate=false"]
    study = load_study("demo", [*changes, f"workers.groups={groups}", f"workers.queued={queued}"])
    run = RunFolder.create(folder, study.text, {"study": "scaling", "overrides": list(study.overrides)})
    clock, scales = Clock(), Scales()
    pool = type("Pool", (SleepingPool,), {"sleep_s": sleep_s})
    begin = time.monotonic()
    search(study, run, trials, clock, address, pool)
    whole_s = time.monotonic() - begin
    scales.weigh()
    return Course(whole_s, np.asarray(clock.times), np.asarray(clock.cpu_s), scales)


def efficiency(times: NDArray[Any], groups: int, sleep_s: float) -> tuple[float, float, float]:
    """(median, lowest, highest) share of the ideal throughput, over stretches of a round each."""
    middle = times[2 * groups :][: -groups or None]  # anchors, and the start that fills the slots one by one
    stretches = [middle[i : i + groups + 1] for i in range(0, len(middle) - groups, groups)]
    shares = [sleep_s / (part[-1] - part[0]) * (len(part) - 1) / groups for part in stretches]
    return float(np.median(shares)), min(shares), max(shares)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--groups", type=int, default=64, help="the most; halves down to 1 are run before")
    parser.add_argument("--rounds", type=int, default=6, help="trials a group")
    parser.add_argument("--sleep", type=float, default=4.0, help="seconds of a trial")
    parser.add_argument("--nodes", type=int, default=4)
    parser.add_argument("--growth", type=int, default=10_000, help="trials of the long study; 0 leaves it out")
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent / "results")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, chatter_to(Path(folder) / "ray.log"):
        line, facts = measure(arguments, Path(folder))
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "scaling.json").write_text(json.dumps({**facts, **line}, indent=1) + "\n")
    print(json.dumps(line))
    return 0


def measure(arguments: argparse.Namespace, folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """(what is printed last, what else is kept)."""
    from ray.cluster_utils import Cluster

    node = {"num_cpus": -(-arguments.groups // arguments.nodes)}
    cluster = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
    for _ in range(arguments.nodes - 1):
        cluster.add_node(**node)
    points: dict[int, dict[str, float]] = {}
    line: dict[str, Any] = {}
    try:
        counts = [2**k for k in range(arguments.groups.bit_length()) if 2**k <= arguments.groups]
        for groups in counts:
            trials = arguments.rounds * groups
            found = course(cluster.address, folder / f"groups-{groups}", trials, groups, 0, arguments.sleep)
            share, low, high = efficiency(found.times, groups, arguments.sleep)
            points[groups] = {
                "efficiency": round(share, 4),
                "trials_per_s": round(share * groups / arguments.sleep, 3),
                "whole_s": round(found.whole_s, 1),
            }
            line = {"ratio": round(share, 4), "low": round(low, 4), "high": round(high, 4)}
            tell(f"{groups} groups: efficiency {share:.3f} ({low:.3f} to {high:.3f}), {found.whole_s:.0f} s in all")
        if arguments.growth:
            line |= growth(cluster.address, folder / "growth", arguments.growth)
    finally:
        cluster.shutdown()
    facts = {"machine": machine(), "nodes": arguments.nodes, "sleep_s": arguments.sleep, "by_groups": points}
    return line, facts


def growth(address: str, folder: Path, trials: int) -> dict[str, Any]:
    """Cost of a trial early and late in a long study, on eight groups that do not even sleep."""
    found = course(address, folder, trials, 8, 4, 0.0)
    first, last = (
        (float(cpu[-1] - cpu[0]) / WINDOW, float(times[-1] - times[0]) / WINDOW)
        for cpu, times in (
            (found.cpu_s[WINDOW : 2 * WINDOW + 1], found.times[WINDOW : 2 * WINDOW + 1]),
            (found.cpu_s[-WINDOW - 1 :], found.times[-WINDOW - 1 :]),
        )
    )
    return {
        "driver_cpu_s_per_trial_first": round(first[0], 4),
        "driver_cpu_s_per_trial_last": round(last[0], 4),
        "growth": round(last[0] / first[0], 2),
        "s_per_trial_first": round(first[1], 4),
        "s_per_trial_last": round(last[1], 4),
        "trials": len(found.times),
        "growth_s": round(found.whole_s, 1),
        "driver_gib": found.scales.peak_gib["driver"],
    }


if __name__ == "__main__":
    os.environ.setdefault("RAY_DEDUP_LOGS", "0")
    sys.exit(main())
