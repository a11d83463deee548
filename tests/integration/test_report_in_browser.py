"""The report in a real browser: no complaint in its console, filters and clicks work, nothing needs the network.

`make test` installs Debian's Chromium where it may; elsewhere these tests are skipped.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from raysearch.report.page.build import gather, render
from tests.many_trials import gathered

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="needs Debian's packages chromium and chromium-driver: apt-get install them"
)
RECORDED = Path(__file__).parents[2] / "benchmarks" / "data" / "demo-60"
PHONE = {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}
DESK = {"width": 1280, "height": 900, "deviceScaleFactor": 1, "mobile": False}
READ = "return location.href === arguments[0] && document.readyState === 'complete'"
INK = """
const canvas = arguments[0], data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
let count = 0;
for (let at = 3; at < data.length; at += 4) count += data[at] > 0;
return count;
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM or ""
    for flag in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        f"--user-data-dir={tmp_path_factory.mktemp('chromium')}",
    ):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    driver.set_script_timeout(60)
    driver.execute_cdp_cmd("Network.enable", {})
    driver.execute_cdp_cmd(
        "Network.emulateNetworkConditions",
        {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0},
    )
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = Path(shutil.copytree(RECORDED, tmp_path_factory.mktemp("run") / "demo-60"))
    page = run / "report.html"
    page.write_text(render(gather(run), [], "left out of this test", []), encoding="utf-8")
    return page


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("many")
    page = folder / "report.html"
    page.write_text(render(gathered(folder / "run", 5000), [], "left out of this test", []), encoding="utf-8")
    return page


def opened(browser: webdriver.Chrome, page: Path, screen: dict[str, Any]) -> None:
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    browser.get_log("browser")
    browser.get(page.as_uri())  # now and then returns while a large page is still being read
    WebDriverWait(browser, 60, poll_frequency=0.02).until(
        lambda one: one.execute_script(READ, page.as_uri()), "the page is never read to its end"
    )
    assert browser.execute_script("return document.documentElement.dataset.ready") is not None
    assert browser.get_log("browser") == []


def drawn(browser: webdriver.Chrome, selector: str) -> int:
    """Pixels with ink on a canvas, once it is on the screen and drawn."""
    canvas = browser.find_element(By.CSS_SELECTOR, selector)
    browser.execute_async_script(
        "arguments[0].scrollIntoView({behavior: 'instant', block: 'center'});"
        "const done = arguments[1]; requestAnimationFrame(() => setTimeout(() => requestAnimationFrame(done), 50));",
        canvas,
    )
    return int(browser.execute_script(INK, canvas))


def chosen(browser: webdriver.Chrome) -> str:
    return str(browser.execute_script("return document.getElementById('details').dataset.trial"))


def shown(browser: webdriver.Chrome) -> str:
    return browser.find_element(By.ID, "shown").text


def test_a_trials_configuration_is_shown_by_click_and_by_keyboard(browser: webdriver.Chrome, recorded: Path) -> None:
    opened(browser, recorded, DESK)
    first = chosen(browser)
    button = browser.find_element(By.CSS_SELECTOR, "#all button.pick[data-trial='9']")
    button.send_keys(Keys.ENTER)
    assert chosen(browser) == "9" != first
    details = browser.find_element(By.ID, "details")
    for words in ("intrinsic gap", "Constraints", "female", "Learning curves", "Cost", "raysearch export"):
        assert words in details.text
    assert "unlearning.losses.kl.weight" in details.text
    canvas = browser.find_element(By.CSS_SELECTOR, "[data-plots=pairs] canvas")
    canvas.send_keys(Keys.ARROW_RIGHT)
    assert chosen(browser) != "9"
    assert f"Trial {chosen(browser)}" in browser.find_element(By.ID, "said").get_attribute("textContent")
    assert browser.get_log("browser") == []


