"""The report that the documentation shows is what the code makes of the recorded study today.

RAYSEARCH_GOLDEN=1 writes it anew; open it in a browser before you commit it.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from raysearch.report.page.build import gather, judged, render

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "examples" / "demo-60.html"


def settled(page: str) -> str:
    """Without the time at which it was made and, as a forest may differ in its last digit, the importances."""
    page = re.sub(r"<p>Made .*? by raysearch [0-9.]+ from", "<p>Made by raysearch from", page)
    return re.sub(r'<section id="importance">.*?</section>', "", page, flags=re.DOTALL)


def test_the_example_report_is_made_by_this_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    gathered = gather(Path("benchmarks/data/demo-60"))
    if os.environ.get("RAYSEARCH_GOLDEN") == "1":
        PAGE.write_text(render(gathered, *judged(gathered), []), encoding="utf-8")
    made, kept = settled(render(gathered, [], "left out", [])), settled(PAGE.read_text(encoding="utf-8"))
    assert made.splitlines() == kept.splitlines(), "`make golden` writes it anew"
