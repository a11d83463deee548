"""The screen of a running study: what it has come to and what each group does; plain lines where is no terminal."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from raysearch.config.load import Study
from raysearch.ledger.progress import GroupNow
from raysearch.ledger.record import TrialRecord
from raysearch.ledger.run_folder import RunFolder
from raysearch.report.front_table import short
from raysearch.report.screen import PLAIN_EVERY_S, Screen, View, duration, plain
from raysearch.report.tally import Tallies

_REST = 24.0
"""The process that draws the screen drives the search, too: counting takes 4 % of its time at most."""


class LiveScreen:
    """Listens to ``study.run_study``.

    Args:
        console: where to write; must not be the process's own standard output, which goes to a log meanwhile.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live: Live | None = None
        self._last_plain = 0.0
        self._start = time.monotonic()
        self._view: View | None = None
        self._tallies: Tallies | None = None

    @contextmanager
    def shown(self) -> Iterator[LiveScreen]:
        """Shows the screen for the length of the block."""
        if not self._console.is_terminal:
            yield self
            return
        live = Live(
            console=self._console, refresh_per_second=4, transient=True, redirect_stdout=False, redirect_stderr=False
        )
        live.start()
        self._live = live
        try:
            yield self
        finally:
            self._live = None
            with suppress(OSError):  # the terminal may be gone by now; the study is not
                live.stop()

    def say(self, text: str) -> None:
        """A line above the screen."""
        self._console.print(Text(text, style="dim"))

    def started(self, run: RunFolder, study: Study, total: int, done: int) -> None:
        """Begins counting."""
        self._start = time.monotonic()
        self._tallies = Tallies(study)
        if done:  # else there is nothing to add, or the run's records are not what is counted: on the test split
            self._tallies.add(run.ledger)
        self._view = View(
            name=study.config.name,
            path=str(run.path),
            objectives=study.config.objectives,
            corner=study.config.corner,
            total=total,
            tally=self._tallies.now(),
            working=True,
        )
        workers = study.config.workers
        before = f", {done} of them recorded already" if done else ""
        self._console.print(
            f"[bold]{study.config.name}[/]: {total} trials{before} on {workers.groups} worker group(s) of "
            f"{workers.workers_per_group} process(es); run folder [cyan]{escape(str(run.path))}[/]"
        )

    def working(self, groups: Mapping[str, Any]) -> None:
        """Shows what each group does."""
        due = self._live is not None or time.monotonic() - self._last_plain >= PLAIN_EVERY_S
        if self._view is None or self._tallies is None or not due:
            return
        doing = {name: GroupNow.of(state) for name, state in groups.items()}
        self._view = replace(
            self._view,
            tally=self._tallies.now(_REST),
            running=sum(state.trial is not None for state in doing.values()),
            standing=f"at work for {duration(time.monotonic() - self._start)}",
            groups=doing,
        )
        if self._live is not None:
            self._live.update(Screen(self._view, self._console.size.height - 1))
        else:
            self._last_plain = time.monotonic()
            line = f"[{self._elapsed()}] {plain(self._view)}"
            self._console.print(line, highlight=False, markup=False, soft_wrap=True)

    def reached(self, trial: int, fidelity: int) -> None:
        """Nothing: a trial that goes on is seen at work, one that does not has a line when it is recorded."""

    def finished(self, record: TrialRecord) -> None:
        """One line a trial."""
        if self._tallies is not None:
            self._tallies.add([record])
        self._console.print(line_of(record, self._elapsed()), soft_wrap=True)

    def _elapsed(self) -> str:
        seconds = int(time.monotonic() - self._start)
        return f"{seconds // 60:02d}:{seconds % 60:02d}"


def line_of(record: TrialRecord, at: str) -> Text:
    """A finished trial in one line; ``at`` is a time in words."""
    name = {"anchor": f"{record.stage} anchor", "replicate": f"seed for {record.replicate_of}"}.get(
        record.kind, record.stage
    )
    line = Text(f"[{at}] trial {record.trial:>3} {name:<17}")
    if record.state == "failed":
        return line.append(f" failed: {record.reason}: {record.detail}", style="red")
    if record.state != "complete":
        return line.append(f" {record.state}: {record.detail}", style="yellow")
    values = "  ".join(f"{short(metric)} {value:.3f}" for metric, value in record.objectives.items())
    line.append(f" {values}")
    if not record.feasible:
        broken = [name for name, violation in record.constraints.items() if violation > 0]
        line.append(f"  infeasible: {'; '.join(broken)}", style="yellow")
    return line


class Bar:
    """An observer of one trial with a bar a stage, for a trial that runs alone.

    Args:
        console: where to write.
        title: what runs.
    """

    def __init__(self, console: Console, title: str) -> None:
        self._title = title
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            transient=True,
        )
        self._task = self._progress.add_task(title, total=None)

    def __enter__(self) -> Bar:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def stage(self, name: str) -> None:
        """A new stage."""
        self._progress.reset(self._task, description=f"{self._title}: {name}", total=None)

    def progress(self, done: int, total: int, values: dict[str, float]) -> None:
        """Within the stage."""
        self._progress.update(self._task, completed=done, total=total)

    def show(self, title: str, value: Any) -> None:
        """Not shown."""

    def leaving(self) -> bool:
        """Nobody stops it but Ctrl-C."""
        return False
