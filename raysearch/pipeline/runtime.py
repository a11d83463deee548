"""What outlives a trial in a process: the loaded model, results of stages, and who is listening.

Nothing in here changes a trial's numbers: results are kept under everything that determines them, and the model's
weights are the same after a trial as before (tested).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import torch

from raysearch.config.schema import ModelConfig
from raysearch.models import language_model
from raysearch.models.language_model import LanguageModel
from raysearch.models.sharding import is_sharded
from raysearch.pipeline import stage_cache
from raysearch.pipeline.communicator import Alone, Communicator
from raysearch.pipeline.stage_cache import StageCache, Tensors

T = TypeVar("T")

WAITING = "waiting"
"""The stage of a trial that waits for what another worker group is at work on."""
MOST_PATIENCE_S = 600.0
"""A trial waits no longer in all, as whoever is at work may be stuck."""
_LOOK_AGAIN_S, _MOST_PAUSE_S = 0.05, 1.0
"""For a result that another process is at work on."""


@dataclass(frozen=True)
class Result:
    """A stage's result, to be found or made; as the arguments of ``Runtime.tensors``."""

    stage: str
    key: tuple[Any, ...]
    make: Callable[[], Tensors]
    in_memory: bool = True


class Observer(Protocol):
    """Hears what a trial does: the live screen, the debugging run, or nobody."""

    def stage(self, name: str) -> None:
        """A stage begins."""

    def progress(self, done: int, total: int, values: dict[str, float]) -> None:
        """Work done within the stage; ``values`` are loss terms where there are any."""

    def show(self, title: str, value: Any) -> None:
        """An input or output of the stage, for people."""

    def leaving(self) -> bool:
        """Whether the study is being stopped: what is not on disk will be lost."""


class Silent:
    """Nobody listens."""

    def stage(self, name: str) -> None: ...

    def progress(self, done: int, total: int, values: dict[str, float]) -> None: ...

    def show(self, title: str, value: Any) -> None: ...

    def leaving(self) -> bool:
        return False


