"""Each explainer in JupyterLab: dragged, moved by keys, chosen from, in both themes.

What is expected comes from the kernel's own answer to the same moves; here it is whether the page
gets there, and says so in words too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from lab_page import LabPage
from playwright.sync_api import Browser, Locator, expect

from tests.browser.conftest import JupyterLab, page_of

pytestmark = [pytest.mark.browser, pytest.mark.slow]

NAMES = "vanishing", "quantile", "choose_type"
CELLS = "from promlab.lab import explain", *(f"explain.{name}()" for name in NAMES)
PATIENCE_MS = 60_000
Pictured = Callable[[str], Locator]
THEMES = ("JupyterLab Light", "JupyterLab Dark")


@pytest.fixture(scope="module")
def shown(jupyter: JupyterLab, browser: Browser) -> Iterator[LabPage]:
    """A page with one of each."""
    with page_of(jupyter, browser) as page:
        page.open(*CELLS)
        page.run_all()
        yield page


def opened(shown: LabPage, name: str) -> Locator:
    explainer = shown.cell(1 + NAMES.index(name)).locator(".promlab-explainer")
    explainer.wait_for(timeout=PATIENCE_MS)
    explainer.scroll_into_view_if_needed()
    return explainer


def drag(lab_page: LabPage, explainer: Locator, handle: str, pixels: int) -> None:
    grip = explainer.locator(f'[data-name="{handle}"] rect')
    grip.scroll_into_view_if_needed()
    box = grip.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    mouse = lab_page.page.mouse
    mouse.move(x, y)
    mouse.down()
    for step in range(1, 11):
        mouse.move(x + pixels * step / 10, y)
    mouse.up()


def now_at(explainer: Locator, handle: str) -> float:
    return float(explainer.locator(f'[data-name="{handle}"]').get_attribute("aria-valuenow") or "")


def number(explainer: Locator, what: str) -> Locator:
    """The number of one row of the table."""
    head = explainer.page.get_by_role("rowheader", name=what, exact=True)
    return explainer.locator("tr").filter(has=head).locator("td").first


def verdict(explainer: Locator) -> Locator:
    return explainer.locator(".promlab-verdict")


@pytest.fixture
def pictures(shown: LabPage, tmp_path: Path) -> Iterator[Pictured]:
    """Afterwards, the explainer in both themes; nothing may have gone wrong in the console."""
    explainers: list[Locator] = []

    def pictured(name: str) -> Locator:
        explainers.append(opened(shown, name))
        return explainers[-1]

    yield pictured
    for theme in THEMES:
        shown.theme(theme)
        explainers[0].scroll_into_view_if_needed()
        shown.screenshot(tmp_path / f"{theme.split()[1].lower()}.png")
    assert shown.errors == []


def test_vanishing(shown: LabPage, pictures: Pictured) -> None:
    explainer = pictures("vanishing")
    expect(verdict(explainer)).to_contain_text("the marker ended the series")
    before = now_at(explainer, "at")
    drag(shown, explainer, "at", -60)
    assert now_at(explainer, "at") < before
    expect(verdict(explainer)).to_contain_text("the engine says: 5", timeout=PATIENCE_MS)

    # The exporter's own timestamps: five minutes from the last one, and not a second more.
    ending, guess = explainer.locator("select").nth(0), explainer.locator("select").nth(3)
    ending.select_option("the exporter sends its own timestamps: no marker")
    expect(explainer.get_by_text("by the exporter's own clock")).to_be_visible(timeout=PATIENCE_MS)
    grip = explainer.locator('[data-name="at"]')
    grip.focus()
    shown.page.keyboard.press("End")
    expect(verdict(explainer)).to_contain_text("too old", timeout=PATIENCE_MS)
    guess.select_option("a value")
    expect(explainer.get_by_text("the engine says: nothing", exact=True)).to_be_visible(
        timeout=PATIENCE_MS
    )
    guess.select_option("nothing")
    expect(explainer.locator(".good")).to_have_text("right", timeout=PATIENCE_MS)


def test_quantile(shown: LabPage, pictures: Pictured) -> None:
    explainer = pictures("quantile")
    expect(verdict(explainer)).to_contain_text("more than 5 % off")
    native = number(explainer, "native histogram").inner_text()
    # Bounds at 0.35 and 0.45 s: the truth is between them.
    drag(shown, explainer, "b4", -68)
    drag(shown, explainer, "b3", 107)
    expect(verdict(explainer)).to_contain_text("within 5 %", timeout=PATIENCE_MS)
    assert number(explainer, "native histogram").inner_text() == native  # it has no bounds

    # A plateau: what waits longer than the last bound is told as the last bound.
    explainer.locator("select").nth(0).select_option("a stall")
    explainer.locator("select").nth(1).select_option("0.99")
    expect(verdict(explainer)).to_contain_text("which nobody waited for", timeout=PATIENCE_MS)
    expect(number(explainer, "estimate")).to_have_text("10 s")
    grip = explainer.locator('[data-name="b6"]')
    grip.focus()
    shown.page.keyboard.press("End")
    expect(verdict(explainer)).not_to_contain_text("nobody", timeout=PATIENCE_MS)


def test_choose_type(shown: LabPage, pictures: Pictured) -> None:
    explainer = pictures("choose_type")
    expect(verdict(explainer)).to_have_text("0 of 12 are right")
    first = explainer.locator("label", has_text="requests answered").locator("select")
    first.select_option("gauge")
    expect(explainer.locator(".bad")).to_contain_text("between two scrapes", timeout=PATIENCE_MS)
    listing = explainer.locator(".promlab-listing")
    expect(listing).to_contain_text("# TYPE events_now gauge")
    first.select_option("counter")
    expect(verdict(explainer)).to_have_text("1 of 12 are right", timeout=PATIENCE_MS)
    expect(listing).to_contain_text("events.inc()")
    shares = explainer.locator("label", has_text="share of uploads").locator("select")
    shares.select_option("summary")
    expect(explainer.locator(".bad")).to_contain_text("can't be added", timeout=PATIENCE_MS)
    expect(listing).to_contain_text("# TYPE seconds summary")
