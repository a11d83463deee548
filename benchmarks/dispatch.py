"""What it costs to hand a trial to Ray Train workers: our warm groups against a trainer nested in each trial.

    python benchmarks/dispatch.py

Both run empty trials on one worker with one CPU, in turns in one Ray. Ours is the study's own way: searcher, Ray
Tune's actor, dispatcher, a real ``TorchTrainer`` group, record in the ledger; only what a group does with a trial is
nothing. The other is the pattern that Ray documents for tuning Ray Train ("Hyperparameter Tuning with Ray Tune"): a
function trainable whose body makes a ``TorchTrainer``, passes results on with ``TuneReportCallback`` and calls
``fit``. Both are timed from the end of a trial to the end of the next, so what a study pays once is not in it: the
start of Ray and of the warm group, which is reported apart, and with which a study of 50 trials is reckoned as well.

The last line is a JSON object: seconds a nested trial / seconds a warm trial, the median over the turns, with the
lowest and the highest; seconds of both; and the most memory (PSS, GiB) that was seen.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")

import ray
from ray import tune
from ray.train import RunConfig, ScalingConfig
from ray.train.torch import TorchTrainer
from ray.tune.integration.ray_train import TuneReportCallback

from benchmarks.measuring import machine
from benchmarks.stand_ins import Clock, Scales, made_up_attempt, tell
from raysearch.config.load import load_study
from raysearch.ledger.run_folder import RunFolder
from raysearch.study.agenda import agenda, optuna_study
from raysearch.study.run import at_work, walk_through
from raysearch.study.session import chatter_to
from raysearch.workers.dispatcher import Work
from raysearch.workers.pool import WorkerPool

STUDY_TRIALS = 50
"""A small study, for the ratio that counts what is paid once."""


def nothing(*_: Any) -> Any:
    """What a warm group does with a trial here."""
    return EMPTY


EMPTY = made_up_attempt()


def warm(pool: WorkerPool, folder: Path, trials: int) -> float:
    """Seconds a trial of a study on groups that are up."""
    changes = [f"search.trials={trials}", "search.sampler={name: random}", "search.gate=false", "workers.groups=1"]
    study = load_study("demo", changes)
    run = RunFolder.create(folder, study.text, {"study": "dispatch", "overrides": list(study.overrides)})
    clock = Clock()
    todo = agenda(study, run, trials)
    walk_through(*at_work(study, run, todo, optuna_study(study, run, []), pool, clock), run)
    assert all(record.state == "complete" for record in run.ledger)
    return seconds_each(clock.times)


class Ends(tune.Callback):
    """Notes when each trial ended."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self.times.append(time.monotonic())


def nested(folder: Path, trials: int) -> float:
    """Seconds a trial of the documented pattern."""

    def on_each_worker(config: dict[str, Any]) -> None:
        ray.train.report({"loss": 0.0})

    def trial(config: dict[str, Any]) -> None:
        name = f"train-{tune.get_context().get_trial_id()}"
        run_config = RunConfig(name=name, storage_path=str(folder), callbacks=[TuneReportCallback()])
        TorchTrainer(
            on_each_worker,
            train_loop_config=config,
            scaling_config=ScalingConfig(num_workers=1, resources_per_worker={"CPU": 1}),
            run_config=run_config,
        ).fit()

    ends = Ends()
    found = tune.Tuner(
        tune.with_resources(trial, {"cpu": 0, "memory": 1}),
        param_space={"lr": tune.uniform(0.0, 1.0)},
        tune_config=tune.TuneConfig(num_samples=trials, max_concurrent_trials=1),
        run_config=tune.RunConfig(name="tune", storage_path=str(folder), verbose=0, callbacks=[ends]),
    ).fit()
    assert not found.errors and len(ends.times) == trials, found.errors
    return seconds_each(ends.times)


def seconds_each(ends: Sequence[float]) -> float:
    """From end to end of consecutive trials."""
    return (ends[-1] - ends[0]) / (len(ends) - 1)


def measure(
    arguments: argparse.Namespace, folder: Path, scales: Scales
) -> tuple[list[float], list[float], float, float]:
    """(seconds a warm trial by turn, seconds a nested trial by turn, start of Ray, start of the group)."""
    begin = time.monotonic()
    ray.init(address="local", num_cpus=4, include_dashboard=False, log_to_driver=False)
    up = time.monotonic()
    workers = load_study("demo", ["workers.groups=1"]).config.workers
    pool = WorkerPool(workers, folder / "groups", nothing)
    pool.start()
    pool.run(Work(0, load_study("demo").default_trial().model_dump(mode="json")))
    starts = up - begin, time.monotonic() - up
    ours: list[float] = []
    theirs: list[float] = []
    try:
        with scales.watching(arguments.weigh_every):
            for turn in range(arguments.pairs):
                ours.append(warm(pool, folder / f"warm-{turn}", arguments.warm))
                theirs.append(nested(folder / f"nested-{turn}", arguments.nested))
                tell(f"turn {turn + 1}: warm {ours[-1]:.3f} s, nested {theirs[-1]:.1f} s a trial")
    finally:
        pool.stop()
        ray.shutdown()
    return ours, theirs, *starts


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--warm", type=int, default=20, help="sampled trials in a turn of ours; anchors come on top")
    parser.add_argument("--nested", type=int, default=2, help="trials in a turn of the other, 2 at least")
    parser.add_argument(
        "--weigh-every", type=float, default=1.0, help="seconds from one look at the memory to the next"
    )
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent / "results")
    arguments = parser.parse_args()
    scales = Scales()
    with tempfile.TemporaryDirectory() as folder, chatter_to(Path(folder) / "ray.log"):
        ours, theirs, ray_s, group_s = measure(arguments, Path(folder), scales)
    ratios = [their / our for our, their in zip(ours, theirs, strict=True)]
    a_warm, a_nested = statistics.median(ours), statistics.median(theirs)
    whole = (ray_s + STUDY_TRIALS * a_nested) / (ray_s + group_s + STUDY_TRIALS * a_warm)
    line = {
        "ratio": round(statistics.median(ratios), 1),
        "low": round(min(ratios), 1),
        "high": round(max(ratios), 1),
        "warm_s_per_trial": round(a_warm, 3),
        "nested_s_per_trial": round(a_nested, 1),
        "ray_start_s": round(ray_s, 1),
        "group_start_s": round(group_s, 1),
        f"ratio_of_{STUDY_TRIALS}_trials_with_start": round(whole, 1),
        "peak_gib": scales.peak_gib,
    }
    facts = {"machine": machine(), "warm_s": [round(x, 3) for x in ours], "nested_s": [round(x, 1) for x in theirs]}
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "dispatch.json").write_text(json.dumps({**facts, **line}, indent=1) + "\n")
    print(json.dumps(line))
    return 0


if __name__ == "__main__":
    sys.exit(main())
