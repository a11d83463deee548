"""The demo's study: raysearch against a user's own script from the libraries' documentation, configuration by
configuration.

    python benchmarks/end_to_end.py                             # half an hour
    python benchmarks/end_to_end.py --points 2 --steps 4        # shorter: five trials, less unlearning

Both run the same trials: the three anchors, and sampled configurations of the recorded study in `data/demo-60`. They
have as many trials at once, each with as many threads. `raysearch run` is called as a user calls it; the script is
`peers/by_hand.py`, where the same inputs come from. Each is one process with all that it starts, timed from the command
to its end; the values that they find for each configuration must agree first.

The ratio is of trials an hour. Its interval is a bootstrap over the configurations: the seconds of a trial by the one
belong to the seconds of the same trial by the other, and the start-up of each side comes once. Also given: the ratio
without start-up, and of each configuration.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.measuring import RESULTS, MemoryWatch, keep, machine, significant, spread
from raysearch.config.load import Study, load_study
from raysearch.config.schema import TrialConfig
from raysearch.ledger.record import TrialRecord
from raysearch.ledger.run_folder import RunFolder

RECORDED = ROOT / "benchmarks" / "data" / "demo-60"
TOLERANCES = {"intrinsic_gap": 0.01, "answer_mass_ratio": 0.05, "perplexity_ratio": 0.01}
"""Of ratios around 1, and of the gap: rounding in another order, carried through all steps of a training."""
ROWS = 2
"""So many rows may be decided otherwise."""


def recorded_points(count: int) -> list[dict[str, Any]]:
    """Sampled parameters of the recorded study's first trials."""
    sampled = [record.params for record in RunFolder.open(RECORDED).ledger if record.kind == "search"]
    return sampled[:count]


def study_changes(options: argparse.Namespace, folder: Path) -> list[str]:
    """Overrides of the demo: the points, no gate, as the script has none, and a stage cache of its own."""
    points = recorded_points(options.points)
    changes = [
        f"search.trials={len(points)}",
        f"search.points={json.dumps(points)}",
        "search.gate=false",
        f"workers={{groups: {options.groups}, workers_per_group: 1, cpus_per_worker: {options.threads}, "
        f"stage_cache: {{folder: {folder / 'stages'}}}}}",  # empty: what earlier studies made is not of this one
    ]
    if options.steps is not None:
        changes += [f"unlearning.steps={options.steps}", f"anchors.unlearning.steps={options.steps}"]
    return changes + options.set


def timed(command: Sequence[str], log: Path) -> tuple[float, dict[str, float]]:
    """(seconds from the command to its end, memory). Ends the benchmark where the command fails."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    start = time.perf_counter()
    with log.open("wb") as sink:
        process = subprocess.Popen(command, stdout=sink, stderr=subprocess.STDOUT, env=environment)
        with MemoryWatch(process.pid) as memory:
            code = process.wait()
    seconds = time.perf_counter() - start
    if code != 0:
        sys.exit(f"{' '.join(command[:4])} ... ended with {code}:\n{log.read_text(errors='replace')[-3000:]}")
    return seconds, memory.facts()


def run_ours(changes: list[str], folder: Path) -> dict[str, Any]:
    """The study by `raysearch run`: seconds of all, of the trials from first to last, and the records."""
    command = [sys.executable, "-m", "raysearch.cli", "run", "demo", "--out", str(folder / "run")]
    for change in changes:
        command += ["--set", change]
    seconds, memory = timed(command, folder / "ours.log")
    records = sorted(RunFolder.open(folder / "run").ledger, key=lambda record: record.trial)
    failed = [f"trial {record.trial}: {record.reason}" for record in records if record.state != "complete"]
    if failed:
        sys.exit(f"raysearch: {'; '.join(failed)}")
    began = min(datetime.fromisoformat(record.started_at) for record in records)
    ended = max(datetime.fromisoformat(record.finished_at) for record in records)
    return {"seconds": seconds, "trials_s": (ended - began).total_seconds(), "memory": memory, "records": records}


def run_peer(records: list[TrialRecord], study: Study, options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """The same trials by the script."""
    from raysearch.models.sources import resolve

    shared = study.default_trial().model_dump(mode="json")
    settings = {
        "config": shared,
        "model_folder": resolve(study.default_trial().model).location,
        "points": [point_of(record, shared) for record in records],
        "threads": options.threads,
        "concurrent": options.groups,
        "cpus": max(os.cpu_count() or 1, options.groups * options.threads),
    }
    (folder / "settings.json").write_text(json.dumps(settings))
    script = ROOT / "benchmarks" / "peers" / "by_hand.py"
    command = [sys.executable, str(script), str(folder / "settings.json"), str(folder / "peer.json")]
    seconds, memory = timed(command, folder / "peer.log")
    return {"seconds": seconds, "memory": memory, **json.loads((folder / "peer.json").read_text())}


def point_of(record: TrialRecord, shared: dict[str, Any]) -> dict[str, Any]:
    """A record's configuration as the script's search space has it; of what is not used, any value."""
    config = TrialConfig.model_validate(record.config).model_dump(mode="json")
    unlearning = config["unlearning"] or shared["unlearning"]
    weights = {name: unlearning["losses"][name]["weight"] for name in ("gradient_ascent", "learn", "kl")}
    return {
        "unlearn": config["unlearning"] is not None,
        "cda": config["cda"]["mode"],
        "fraction": config["cda"].get("fraction", 0.5),
        "lr": unlearning["lr"],
        **weights,
        "probability_gap": unlearning["losses"]["probability_gap"]["weight"],
    }


def tolerances(record: TrialRecord) -> dict[str, float]:
    """How far a value may be from the other side's: what two rows are worth in it."""
    cells = np.asarray(list(record.groups.values()))
    return {
        **TOLERANCES,
        "accuracy": ROWS / cells.sum(),
        "demographic_parity_difference": ROWS / cells.sum(axis=(1, 2)).min(),
        "equalized_odds_difference": ROWS / cells.sum(axis=2).min(),
    }