def test_a_click_on_a_point_chooses_its_trial(browser: webdriver.Chrome, recorded: Path) -> None:
    opened(browser, recorded, DESK)
    assert drawn(browser, "[data-plots=pairs] canvas") > 0
    clicked = browser.execute_script(
        "const node = document.querySelector('[data-plots=pairs] canvas'), box = node.getBoundingClientRect();"
        "const before = document.getElementById('details').dataset.trial;"
        "for (let x = 60; x < box.width; x += 8) for (let y = 15; y < box.height - 45; y += 8) {"
        "  node.dispatchEvent(new PointerEvent('click', {clientX: box.left + x, clientY: box.top + y, bubbles: true}));"
        "  if (document.getElementById('details').dataset.trial !== before) return true;"
        "} return false;"
    )
    assert clicked


def test_a_filter_holds_for_all_views(browser: webdriver.Chrome, recorded: Path) -> None:
    opened(browser, recorded, DESK)
    assert shown(browser) == "54 of 54 configurations shown"
    before = drawn(browser, "#parallel")
    browser.execute_script("document.querySelector(\"#filters input[value='dominated']\").click()")
    browser.execute_script("document.querySelector(\"#filters input[value='perplexity_ratio <= 1.05']\").click()")
    count = int(shown(browser).split()[0])
    assert 0 < count < 54
    rows = browser.find_elements(By.CSS_SELECTOR, "#all tbody tr")
    assert len(rows) == min(count, 25)
    assert not any("dominated" in row.text.split() for row in rows)
    assert drawn(browser, "#parallel") < before
    browser.execute_script("document.querySelector('#filters button[type=reset]').click()")
    browser.execute_async_script("setTimeout(arguments[0], 50)")
    assert shown(browser) == "54 of 54 configurations shown"


def test_every_picture_is_drawn_and_print_has_pages(browser: webdriver.Chrome, recorded: Path) -> None:
    opened(browser, recorded, DESK)
    for selector in ("[data-plots=front] canvas", "#parallel", "#volume", "[data-plots=transfer] canvas"):
        assert drawn(browser, selector) > 1000, selector
    browser.execute_cdp_cmd("Page.printToPDF", {})
    assert browser.get_log("browser") == []


@pytest.mark.parametrize("screen", [PHONE, DESK], ids=["phone", "desk"])
def test_nothing_is_wider_than_the_screen(browser: webdriver.Chrome, recorded: Path, screen: dict[str, Any]) -> None:
    opened(browser, recorded, screen)
    out = browser.execute_script(
        "const width = document.documentElement.clientWidth;"
        "return [...document.querySelectorAll('main *')].filter((node) => !node.closest('details') &&"
        "  node.getBoundingClientRect().right > width + 1).map((node) => node.outerHTML.slice(0, 80))"
    )
    assert out == []
    assert browser.execute_script("return document.documentElement.scrollWidth <= innerWidth")


def test_everything_that_acts_can_be_reached_by_keyboard_and_has_a_name(
    browser: webdriver.Chrome, recorded: Path
) -> None:
    opened(browser, recorded, DESK)
    nameless = browser.execute_script(
        "return [...document.querySelectorAll('button, a, input, canvas[tabindex]')].filter((node) =>"
        "  !(node.textContent.trim() || node.getAttribute('aria-label') || node.labels?.[0]?.textContent.trim()))"
        "  .map((node) => node.outerHTML)"
    )
    assert nameless == []
    mouse_only = (
        "return document.querySelectorAll('[data-plots] canvas:not([tabindex]), #parallel:not([tabindex])').length"
    )
    assert browser.execute_script(mouse_only) == 0


def test_five_thousand_trials_are_small_and_work(browser: webdriver.Chrome, many: Path) -> None:
    assert many.stat().st_size < 6_000_000
    opened(browser, many, DESK)
    assert shown(browser) == "5000 of 5000 configurations shown"
    assert drawn(browser, "[data-plots=pairs] canvas") > 1000
    assert drawn(browser, "#parallel") > 1000
    browser.execute_script("document.querySelector(\"#filters input[value='dominated']\").click()")
    assert int(shown(browser).split()[0]) < 5000
    assert browser.get_log("browser") == []
