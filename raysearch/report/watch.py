"""``raysearch watch``: the screen of a study that another process runs, here or on another machine."""

from __future__ import annotations

import time

from rich.console import Console
from rich.live import Live
from rich.text import Text

from raysearch.ledger.run_folder import RunFolder
from raysearch.report.screen import PLAIN_EVERY_S, Screen, View, plain
from raysearch.report.sight import Sight

_EVERY_S = 1.0


def watch(run: RunFolder, console: Console, once: bool = False) -> None:
    """Shows a run until there is nothing left to do on it.

    Where no process works on it, it says so and waits for one.

    Args:
        run: what to watch.
        console: a terminal gets one screen that changes, anything else a line now and then.
        once: show the screen once and return.

    Raises:
        RunFolderError: a record cannot be read, or the folder is gone.
        KeyboardInterrupt: stopped by the user; the run goes on.
    """
    sight = Sight(run)
    view = sight.look()
    if once or sight.done:
        console.print(Screen(view))
    elif console.is_terminal:
        _on_terminal(sight, view, console)
    else:
        _in_lines(sight, view, console)


def _on_terminal(sight: Sight, view: View, console: Console) -> None:
    with Live(console=console, auto_refresh=False, redirect_stdout=False, redirect_stderr=False) as live:
        while True:
            live.update(Screen(view, console.size.height - 1), refresh=True)
            if sight.done:
                return
            time.sleep(_EVERY_S)
            view = sight.look()


def _in_lines(sight: Sight, view: View, console: Console) -> None:
    said, last = (-1, ""), 0.0
    while not sight.done:
        now = (view.tally.recorded, view.standing)
        if now != said or time.monotonic() - last >= PLAIN_EVERY_S:
            said, last = now, time.monotonic()
            line = Text(f"[{time.strftime('%H:%M:%S')}] {plain(view)}; {view.standing}")
            console.print(line, highlight=False, soft_wrap=True)
        time.sleep(_EVERY_S)
        view = sight.look()
    console.print(Screen(view))
