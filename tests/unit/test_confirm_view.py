"""A front on the test split, as it is shown: in a terminal, as JSON and on the report's page."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from raysearch.ledger.run_folder import RunFolder
from raysearch.ledger.store import Ledger
from raysearch.report import confirm_view
from raysearch.report.page.build import gather, render
from raysearch.uncertainty.bootstrap import front_members
from raysearch.uncertainty.configurations import configurations

RECORDED = Path(__file__).parents[2] / "benchmarks" / "data" / "demo-60"
FAILED = {"state": "failed", "reason": "lost worker", "detail": "of a [sort]", "objectives": {}, "metrics": {}}


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """The recorded study with its front planned for the test split, and nothing scored."""
    copy = RunFolder(Path(shutil.copytree(RECORDED, tmp_path / "run")))
    found = configurations(list(copy.ledger))
    members = front_members(found, copy.study().config.objectives)
    anchors = [c.trial for c in found if c.records[0].kind == "anchor"]
    planned = [r.trial for c in found if c.trial in (*members, *anchors) for r in c.records]
    plan = {"scored_at": "then", "members": sorted(members), "anchors": anchors, "trials": sorted(planned)}
    (copy.path / "confirmation").mkdir()
    (copy.path / "confirmation" / "confirmation.json").write_text(json.dumps(plan))
    return copy


def score(run: RunFolder, lost: frozenset[int] = frozenset()) -> confirm_view.Confirmed:
    """Puts validation's own records in the place of scores on test; some trials have none."""
    place = Ledger(run.path / "confirmation")
    for trial in json.loads((run.path / "confirmation" / "confirmation.json").read_text())["trials"]:
        record: Any = run.ledger.get(trial)
        place.append(record.model_copy(update=FAILED) if trial in lost else record)
    config = run.study().config
    return confirm_view.read(run, config.objectives, config.corner)


def test_a_plan_is_no_confirmation(run: RunFolder) -> None:
    assert not run.confirmed()
    page = render(gather(run.path), [], "left out", [])
    assert "The test split" in page and 'id="test"' not in page
    score(run)
    assert run.confirmed()


def test_every_interval_holds_its_mean_over_seeds(run: RunFolder) -> None:
    found = score(run)
    assert any(len(c.records) > 1 for c in found.test) and not found.lost
    for test, ends in zip(found.test, found.intervals, strict=True):
        for name, (low, high) in ends.items():
            assert low <= test.spread(name).mean <= high


def test_a_member_that_failed_on_test_is_named_everywhere(run: RunFolder) -> None:
    twice = next(c for c in configurations(list(run.ledger)) if len(c.records) > 1)
    first, second = (record.trial for record in twice.records[:2])
    found = score(run, frozenset({41, second}))
    config = run.study().config
    assert {trial for trial, _ in found.lost} == {41, second}
    place = [c.trial for c in found.test].index(first)
    assert len(found.validation[place].records) == len(found.test[place].records), "of the same seeds"
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(confirm_view.confirmed_table(found, config.objectives, found.scored_at))
    assert "trial 41 has no score on test: lost worker: of a [sort]" in console.export_text()
    page = render(gather(run.path), [], "left out", [])
    assert "Trial 41 has no score on test: lost worker: of a [sort]." in page
    assert 'id="test"' in page and "these are the numbers to quote" in page and "The test split" not in page