def check_values(records: list[TrialRecord], trials: list[dict[str, Any]]) -> dict[str, float]:
    """Largest difference of each metric; ends the benchmark where one is too large."""
    largest: dict[str, float] = {}
    for record, trial in zip(records, trials, strict=True):
        for name, allowed in tolerances(record).items():
            difference = abs(record.metrics[name].value - float(trial["metrics"][name]))
            largest[name] = max(largest.get(name, 0.0), difference)
            if not difference <= allowed + 1e-9:
                sys.exit(
                    f"trial {record.trial}: {name} is {record.metrics[name].value:.4f} by raysearch and "
                    f"{trial['metrics'][name]:.4f} by hand; at most {allowed:.4f} apart is rounding"
                )
    return {name: significant(value) for name, value in largest.items()}


def bootstrap(ours: dict[str, Any], peer: dict[str, Any], pairs: list[tuple[float, float]]) -> tuple[float, float]:
    """Quartiles of the ratio of whole times, over draws of configurations; start-up and idle slots stay as they are."""
    seconds = np.asarray(pairs)
    drawn = seconds[np.random.default_rng(0).integers(0, len(pairs), (2000, len(pairs)))].sum(axis=1)
    shares = drawn / seconds.sum(axis=0)
    of_ours = ours["seconds"] + (shares[:, 0] - 1) * ours["trials_s"]
    of_peer = peer["seconds"] + (shares[:, 1] - 1) * peer["trials_s"]
    low, high = np.quantile(of_peer / of_ours, [0.25, 0.75])
    return significant(low), significant(high)


def summary(ours: dict[str, Any], peer: dict[str, Any]) -> dict[str, Any]:
    """Ratios, and a row a configuration."""
    records, rows, pairs = ours["records"], [], []
    for record, trial in zip(records, peer["trials"], strict=True):
        pairs.append((record.costs_s["total"], trial["seconds"]))
        laps = {k.removeprefix("seconds_"): v for k, v in trial["metrics"].items() if k.startswith("seconds_")}
        rows.append(
            {
                "trial": record.trial,
                "stage": record.stage,
                "ratio": significant(trial["seconds"] / record.costs_s["total"]),
                "ours_s": {stage: round(value, 2) for stage, value in record.costs_s.items()},
                "peer_s": {stage: round(value, 2) for stage, value in laps.items()} | {"total": round(pairs[-1][1], 2)},
            }
        )
    low, high = bootstrap(ours, peer, pairs)
    found = {"ratio": significant(peer["seconds"] / ours["seconds"]), "low": low, "high": high}
    found["without_start_up"] = significant(peer["trials_s"] / ours["trials_s"])
    found["by_configuration"] = spread([theirs / own for own, theirs in pairs])
    found["trials"] = rows
    for side, measured in (("ours", ours), ("peer", peer)):
        found[side] = {
            "seconds": round(measured["seconds"], 1),
            "trials_s": round(measured["trials_s"], 1),
            "trials_an_hour": significant(3600 * len(rows) / measured["seconds"]),
            **measured["memory"],
        }
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=6, help="recorded configurations beside the three anchors")
    parser.add_argument("--steps", type=int, help="of unlearning, other than the demo's 18")
    parser.add_argument("--groups", type=int, default=2, help="trials at once")
    parser.add_argument("--threads", type=int, default=1, help="of each trial")
    parser.add_argument("--set", action="append", default=[], help="PATH=VALUE in the study, for both sides")
    parser.add_argument("--out", type=Path, default=RESULTS / "end-to-end.json")
    options = parser.parse_args()
    facts = machine(options.threads)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        changes = study_changes(options, folder)
        study = load_study("demo", changes)
        ours = run_ours(changes, folder)
        print(f"raysearch: {len(ours['records'])} trials in {ours['seconds']:.1f} s", flush=True)
        peer = run_peer(ours["records"], study, options, folder)
    print(f"by hand: {len(peer['trials'])} trials in {peer['seconds']:.1f} s", flush=True)
    differences = check_values(ours["records"], peer["trials"])
    print("largest differences: " + ", ".join(f"{name} {value:.2g}" for name, value in differences.items()))
    found = summary(ours, peer)
    settings = {"groups": options.groups, "changes": [change for change in changes if place not in change]}
    keep({"machine": facts, "settings": settings, "largest_differences": differences, **found}, options.out)
    for row in found["trials"]:
        print(f"trial {row['trial']}, {row['stage']}: {row['ours_s']['total']} against {row['peer_s']['total']} s")
    print(json.dumps({name: found[name] for name in ("ratio", "low", "high", "without_start_up", "by_configuration")}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
