"""Ray around a study: starting it, watching it, and keeping its chatter out of the user's screen."""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from raysearch.config.load import Study
from raysearch.config.schema import WorkersConfig
from raysearch.errors import UserError
from raysearch.study.listener import Listener

_POLL_S = 0.5
_CONNECT_S = 5.0


def start_ray(study: Study, address: str | None, listener: Listener) -> None:
    """Starts Ray on this machine, or joins a cluster.

    Raises:
        UserError: no cluster at the address, or this machine has not the kind of GPU that is asked for.
    """
    import ray

    workers = study.config.workers
    cpus = workers.groups * workers.workers_per_group * workers.cpus_per_worker
    settings: dict[str, Any] = {"namespace": f"raysearch-{os.getpid()}-{time.time_ns()}", "log_to_driver": True}
    if address is None:
        # A laptop may run more processes than it has cores; on a cluster Ray's own count holds.
        settings |= {"num_cpus": max(cpus, os.cpu_count() or 1), "include_dashboard": False}
        # A process for each group that looks for nodes which a cloud takes back: one machine is not taken back in part.
        os.environ.setdefault("RAY_TRAIN_ENABLE_PREEMPTION_WATCHER", "0")
    try:
        ray.init(address=address or "local", **settings)  # None would join whatever cluster RAY_ADDRESS names
    except (ConnectionError, ValueError) as error:
        raise UserError(
            f"--address {address}: no Ray cluster answers there ({error}). Start it with `ray start --head`."
        ) from error
    there = int(ray.cluster_resources().get("CPU", 0))  # type: ignore[no-untyped-call]
    if there < cpus:
        listener.say(f"the cluster has {there} CPUs and the study asks for {cpus}: groups wait until more join")
    lacking = _lacking(workers, ray.nodes())  # type: ignore[no-untyped-call]
    if lacking and address is None:
        ray.shutdown()
        raise UserError(f"workers: this machine has no {lacking[0]}. Leave it out, or give --address of a cluster.")
    if lacking:
        listener.say(f"no node of the cluster has {', '.join(lacking)}: groups wait until one joins")


def _lacking(workers: WorkersConfig, nodes: Sequence[Mapping[str, Any]]) -> list[str]:
    """What is asked for and no living node has, in words. Of a label only the key: Ray knows what values fit."""
    kinds = [] if workers.accelerator_type is None else [f"accelerator_type:{workers.accelerator_type}"]
    alive = [node for node in nodes if node["Alive"]]
    resources = {name for node in alive for name in node["Resources"]}
    labels = {name for node in alive for name in node["Labels"]}
    return [
        *(f"resource '{name}'" for name in [*workers.resources, *kinds] if name not in resources),
        *(f"label '{name}'" for name in workers.label_selector if name not in labels),
    ]


def check_place(study: Study, address: str | None) -> None:
    """Checks what can be known of the place before Ray starts.

    Raises:
        UserError: nothing answers at the address, or this machine has not what the groups ask for.
    """
    if address is None:
        _check_gpus(study)
        _check_kinds(study)
    else:
        _check_address(address)


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


def _check_kinds(study: Study) -> None:
    """Ray would wait for ever for a node of a kind that only a cluster has."""
    workers = study.config.workers
    for setting, asked in (("resources", workers.resources), ("label_selector", workers.label_selector)):
        if asked:
            raise UserError(
                f"workers.{setting}: {', '.join(asked)}: Ray on this machine alone has no nodes to choose from. "
                f"Give --address of a cluster whose nodes have it, or leave {setting} out."
            )


@contextmanager
def watch(pool: Any, listener: Listener) -> Iterator[None]:
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
def chatter_to(path: Path, shown: bool = False) -> Iterator[None]:
    """Sends whatever this process writes to its standard output and error to a file, libraries in C included.

    Args:
        path: the file.
        shown: leave it on the screen instead.
    """
    if shown:
        yield
        return
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
