"""What every timing is kept with: the machine, the spread over pairs, and the memory of the processes that ran."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import resource
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

RESULTS = Path(__file__).resolve().parent / "results"
GIB = 2**30
_LIBRARIES = ("torch", "transformers", "peft", "ray", "optuna", "scikit-learn", "raysearch")


def machine(threads: int | None = None) -> dict[str, Any]:
    """What a reader needs to judge a time: processor, cores, threads (of torch, where it works), load, versions."""
    versions = {"python": platform.python_version()}
    for library in _LIBRARIES:
        try:
            versions[library] = importlib.metadata.version(library)
        except importlib.metadata.PackageNotFoundError:
            versions[library] = "not installed"
    return {
        "cpu": _processor(),
        "cores": os.cpu_count(),
        **({} if threads is None else {"threads": threads}),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIB, 1),
        "load_at_start": [round(load, 2) for load in os.getloadavg()],
        "system": f"{platform.system()} {platform.machine()}",
        "versions": versions,
    }


def _processor() -> str:
    """Name of the processor, with the number of its model where the name alone says little."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    found = dict(reversed([[part.strip() for part in line.split(":", 1)] for line in lines if ":" in line]))
    return f"{found.get('model name', '?')}, family {found.get('cpu family', '?')} model {found.get('model', '?')}"


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median and quartiles over pairs, under the names that every benchmark ends with."""
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
    return {"ratio": significant(middle), "low": significant(low), "high": significant(high)}


def significant(value: float) -> float:
    """Rounded to four digits that mean something."""
    return float(f"{value:.4g}")


def operations_run(run: Callable[[], Any]) -> int:
    """Operations that torch runs in it, by torch's own counter: matrix products, and attention where it knows them."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        run()
    return int(counter.get_total_flops())


def own_peak_gib() -> float:
    """Most memory that this process has held since it began."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / GIB, 3)


def keep(result: dict[str, Any], place: Path) -> None:
    """Writes a result file."""
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(json.dumps(result, indent=1) + "\n")


class MemoryWatch:
    """Watches a process and its descendants from a thread: most memory of itself, and of the others together.

    Resident memory; pages that processes share are counted in each.

    Args:
        process: id of the process.
        every_s: how often to look.
    """

    def __init__(self, process: int, every_s: float = 0.5) -> None:
        self._process, self._every_s = process, every_s
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.driver_gib = self.workers_gib = self.largest_worker_gib = 0.0

    def __enter__(self) -> MemoryWatch:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._end.set()
        self._thread.join()

    def _watch(self) -> None:
        import psutil

        while True:
            try:
                watched = psutil.Process(self._process)
                self.driver_gib = max(self.driver_gib, round(watched.memory_info().rss / GIB, 3))
                held = [_resident(child) for child in watched.children(recursive=True)]
                self.workers_gib = max(self.workers_gib, round(sum(held) / GIB, 3))
                self.largest_worker_gib = max(self.largest_worker_gib, round(max(held, default=0) / GIB, 3))
            except psutil.Error:  # it has ended
                return
            if self._end.wait(self._every_s):
                return

    def facts(self) -> dict[str, float]:
        """What was seen."""
        return {
            "driver_peak_gib": self.driver_gib,
            "workers_peak_gib": self.workers_gib,
            "largest_worker_peak_gib": self.largest_worker_gib,
        }


def _resident(process: Any) -> int:
    import psutil

    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0
