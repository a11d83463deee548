"""One screen that shows how a search goes: while it runs, from another terminal, or afterwards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rich.columns import Columns
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from raysearch.ledger.progress import GroupNow
from raysearch.report.front_table import ARROW, short
from raysearch.report.tally import Tally

PLAIN_EVERY_S = 20.0
"""Without a terminal: a line this often shows that the study is alive and does not fill a log."""
_LABEL = 14
_MOST_STAGES = 6
_BAR_MOST = 44
_COMPLETE, _MILD, _BAD = "green", "yellow", "red"


@dataclass(frozen=True)
class View:
    """What the screen shows.

    Attributes:
        name: of the study.
        path: of the run.
        objectives: metric -> direction.
        corner: reference point of the hypervolume, in the metrics' own signs.
        total: trials in all, anchors included.
        tally: of what is recorded.
        running: trials that are handed out and not recorded.
        working: a process works on the run.
        standing: how the work stands, in one sentence.
        groups: what each worker group does.
        notes: further lines.
    """

    name: str
    path: str
    objectives: Mapping[str, str]
    corner: Sequence[float]
    total: int
    tally: Tally
    running: int = 0
    working: bool = False
    standing: str = ""
    groups: Mapping[str, GroupNow] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def left(self) -> int:
        """Trials that are not recorded yet."""
        return max(0, self.total - self.tally.recorded)


@dataclass(frozen=True)
class Screen:
    """The view for a terminal. Groups that find no room are counted, not shown.

    An error in it is shown in its place: whoever draws a screen may be in the middle of a study.

    Args:
        view: what to show.
        height: lines that it may take; None for as many as it needs.
    """

    view: View
    height: int | None = None

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        try:
            lines = console.render_lines(Group(*_parts(self.view)), options, pad=False)
            room = len(self.view.groups)
            if self.height is not None:
                room = max(0, self.height - len(lines))
            yield Group(*_parts(self.view), *_groups(self.view.groups, room))
        except Exception as error:
            yield Text(f"this screen cannot be drawn ({type(error).__name__}: {error}); the study is not touched")


def plain(view: View) -> str:
    """The view in one line, for a log."""
    tally = view.tally
    parts = [f"{tally.recorded}/{view.total} trials"]
    parts += [f"{name} {state}" for name, state in view.groups.items()]
    if tally.complete:
        parts.append(f"hypervolume {tally.hypervolume:.4f}")
    parts += [] if tally.trials_per_hour is None else [_rate(view)]
    return "; ".join(parts)


def duration(seconds: float) -> str:
    """A length of time in the two units that matter: ``3 h 05 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes = whole // 60
    if minutes < 60:
        return f"{minutes} min" if minutes >= 10 else f"{minutes} min {whole % 60:02d} s"
    hours = minutes // 60
    return f"{hours} h {minutes % 60:02d} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"


def _parts(view: View) -> list[RenderableType]:
    tally = view.tally
    head = Text.assemble((view.name, "bold"), "  ", (view.path, "cyan"), no_wrap=True, overflow="ellipsis")
    rows = Table.grid(padding=(0, 1))
    rows.add_column(width=_LABEL, style="dim", no_wrap=True)
    rows.add_column(overflow="fold")  # a command that is cut off is of no use
    rows.add_row("trials", _bar(view))
    rows.add_row("", _states(view))
    if view.standing:
        rows.add_row("work", Text(view.standing))
    rows.add_row("best feasible", _best(view))
    if tally.complete:
        corner = ", ".join(f"{value:g}" for value in view.corner)
        rows.add_row("hypervolume", Text(f"{tally.hypervolume:.4f}").append(f" from ({corner})", style="dim"))
    if tally.trials_per_hour is not None:
        rows.add_row("rate", _rate(view))
    if set(tally.costs_s) - {"total"}:
        rows.add_row("cost by stage", _costs(tally))
    for reason, count in tally.failed.items():
        rows.add_row("failed", Text(f"{count}: {reason}", style=_BAD))
    return [head, rows, *(Text(note, style="dim") for note in view.notes)]


def _bar(view: View) -> RenderableType:
    tally, line = view.tally, Table.grid(padding=(0, 1))
    anchors = f"{tally.anchors} anchor" + ("" if tally.anchors == 1 else "s")
    line.add_column(max_width=_BAR_MOST)
    line.add_row(
        ProgressBar(max(1, view.total), min(tally.recorded, view.total), complete_style="cyan", finished_style="green"),
        Text(f"{tally.recorded}/{view.total}", style="bold").append(f", {anchors}", style="not bold"),
    )
    return line


def _states(view: View) -> RenderableType:
    tally = view.tally
    counts = [
        ("complete", tally.complete, _COMPLETE),
        ("of these infeasible", tally.complete - tally.feasible, _MILD),
        ("stopped early", tally.stopped, _MILD),
        ("gated", tally.gated, _MILD),
        ("failed", tally.failures, _BAD),
        ("running" if view.working else "unfinished", view.running, "bold"),
        ("more seeds", tally.replicates, ""),
        ("left", view.left, ""),
    ]
    always = {"complete", "of these infeasible", "failed", "left"}
    shown = [(name, count, style) for name, count, style in counts if count or name in always]
    return _flow([Text.assemble(f"{name} ", (str(count), style if count else "dim")) for name, count, style in shown])


def _best(view: View) -> RenderableType:
    if not view.tally.best:
        return "no trial holds all constraints so far" if view.tally.complete else "nothing is complete so far"
    return _flow(
        [
            Text.assemble(f"{short(name)} {ARROW[view.objectives[name]]} ", (f"{best.value:.3f}", "bold")).append(
                f" (trial {best.trial})", style="dim"
            )
            for name, best in view.tally.best.items()
        ]
    )


def _rate(view: View) -> str:
    rate = f"{view.tally.trials_per_hour:.3g} trials/hour"
    seconds = view.tally.seconds_left(view.left)
    if not view.left or seconds is None:
        return rate
    return f"{rate}, about {duration(seconds)} {'left' if view.working else 'for those left'}"


def _costs(tally: Tally) -> RenderableType:
    stages = sorted(((s, name) for name, s in tally.costs_s.items() if name != "total"), reverse=True)
    whole = sum(seconds for seconds, _ in stages) or 1.0
    shown, rest = stages[:_MOST_STAGES], sum(seconds for seconds, _ in stages[_MOST_STAGES:])
    if rest:
        shown.append((rest, "the rest"))
    return _flow(
        [
            Text.assemble(f"{name} ", (duration(seconds), "bold")).append(f" {seconds / whole:.0%}", style="dim")
            for seconds, name in shown
        ]
    )


def _flow(items: list[Text]) -> RenderableType:
    return Columns(items, padding=(0, 2))


def _groups(groups: Mapping[str, GroupNow], room: int) -> list[RenderableType]:
    if not groups or not room:
        return []
    shown = list(groups.items())
    hidden = shown[room - 1 :] if len(shown) > room else []
    table = Table.grid(padding=(0, 1))
    table.add_column(width=_LABEL, style="dim", no_wrap=True)
    table.add_column(no_wrap=True, overflow="ellipsis")
    for name, state in shown[: len(shown) - len(hidden)]:
        table.add_row(name, str(state))
    if hidden:
        busy = sum(state.trial is not None for _, state in hidden)
        table.add_row(f"{len(hidden)} more", f"{busy} with a trial, {len(hidden) - busy} without")
    return [table]
