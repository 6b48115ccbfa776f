"""The tour in JupyterLab, from top to bottom, and an explainer that is dragged."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from lab_page import IDLE_MS, LabPage
from playwright.sync_api import Locator

pytestmark = [pytest.mark.browser, pytest.mark.slow]

TOUR = Path(__file__).parent.parent.parent / "notebooks" / "00-tour.ipynb"
ANSWERED = """([title, before]) => {
  const shown = document.querySelector('.promlab-explainer .promlab-title');
  return shown && shown.textContent !== before;
}"""


def cells() -> list[str]:
    """The tour's code, without its end: what it made is still to be looked at."""
    notebook = nbformat.read(TOUR, as_version=4)
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    assert code[-1].startswith("lab.stop()")
    return code[:-1]


def title(explainer: Locator) -> str:
    return explainer.locator(".promlab-title").inner_text()


def test_the_tour_and_a_window_that_is_dragged(lab_page: LabPage, tmp_path: Path) -> None:
    code = cells()
    lab_page.open(*code)
    lab_page.run_all()
    page = lab_page.page
    assert page.locator('[data-mime-type="application/vnd.jupyter.stderr"]').count() == 0
    page.get_by_text("TooMuchTea").last.wait_for(timeout=IDLE_MS)

    explainer = page.locator(".promlab-explainer").first
    explainer.scroll_into_view_if_needed()
    before = title(explainer)
    grip = explainer.locator('[data-name="start"] rect')
    box = grip.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    for moved in range(1, 9):
        page.mouse.move(x - 10 * moved, y)
    page.mouse.up()
    page.wait_for_function(ANSWERED, arg=["", before], timeout=IDLE_MS)
    dragged = title(explainer)
    # By the keyboard too: End takes the right edge to the end of the axis.
    explainer.locator('[data-name="end"]').focus()
    page.keyboard.press("End")
    page.wait_for_function(ANSWERED, arg=["", dragged], timeout=IDLE_MS)
    explainer.get_by_text("at second 150").first.wait_for(timeout=IDLE_MS)
    assert "the engine says" in explainer.locator(".promlab-verdict").inner_text()

    for theme in ("JupyterLab Light", "JupyterLab Dark"):
        lab_page.theme(theme)
        explainer.scroll_into_view_if_needed()
        lab_page.screenshot(tmp_path / f"{theme.split()[1].lower()}.png")
    assert lab_page.errors == []
