"""The front on the test split, for the page: what was chosen on validation, and what it is worth on rows never seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from raysearch.ledger.run_folder import RunFolder
from raysearch.report import confirm_view
from raysearch.report.front_table import ARROW, short


@dataclass(frozen=True)
class TestCell:
    """An objective of one configuration: ``before`` on validation, ``value`` and ``interval`` on test, as text."""

    head: str
    before: str
    value: str
    interval: str


@dataclass(frozen=True)
class OnTest:
    """A scored front.

    Attributes:
        scored_at: when.
        heads: of the objectives.
        rows: (trial, name, place on the test fronts, cells).
        lost: (trial, why it has no score).
        hypervolumes: of validation, and of the optimistic and the pessimistic front on test.
    """

    scored_at: str
    heads: list[str]
    rows: list[tuple[int, str, str, list[TestCell]]]
    lost: list[tuple[int, str]]
    hypervolumes: Mapping[str, float]


def confirmation(run: RunFolder, objectives: Mapping[str, str], corner: Sequence[float]) -> OnTest | None:
    """The confirmation of a run; None while there is none, or it is not finished.

    Args:
        run: its folder.
        objectives: metric -> direction.
        corner: reference point in the metrics' own signs.
    """
    if not run.confirmed():
        return None
    found = confirm_view.read(run, objectives, corner)
    heads = {name: f"{short(name)} {ARROW[direction]}" for name, direction in objectives.items()}
    rows = []
    for index, (before, test) in enumerate(zip(found.validation, found.test, strict=True)):
        record, ends = test.records[0], found.intervals[index]
        cells = [
            TestCell(
                head,
                f"{before.spread(name).mean:.3f}",
                f"{test.spread(name).mean:.3f}",
                f"{ends[name][0]:.3f} to {ends[name][1]:.3f}",
            )
            for name, head in heads.items()
        ]
        name = f"{record.stage}, anchor" if record.kind == "anchor" else record.stage
        place = confirm_view.place(test.feasible, found.optimistic[index], found.pessimistic[index])
        rows.append((test.trial, name, place, cells))
    return OnTest(found.scored_at, list(heads.values()), rows, found.lost, found.hypervolumes)
