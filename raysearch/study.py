"""A study from start to front: the only module that joins the searcher and the workers. Ray Tune runs here.

run_study(load_study("demo"), Path("runs/demo"), listener)
"""

from __future__ import annotations

import functools
import os
import pickle
import shutil
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from raysearch import __version__
from raysearch.config.load import Study
from raysearch.errors import RaysearchError, UserError
from raysearch.ledger.read import write_parquet
from raysearch.ledger.record import TrialRecord
from raysearch.ledger.run_folder import RunFolder
from raysearch.pipeline.preflight import Anchor, anchors, check

_POLL_S = 0.5
_CONNECT_S = 5.0


class Listener(Protocol):
    """Hears how a study goes: the live screen, or nobody."""

    def say(self, text: str) -> None:
        """A line for the user."""

    def started(self, run: RunFolder, study: Study, total: int) -> None:
        """Workers are coming up; ``total`` trials will run, anchors included."""

    def working(self, groups: dict[str, Any]) -> None:
        """What each worker group does now (``workers.dispatcher.GroupState`` by name); called twice a second."""

    def finished(self, record: TrialRecord) -> None:
        """A trial is in the ledger."""


class StudyError(RaysearchError):
    """A study could not go on; what it had finished is in the ledger."""


def run_study(study: Study, path: Path, listener: Listener, address: str | None = None, command: str = "") -> RunFolder:
    """Checks everything, makes the run folder, runs the anchors and the search, and leaves the ledger.

    Args:
        study: what to search.
        path: the new run's folder.
        listener: hears of progress.
        address: of a Ray cluster; None starts Ray on this machine.
        command: written to the manifest.

    Raises:
        UserError: before anything starts.
        StudyError: the baseline failed, too many trials failed in a row, or no worker group is left.
        KeyboardInterrupt: stopped by the user; finished trials are in the ledger.
    """
    chosen = anchors(study)
    check(study, chosen, listener.say)
    from raysearch.search.samplers import build

    build(study.config.search.sampler)
    if address is None:
        _check_gpus(study)
    else:
        _check_address(address)
    run = RunFolder.create(path, study.text, _manifest(study, command))
    total = len(chosen) + study.config.search.trials
    listener.started(run, study, total)
    with _chatter_to(run.logs / "ray.log"):
        try:
            _search(study, run, chosen, listener, address)
        except UserError:
            if not any(run.ledger):  # nothing has run: the same command must work once the mistake is mended
                shutil.rmtree(run.path)
            raise
        finally:
            if run.path.exists():
                write_parquet(run)
    return run


def _manifest(study: Study, command: str) -> dict[str, Any]:
    return {
        "study": study.config.name,
        "raysearch": __version__,
        "command": command or " ".join(sys.argv),
        "overrides": list(study.overrides),
    }


def _search(study: Study, run: RunFolder, chosen: list[Anchor], listener: Listener, address: str | None) -> None:
    import ray

    from raysearch.pipeline.attempt import Attempt
    from raysearch.search.recorder import Recorder, verdict
    from raysearch.search.searcher import ParetoSearcher, Proposal, Verdict, open_study
    from raysearch.workers.pool import WorkerPool

    _start_ray(study, address, listener)
    pool = WorkerPool(study.config.workers, (run.path / "ray").resolve())
    pool.start()  # first of all: the groups come up while the rest is put in order
    recorder = Recorder(study, run)
    problems: list[str] = []

    def settle(proposal: Proposal, lost: bool) -> Verdict:
        result = pool.collect(proposal.number)
        attempt: Attempt | None = None if result.attempt is None else pickle.loads(result.attempt)
        record = recorder.record(
            proposal, attempt, result.reason, result.detail, result.started_at_s, result.finished_at_s
        )
        listener.finished(record)
        if record.state == "failed" and proposal.anchor == "baseline":
            problems.append(f"the baseline failed: {record.reason}: {record.detail}")
        elif recorder.failures_in_a_row >= study.config.search.max_consecutive_failures:
            problems.append(
                f"{recorder.failures_in_a_row} trials failed in a row, the last: {record.reason}: {record.detail}"
            )
        if problems:
            searcher.stop()
        return verdict(record)

    searcher = ParetoSearcher(
        open_study(run.journal, run.path.name, study.config),
        study.space,
        [(anchor.stage, anchor.config.model_dump(mode="json")) for anchor in chosen],
        settle,
        study.config.search.trials,
        study.config.workers.groups,
    )
    try:
        with _watch(pool, listener):
            _tune(searcher, pool, run, len(chosen) + study.config.search.trials)
    finally:
        searcher.abandon("the study was stopped before the trial finished")
        pool.stop()
        ray.shutdown()
    if problems:
        raise StudyError(problems[0])
    if not searcher.exhausted:  # Ray Tune takes the first Ctrl-C and returns as if all was done
        raise KeyboardInterrupt


