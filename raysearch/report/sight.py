"""A run seen from outside: everything that the screen shows, from the files in its folder alone.

Any machine that sees the folder can look, as often as it likes, while another one searches.
"""

from __future__ import annotations

import json
import shlex

from raysearch.errors import RunFolderError
from raysearch.ledger.progress import Progress, at_work, read_progress
from raysearch.ledger.run_folder import RunFolder
from raysearch.report.screen import View
from raysearch.report.tally import Tallies, Tally, anchors_of


class Sight:
    """Looks at a run, again and again; each record is read once.

    Args:
        run: what to look at.
    """

    def __init__(self, run: RunFolder) -> None:
        self._run = run
        self._study = run.study()
        self._tallies = Tallies(self._study)
        self.done = False

    def look(self, notes: bool = False) -> View:
        """The run as it is now; ``done`` then says whether there is nothing left to do.

        Args:
            notes: say, too, what a reader of the finished run should know.

        Raises:
            RunFolderError: a record cannot be read, or the folder is gone.
        """
        run, study = self._run, self._study
        progress = read_progress(run)
        working = at_work(run, progress)
        # In this order: what is recorded between the two looks is then not taken for a trial that nobody works on.
        unfinished = run.ledger.unfinished()
        self._tallies.add(run.ledger.unknown(self._tallies.known))
        tally = self._tallies.now()
        unfinished = [number for number in unfinished if number not in self._tallies.known]
        asked = self._asked()
        total = asked + anchors_of(study)
        self.done = not working and self._nothing_left(tally, unfinished, asked, total, progress)
        fresh = working and progress is not None and progress.state == "working"
        return View(
            name=study.config.name,
            path=str(run.path),
            objectives=study.config.objectives,
            corner=study.config.corner,
            total=total,
            tally=tally,
            running=len(unfinished),
            working=working,
            standing=self._standing(working, progress if fresh else None),
            groups=progress.groups if fresh and progress is not None else {},
            notes=tuple(self._notes(tally)) if notes else (),
        )

    def _asked(self) -> int:
        try:
            return self._run.asked_trials(self._study)
        except (OSError, json.JSONDecodeError) as error:
            raise RunFolderError(f"{self._run.path}: cannot be read any more ({error}).") from error

    def _nothing_left(
        self, tally: Tally, unfinished: list[int], asked: int, total: int, progress: Progress | None
    ) -> bool:
        if unfinished:
            return False
        if tally.recorded >= total:
            return True
        if progress is not None and progress.work == "search" and progress.total == total:
            return progress.state == "done"  # more seeds are asked for only while the front is unsure
        explore = asked - round(self._study.config.search.replicates.share * asked)
        return tally.recorded - tally.anchors - tally.replicates >= explore

    def _standing(self, working: bool, progress: Progress | None) -> str:
        if self.done:
            return "done: nothing is left to do"
        if not working:
            return f"no process works on it; resume with: raysearch resume {shlex.quote(str(self._run.path))}"
        if progress is None:
            return "a process works on it, and does not say yet what its workers do"
        what = "scoring the front on the test split" if progress.work == "confirm" else "searching"
        return f"{what}, by process {progress.pid} on {progress.host}"

    def _notes(self, tally: Tally) -> list[str]:
        found = []
        if tally.texts_cut:
            found.append(f"{tally.texts_cut} texts were cut to fit the model")
        if self._run.confirmed():
            found.append("the front is scored on the test split: `raysearch confirm` shows it")
        elif tally.complete:
            found.append("not scored on the test split: `raysearch confirm` does, once")
        return found
