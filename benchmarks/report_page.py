"""How fast a report opens: with 5,000 trials, and with 100, in a real headless Chromium, in turns.

    python benchmarks/report_page.py
    python benchmarks/report_page.py --trials 20000

From the moment that the browser is told the file's address until the page's script has run to its end and what is on
the screen is drawn; what is far below is drawn when it comes near. The trials are made up (`tests/many_trials.py`).
Needs Chromium and its driver (`make browser`).
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

from benchmarks.measuring import RESULTS, keep, machine, significant, spread
from raysearch.report.page.build import render
from tests.many_trials import gathered

DRAWN = (
    "const done = arguments[0]; requestAnimationFrame(() => setTimeout(() => requestAnimationFrame(() => done()), 0));"
)
"""What is on the screen is drawn a frame after the script has run."""


def open_s(browser: webdriver.Chrome, page: Path) -> float:
    """Seconds until the page is ready. A blank page comes before, so that nothing of the last one is left."""
    browser.get("about:blank")
    begin = time.perf_counter()
    browser.get(page.as_uri())
    while browser.execute_script("return document.documentElement.dataset.ready") is None:
        assert time.perf_counter() - begin < 60.0, f"{page} is never ready"
        time.sleep(0.01)
    browser.execute_async_script(DRAWN)
    return time.perf_counter() - begin


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=5000)
    parser.add_argument("--few", type=int, default=100)
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--out", type=Path, default=RESULTS / "report-page.json")
    arguments = parser.parse_args()
    driver, chromium = shutil.which("chromedriver"), shutil.which("chromium")
    if driver is None or chromium is None:
        sys.exit("no Chromium with its driver here; `make browser` installs them")
    options = Options()
    options.binary_location = chromium
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1280,1000"):
        options.add_argument(argument)
    with tempfile.TemporaryDirectory() as folder:
        pages, made = [], []
        for count in (arguments.few, arguments.trials):
            begin = time.perf_counter()
            text = render(gathered(Path(folder) / f"run-{count}", count), [], "not asked for here", [])
            made.append(time.perf_counter() - begin)
            pages.append(Path(folder) / f"{count}.html")
            pages[-1].write_text(text, encoding="utf-8")
        browser = webdriver.Chrome(options=options, service=Service(driver))
        try:
            for page in pages:
                open_s(browser, page)  # the first of all starts processes
            seconds = [[open_s(browser, page) for page in pages] for _ in range(arguments.pairs)]
        finally:
            browser.quit()
        few, many = zip(*seconds, strict=True)
        line = {
            **spread([large / small for small, large in seconds]),
            "open_s": significant(float(np.median(many))),
            "open_s_most": significant(max(many)),
            "open_few_s": significant(float(np.median(few))),
            "made_s": significant(made[1]),
            "megabytes": significant(pages[1].stat().st_size / 1e6),
            "trials": arguments.trials,
        }
    keep({"machine": machine(), "seconds": seconds, **line}, arguments.out)
    print(json.dumps(line))
    return 0


if __name__ == "__main__":
    sys.exit(main())
