"""Ray around a study: starting it, watching it, and keeping its chatter out of the user's screen."""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from raysearch.config.load import Study
from raysearch.errors import UserError
from raysearch.study.listener import Listener

_POLL_S = 0.5
_CONNECT_S = 5.0


def start_ray(study: Study, address: str | None, listener: Listener) -> None:
    """Starts Ray on this machine, or joins a cluster.

    Raises:
        UserError: no cluster at the address.
    """
    import ray

    workers = study.config.workers
    cpus = workers.groups * workers.workers_per_group * workers.cpus_per_worker
    settings: dict[str, Any] = {"namespace": f"raysearch-{os.getpid()}-{time.time_ns()}", "log_to_driver": True}
    if address is None:
        # A laptop may run more processes than it has cores; on a cluster Ray's own count holds.
        settings |= {"num_cpus": max(cpus, os.cpu_count() or 1), "include_dashboard": False}
    try:
        ray.init(address=address or "local", **settings)  # None would join whatever cluster RAY_ADDRESS names
    except (ConnectionError, ValueError) as error:
        raise UserError(
            f"--address {address}: no Ray cluster answers there ({error}). Start it with `ray start --head`."
        ) from error
    there = int(ray.cluster_resources().get("CPU", 0))  # type: ignore[no-untyped-call]
    if there < cpus:
        listener.say(f"the cluster has {there} CPUs and the study asks for {cpus}: groups wait until more join")


def check_place(study: Study, address: str | None) -> None:
    """Checks what can be known of the place before Ray starts.

    Raises:
        UserError: nothing answers at the address, or this machine has not the GPUs.
    """
    if address is None:
        _check_gpus(study)
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