@dataclass
class Runtime:
    """The surroundings of trials in one process.

    Attributes:
        device: where models are loaded.
        communicator: the processes that share a trial.
        observer: who hears of progress.
        cache: results of stages; by default those of this process alone, in memory.
        stage: what the trial is at.
        waited_s: seconds that trials have waited for other groups.
        patience_s: seconds for which the trial may still wait; then it makes all that it needs.
    """

    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    communicator: Communicator = field(default_factory=Alone)
    observer: Observer = field(default_factory=Silent)
    cache: StageCache = field(default_factory=StageCache)
    stage: str = ""
    waited_s: float = 0.0
    patience_s: float = MOST_PATIENCE_S
    _model: tuple[ModelConfig, LanguageModel] | None = None
    _memo: dict[tuple[Any, ...], Any] = field(default_factory=dict)

    def language_model(self, config: ModelConfig) -> LanguageModel:
        """The model of a configuration, loaded once; a different one takes its place in memory."""
        if self._model is None or self._model[0] != config:
            self.reset()
            self._model = (config, language_model.load(config, self.device))
        return self._model[1]

    @property
    def scoring(self) -> Communicator:
        """The processes that share out forward passes without gradients; each makes all of them where the model is
        spread over the processes, as its blocks are then gathered for every pass of any of them."""
        spread = self._model is not None and is_sharded(self._model[1].model)
        return Alone() if spread else self.communicator

    def reset(self) -> None:
        """Forgets the model and all that was kept: after an unexpected error nothing is taken on trust."""
        self._model = None
        self._memo.clear()
        self.cache.clear_memory()

    def once(self, key: tuple[Any, ...], make: Callable[[], T]) -> T:
        """A result that depends on ``key`` alone, made at its first use and kept while the model is loaded."""
        if key not in self._memo:
            self._memo[key] = make()
        return self._memo[key]  # type: ignore[no-any-return]

    def latest(self, name: str, key: tuple[Any, ...], make: Callable[[], T]) -> T:
        """As ``once``, for what is large: only the last result of a name is kept."""
        kept = self._memo.get((name,))
        if kept is None or kept[0] != key:
            self._memo.pop((name,), None)
            kept = self._memo[(name,)] = (key, make())
        return kept[1]

    def tensors(
        self,
        stage: str,
        key: tuple[Any, ...],
        make: Callable[[], Tensors],
        in_memory: bool = True,
        together: bool = False,
    ) -> Tensors:
        """A stage's result, found or made and kept.

        Args:
            stage: one of ``stage_cache.CODE``.
            key: its inputs; see ``stage_cache.address``.
            make: makes it; on several processes with ``together`` it may speak with the others.
            in_memory: whether other trials of this process are likely to ask for it.
            together: every process of the group asks for its result now, and all find theirs or all make them.
        """
        return self.all_of([Result(stage, key, make, in_memory)], together)[0]

    def all_of(self, wanted: Sequence[Result], together: bool = False) -> list[Tensors]:
        """Several results at once, found or made and kept.

        Where a worker group is one process, what another group is at work on is not made a second time: the others
        come first, and then it is waited for. So groups that want the same at the same time share it out.

        Args:
            wanted: the results.
            together: as for ``tensors``.
        """
        if self.communicator.size > 1:  # whose processes would have to agree on whom they wait for
            return [self._by_the_group(result, together) for result in wanted]
        found: dict[int, Tensors] = {}
        addresses = [self._address(result) for result in wanted]

        def more_of_them() -> bool:
            before = len(found)
            for place, (result, address) in enumerate(zip(wanted, addresses, strict=True)):
                if place not in found and (tensors := self._found_or_made(result, address)) is not None:
                    found[place] = tensors
            return len(found) > before

        while len(found) < len(wanted):
            if not more_of_them():
                self._wait_for(more_of_them)
        return [found[place] for place in range(len(wanted))]

    def _wait_for(self, came: Callable[[], bool]) -> None:
        """Looks again until it came, ever less often: many groups may wait, and look at the same shared storage."""
        start, pause = time.perf_counter(), _LOOK_AGAIN_S
        self.observer.stage(WAITING)
        while True:
            time.sleep(pause)
            waited = time.perf_counter() - start
            self.waited_s += waited
            self.patience_s -= waited
            if came():  # which may take long: what is not there by then is made
                break
            start, pause = time.perf_counter(), min(_MOST_PAUSE_S, 1.5 * pause)
        self.observer.stage(self.stage)

    def ahead(self, result: Result) -> None:
        """Makes a result that will be asked for, unless it is there or another process is at work on it."""
        if self.communicator.size > 1 or not self.cache.shares(result.stage):
            return
        address = self._address(result)
        if self.cache.knows(address):
            return
        with self.cache.turn(result.stage, address) as ours:
            if ours and not self.cache.knows(address):
                self._made(result, address)

    def _found_or_made(self, result: Result, address: str) -> Tensors | None:
        """None: another process is at work on it, and this one has patience left."""
        found = self.cache.find(address)
        if found is None:
            with self.cache.turn(result.stage, address) as ours:
                found = self.cache.find(address)  # it may have come meanwhile
                if found is None:
                    return self._made(result, address) if ours or self.patience_s <= 0 else None
        self.cache.counts[f"{result.stage} found"] += 1
        return self._here(found)

    def _by_the_group(self, result: Result, together: bool) -> Tensors:
        address = self._address(result)
        found = self.cache.find(address)
        if together and not all(self.communicator.gather([found is not None])):
            found = None
        if found is None:
            return self._made(result, address)
        self.cache.counts[f"{result.stage} found"] += 1
        return self._here(found)

    def _made(self, result: Result, address: str) -> Tensors:
        made = result.make()
        self.cache.counts[f"{result.stage} made"] += 1
        self.cache.put(result.stage, address, made, result.in_memory)
        return made

    def _address(self, result: Result) -> str:
        return stage_cache.address(result.stage, result.key, self.device, self.communicator.size)

    def _here(self, found: Tensors) -> Tensors:
        on_cpu = self.device.type == "cpu"
        return found if on_cpu else {name: tensor.to(self.device) for name, tensor in found.items()}


class Stopwatch:
    """Seconds by stage, those of waiting apart, and the announcement of each stage to the observer."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._start = time.perf_counter()
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Times the block and adds it to the stage's seconds."""
        self._runtime.stage = name
        self._runtime.observer.stage(name)
        start, waited = time.perf_counter(), self._runtime.waited_s
        try:
            yield
        finally:
            waited = self._runtime.waited_s - waited
            self._add(name, time.perf_counter() - start - waited)
            if waited:
                self._add(WAITING, waited)

    def _add(self, name: str, seconds: float) -> None:
        self.seconds[name] = self.seconds.get(name, 0.0) + seconds

    def costs_s(self) -> dict[str, float]:
        """Seconds by stage with the total since the stopwatch was made."""
        return {**self.seconds, "total": time.perf_counter() - self._start}
