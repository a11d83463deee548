"""A study that is watched: the numbers of the screen, that it fits, who is at work; no screen stops a study."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from raysearch.config.load import Study
from raysearch.errors import RunFolderError
from raysearch.ledger.progress import GroupNow, Progress, read_progress, write_progress
from raysearch.ledger.record import Estimate, ProposalRecord, TrialRecord
from raysearch.ledger.run_folder import RunFolder
from raysearch.pipeline.preflight import anchors
from raysearch.report.live import LiveScreen
from raysearch.report.screen import Screen, View, duration, plain
from raysearch.report.sight import Sight
from raysearch.report.status import overview, summarize
from raysearch.report.tally import Tallies, Tally, anchors_of, tally
from raysearch.report.watch import watch
from raysearch.study.herald import Herald
from raysearch.uncertainty.table import read_configurations
from tests.unit.test_ledger import record

RECORDED = Path(__file__).parents[2] / "benchmarks" / "data" / "demo-60"
TEXT = """\
name: small
trial: {seed: !int {low: 0, high: 9}}
objectives: {intrinsic_gap: minimize, accuracy: maximize}
reference_point: {intrinsic_gap: 0.5, accuracy: 0.5}
search: {trials: 4, replicates: {share: 0.25, most_seeds: 3}}
"""
STUDY = Study.from_text(TEXT, Path("small.yaml"), ())


def trial(number: int, gap: float = 0.3, accuracy: float = 0.7, **changes: Any) -> TrialRecord:
    values = {"intrinsic_gap": gap, "accuracy": accuracy}
    metrics = {name: Estimate(value=value, low=value, high=value, n=10) for name, value in values.items()}
    return record(number, **{"objectives": values, "metrics": metrics, **changes})


def failed(number: int, **changes: Any) -> TrialRecord:
    return trial(
        number, state="failed", reason="ran out of memory", feasible=None, objectives={}, metrics={}, **changes
    )


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return RunFolder.create(tmp_path / "run", TEXT, {"overrides": []})


def drawn(view: View, width: int = 80, height: int | None = 24) -> list[str]:
    console = Console(width=width, height=height, color_system=None)
    with console.capture() as capture:
        console.print(Screen(view, height))
    return capture.get().rstrip("\n").split("\n")


def progress(**changes: Any) -> Progress:
    group = GroupNow(trial=3, stage="unlearning", done=2, total=9, loss=0.25)
    given: dict[str, Any] = {"at_s": time.time(), "host": "elsewhere", "pid": 77, "work": "search", "state": "working"}
    return Progress(**{**given, "total": 7, "groups": {"group-0": group}, **changes})


def test_states_best_and_hypervolume_are_of_feasible_configurations() -> None:
    records = [
        trial(0, gap=0.4, accuracy=0.8, kind="anchor"),
        trial(1, gap=0.1, accuracy=0.6),
        trial(2, gap=0.0, accuracy=1.0, feasible=False, constraints={"x": 1.0}),
        trial(3, gap=0.3, accuracy=0.6, kind="replicate", replicate_of=1),
        failed(4),
        trial(5, state="stopped", objectives={}, feasible=None),
        trial(6, state="gated", objectives={}, metrics={}, feasible=False),
    ]
    found = tally(records, STUDY)
    assert (found.recorded, found.complete, found.feasible, found.anchors, found.replicates) == (7, 4, 3, 1, 1)
    assert (found.stopped, found.gated, found.failed) == (1, 1, {"ran out of memory": 1})
    assert found.best["intrinsic_gap"].value == pytest.approx(0.2), "the mean of two seeds, not the luckier one"
    assert (found.best["intrinsic_gap"].trial, found.best["accuracy"].trial) == (1, 0)
    # within gap 0.5 and accuracy 0.5: (0.4, 0.8) takes 0.1 x 0.3, (0.2, 0.6) 0.3 x 0.1, both 0.1 x 0.1
    assert found.hypervolume == pytest.approx(0.03 + 0.03 - 0.01)


def test_the_hypervolume_is_the_one_that_the_front_shows() -> None:
    value, _, _ = read_configurations(RECORDED).attrs["hypervolume"]
    assert summarize(RunFolder.open(RECORDED))["hypervolume"] == pytest.approx(value)


def test_the_rate_counts_the_time_in_which_a_trial_ran_and_no_pause() -> None:
    def at(start: str, end: str) -> dict[str, str]:
        return {"started_at": f"2026-01-01T{start}+00:00", "finished_at": f"2026-01-01T{end}+00:00"}

    together = [trial(0, **at("10:00:00", "10:10:00")), trial(1, **at("10:05:00", "10:15:00"))]
    after_a_night = [trial(2, **at("22:00:00", "22:15:00"))]
    assert tally([*together, *after_a_night], STUDY).trials_per_hour == pytest.approx(3 / 0.5)
    assert tally([trial(0), failed(1)], STUDY).trials_per_hour is None, "records that do not say when"


def test_the_tally_is_made_anew_only_where_a_record_came(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    monkeypatch.setattr("raysearch.report.tally.tally", lambda records, study: made.append(len(records)) or Tally())
    tallies = Tallies(STUDY)
    tallies.add([trial(0)])
    tallies.now(), tallies.now()
    tallies.add([trial(1)])
    tallies.now()
    assert made == [1, 2]


def test_counting_leaves_a_driver_most_of_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, made = [0.0], []

    def slow(records: list[TrialRecord], study: Study) -> Tally:
        clock[0] += 2.0
        made.append(clock[0])
        return Tally(recorded=len(records))

    monkeypatch.setattr("raysearch.report.tally.tally", slow)
    monkeypatch.setattr("raysearch.report.tally.time.monotonic", lambda: clock[0])
    tallies = Tallies(STUDY)
    for number in range(1000):
        tallies.add([trial(number)])
        tallies.now(rest=24.0)
        clock[0] += 1.0
    assert sum(2.0 for _ in made) / clock[0] < 0.05 and len(made) > 1
    assert tallies.now().recorded == 1000, "who has nothing else to do gets the last word"


@pytest.mark.parametrize(
    "more", ["", "anchors: {cda: {mode: none}}\n", "anchors: {cda: {mode: replace, fraction: 0.5}}\n"]
)
def test_as_many_anchors_are_expected_as_a_study_has(more: str) -> None:
    study = Study.from_text(TEXT + more, Path("small.yaml"), ())
    assert anchors_of(study) == len(anchors(study))


def crowded() -> View:
    names = ("intrinsic_gap", "demographic_parity_difference", "equalized_odds_difference", "accuracy")
    groups = {
        f"group-{index}": GroupNow(trial=1000 + index, stage="unlearning", done=100, total=1000, loss=123.456)
        for index in range(40)
    }
    view = overview(RunFolder.open(RECORDED))
    reasons = {"a group is too small, or has no positives or negatives, to measure a rate": 12, "no answer": 3}
    counted = replace(view.tally, stopped=99, gated=99, failed=reasons)
    assert set(view.objectives) == set(names)
    more = {"running": 40, "working": True, "standing": "searching, by process 123456 on a-host", "groups": groups}
    return replace(view, path="/a/path/that/is/quite/long/" * 4, total=5000, tally=counted, **more)


def test_a_crowded_screen_fits_80_by_24_and_counts_the_groups_that_it_leaves_out() -> None:
    lines = drawn(crowded())
    assert len(lines) == 24 and max(map(len, lines)) <= 80
    text = "\n".join(lines)
    for words in ("63/5000", "stopped early 99", "failed 15", "running 40", "left 4937", "EqOdds ↓ 0.131 (trial 15)"):
        assert words in text
    for words in ("hypervolume    0.4166 from (1, 1, 1, 0)", "trials/hour, about 3 d", "unlearning 1 h 22 min 53%"):
        assert words in text
    assert "group-0        trial 1000: unlearning 100/1000, loss 123.456" in text
    shown = sum(line.startswith("group-") for line in lines)
    assert shown > 2 and f"{40 - shown} more" in lines[-1] and f"{40 - shown} with a trial" in lines[-1]


def test_a_screen_that_may_be_long_shows_every_group() -> None:
    assert sum(line.startswith("group-") for line in drawn(crowded(), height=None)) == 40


def test_a_screen_that_cannot_be_drawn_says_so_and_raises_nothing() -> None:
    assert drawn(replace(crowded(), objectives={}))[0].startswith("this screen cannot be drawn (KeyError")


@pytest.mark.parametrize(
    ("records", "words"),
    [
        ([], "nothing is complete so far"),
        ([trial(0)], "intrinsic gap ↓ 0.300 (trial 0)"),
        ([failed(0)], "nothing is complete so far"),
        ([trial(0, feasible=False, constraints={"x": 1.0})], "no trial holds all constraints so far"),
    ],
    ids=["an empty run", "one trial", "one that failed", "all infeasible"],
)
def test_a_run_with_little_in_it_gives_a_sensible_screen(
    run: RunFolder, records: list[TrialRecord], words: str
) -> None:
    for found in records:
        run.ledger.append(found)
    text = "\n".join(drawn(overview(run)))
    assert words in text and f"{len(records)}/7" in text
    assert f"noprocessworksonit;resumewith:raysearchresume{run.path}" in "".join(text.split())
    json.dumps(summarize(run), allow_nan=False)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "0 s"), (59, "59 s"), (61, "1 min 01 s"), (3540, "59 min"), (11100, "3 h 05 min"), (180_000, "2 d 2 h")],
)
def test_a_length_of_time_is_said_in_the_units_that_matter(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_a_run_that_is_held_is_at_work_and_one_that_is_let_go_is_not(run: RunFolder) -> None:
    run.ledger.propose(ProposalRecord(trial=0, kind="anchor", config={}))
    with run.driving():
        view = Sight(run).look()
        assert (view.working, view.running) == (True, 1)
        assert "does not say yet" in view.standing
        write_progress(run, progress())
        view = Sight(run).look()
        assert view.standing == "searching, by process 77 on elsewhere"
        assert str(view.groups["group-0"]) == "trial 3: unlearning 2/9, loss 0.250"
        assert "group-0 trial 3: unlearning 2/9, loss 0.250" in plain(view)
    write_progress(run, progress(state="stopped"))
    view = Sight(run).look()
    assert (view.working, view.groups) == (False, {})
    assert "unfinished 1" in "\n".join(drawn(view)), "nobody runs it"


def test_a_fresh_word_from_another_machine_counts_where_locks_do_not_pass_and_an_old_one_does_not(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_progress(run, progress())
    assert Sight(run).look().working
    write_progress(run, progress(at_s=time.time() - 3600))
    assert not Sight(run).look().working, "it was killed an hour ago"
    monkeypatch.setattr("socket.gethostname", lambda: "elsewhere")
    write_progress(run, progress())
    assert not Sight(run).look().working, "here the lock knows better: it was killed just now"


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[]", progress(version=99).model_dump_json().encode()])
def test_a_word_that_cannot_be_read_is_as_good_as_none(run: RunFolder, content: bytes) -> None:
    (run.path / "progress.json").write_bytes(content)
    assert read_progress(run) is None
    assert not Sight(run).look().working


def test_a_run_is_done_when_nothing_is_left_though_not_every_seed_was_asked_for(run: RunFolder) -> None:
    for number in range(6):
        run.ledger.append(trial(number, kind="anchor" if number < 3 else "search"))
    sight = Sight(run)
    assert sight.look().left == 1 and sight.done, "three explore, and the fourth would have been another seed"
    write_progress(run, progress(state="stopped"))
    sight.look()
    assert not sight.done, "it was stopped before it came to the seeds"
    write_progress(run, progress(state="done"))
    assert "done" in sight.look().standing and sight.done
    run.extend(9)
    assert sight.look().total == 12 and not sight.done


def test_each_look_reads_only_what_is_new(run: RunFolder) -> None:
    run.ledger.append(trial(0))
    sight = Sight(run)
    assert sight.look().tally.recorded == 1
    (run.path / "ledger" / "000000.jsonl").write_text("no record any more")
    run.ledger.append(trial(1))
    assert sight.look().tally.recorded == 2


def test_a_run_that_is_removed_while_it_is_watched_is_one_line(run: RunFolder) -> None:
    sight = Sight(run)
    (run.path / "manifest.json").unlink()
    with pytest.raises(RunFolderError, match="cannot be read any more"):
        sight.look()


class Broken:
    """A screen whose terminal is gone."""

    def _gone(self, *_: Any) -> None:
        raise OSError("the terminal is gone")

    say = started = working = reached = finished = _gone


def test_a_broken_screen_does_not_stop_the_study_and_the_folder_still_tells(run: RunFolder) -> None:
    state = SimpleNamespace(
        work=SimpleNamespace(number=4), stage="intrinsic", done=0, total=0, values={"loss": float("nan")}
    )
    with Herald(Broken(), run) as herald:
        herald.started(run, STUDY, 7, 0)
        assert read_progress(run).state == "working"  # type: ignore[union-attr]
        herald._last = 0.0
        herald.working({"group-0": state})
        herald.finished(trial(0))
        herald.say("x")
        herald.reached(0, 1)
        told = read_progress(run)
        assert told is not None and (told.total, str(told.groups["group-0"])) == (7, "trial 4: intrinsic")
    told = read_progress(run)
    assert told is not None and (told.state, told.groups) == ("done", {})


def test_a_study_that_ends_by_an_error_is_not_told_to_be_done(run: RunFolder) -> None:
    with pytest.raises(KeyboardInterrupt), Herald(LiveScreen(Console(file=StringIO())), run):
        raise KeyboardInterrupt
    assert read_progress(run).state == "stopped"  # type: ignore[union-attr]


def test_a_folder_that_takes_no_word_does_not_stop_the_study(run: RunFolder) -> None:
    (run.path / ".progress.part").mkdir()
    with Herald(LiveScreen(Console(file=StringIO())), run) as herald:
        herald.started(run, STUDY, 7, 0)
    assert read_progress(run) is None


@pytest.mark.parametrize("terminal", [True, False])
def test_the_live_screen_shows_what_the_ledger_will_hold(run: RunFolder, terminal: bool) -> None:
    out = StringIO()
    console = Console(file=out, force_terminal=terminal, width=100, height=24, color_system=None)
    run.ledger.append(trial(0, gap=0.4))
    group = SimpleNamespace(work=SimpleNamespace(number=2), stage="metrics", done=1, total=2, values={})
    with LiveScreen(console).shown() as screen:
        screen.started(run, STUDY, 7, 1)
        screen.finished(trial(1, gap=0.2))
        screen.working({"group-0": group})
    text = out.getvalue()
    assert "7 trials, 1 of them recorded already" in text
    assert "trial   1 baseline" in text
    assert "trial 2: metrics 1/2" in text
    assert ("intrinsic gap ↓ 0.200 (trial 1)" in text) == terminal
    assert ("2/7 trials; group-0 trial 2: metrics 1/2; hypervolume" in text) == (not terminal)


@pytest.mark.parametrize("terminal", [True, False])
def test_watching_ends_by_itself_when_the_study_is_done(
    run: RunFolder, terminal: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def work(_: float) -> None:
        number = sum(1 for _ in run.ledger)
        run.ledger.append(trial(number, kind="anchor" if number < 3 else "search"))

    monkeypatch.setattr(
        "raysearch.report.watch.time", SimpleNamespace(sleep=work, monotonic=time.monotonic, strftime=time.strftime)
    )
    out = StringIO()
    watch(run, Console(file=out, force_terminal=terminal, width=100, height=24, color_system=None))
    assert sum(1 for _ in run.ledger) == 6, "three anchors and three trials; the seed is not waited for"
    assert "no process works on it; resume with" in out.getvalue()
    assert "done: nothing is left to do" in out.getvalue()
    assert ("2/7 trials" in out.getvalue()) == (not terminal)