def _start_ray(study: Study, address: str | None, listener: Listener) -> None:
    import ray

    workers = study.config.workers
    cpus = workers.groups * workers.workers_per_group * workers.cpus_per_worker
    settings: dict[str, Any] = {"namespace": f"raysearch-{os.getpid()}-{time.time_ns()}", "log_to_driver": True}
    if address is None:
        # A laptop may run more processes than it has cores; on a cluster Ray's own count holds.
        settings |= {"num_cpus": max(cpus, os.cpu_count() or 1), "include_dashboard": False}
    try:
        ray.init(address=address, **settings)
    except ConnectionError as error:
        raise UserError(
            f"--address {address}: no Ray cluster answers there ({error}). Start it with `ray start --head`."
        ) from error
    there = int(ray.cluster_resources().get("CPU", 0))  # type: ignore[no-untyped-call]
    if there < cpus:
        listener.say(f"the cluster has {there} CPUs and the study asks for {cpus}: groups wait until more join")


def _check_address(address: str) -> None:
    """Ray tries for minutes to reach a port where nothing listens; a plain connection knows at once."""
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdigit() or "://" in address:
        return  # `auto`, or a form that Ray knows better
    try:
        socket.create_connection((host, int(port)), timeout=_CONNECT_S).close()
    except OSError as error:
        raise UserError(
            f"--address {address}: nothing answers there ({error}). Start a cluster with `ray start --head`, "
            "or leave --address out to use this machine."
        ) from error


def _check_gpus(study: Study) -> None:
    """Ray would wait for ever for GPUs that this machine does not have."""
    import torch

    workers, available = study.config.workers, torch.cuda.device_count()
    needed = workers.groups * workers.workers_per_group * workers.gpus_per_worker
    if needed > available:
        raise UserError(
            f"workers: {workers.groups} groups x {workers.workers_per_group} x {workers.gpus_per_worker:g} GPUs need "
            f"{needed:g}; this machine has {available}. Lower gpus_per_worker, or give --address of a cluster."
        )


def _tune(searcher: Any, pool: Any, run: RunFolder, total: int) -> None:
    """Runs Ray Tune to the end of the search. Its own files go to RUN/ray; nothing of ours is read from them."""
    os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
    os.environ.setdefault("TUNE_MAX_PENDING_TRIALS_PG", "1")
    from ray import tune

    from raysearch.workers.trainable import run_on_group

    trainable = functools.partial(run_on_group, dispatcher=pool.dispatcher_name, namespace=pool.namespace)
    tuner = tune.Tuner(
        # The work is done in the groups: a trial itself needs nothing, and Ray wants at least a byte to be named.
        tune.with_resources(trainable, {"cpu": 0, "memory": 1}),
        tune_config=tune.TuneConfig(
            search_alg=searcher,
            num_samples=total,
            reuse_actors=True,
            trial_name_creator=lambda trial: f"trial-{trial.config.get('number', 0):06d}",
            trial_dirname_creator=lambda trial: f"trial-{trial.config.get('number', 0):06d}",
        ),
        run_config=tune.RunConfig(name="tune", storage_path=str((run.path / "ray").resolve()), verbose=0),
    )
    tuner.fit()


@contextmanager
def _watch(pool: Any, listener: Listener) -> Iterator[None]:
    """Tells the listener what the groups do, from a thread, while Ray Tune holds the main one."""
    end = threading.Event()

    def poll() -> None:
        while not end.wait(_POLL_S):
            try:
                listener.working(pool.snapshot())
            except Exception:  # Ray is going down: there is nothing to watch any more
                return

    thread = threading.Thread(target=poll, name="raysearch-watch", daemon=True)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join(timeout=5.0)


@contextmanager
def _chatter_to(path: Path) -> Iterator[None]:
    """Sends whatever this process writes to its standard output and error to a file, libraries in C included."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = os.dup(1), os.dup(2)
    with path.open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for number, original in zip((1, 2), kept, strict=True):
            os.dup2(original, number)
            os.close(original)
