"""What a user sees in JupyterLab: a graph that is alive, in both themes, from this machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from lab_page import IDLE_MS, LabPage
from playwright.sync_api import Browser

from tests.browser.conftest import JupyterLab, page_of

pytestmark = [pytest.mark.browser, pytest.mark.slow]

START = """\
%load_ext promlab
import promlab, time
lab = promlab.start()
lab.ready()
while not len(lab.query('count_over_time(node_time_seconds[1m]) > 1')):
    time.sleep(0.1)
"""
GRAPH = "%%promql --last 1m --step 1s\nnode_time_seconds % 60"
MISTAKE = "%%promql\nsum by (mode (up)"


def drawn(lab_page: LabPage, i: int) -> str:
    """The picture of a cell's graph as the browser holds it."""
    return str(
        lab_page.cell(i).evaluate(
            "el => { const c = el.querySelector('canvas'); const s = el.querySelector('svg.marks');"
            " return c ? c.toDataURL() : s ? s.outerHTML : ''; }"
        )
    )


EVIL = '<img src=x onerror="window.promlab_was_here=1">'
LABELLED = f"label_replace(vector(1), 'x', '{EVIL}', '', '')"
# The last one fails, and says how.
CELLS = (START, GRAPH, f"%promql {LABELLED}", f"%%promql --last 1m\n{LABELLED}", MISTAKE)


@pytest.fixture(scope="module")
def ran(jupyter: JupyterLab, browser: Browser) -> Iterator[LabPage]:
    """A page with all cells run."""
    with page_of(jupyter, browser) as page:
        page.open(*CELLS)
        page.command("notebook:run-all-cells")
        page.output(len(CELLS) - 1).get_by_text("^").first.wait_for(timeout=IDLE_MS)
        yield page
        assert page.errors == []


def test_a_graph_lives(ran: LabPage, tmp_path: Path) -> None:
    for i in range(len(CELLS) - 1):
        assert ran.cell(i).locator('[data-mime-type="application/vnd.jupyter.stderr"]').count() == 0
    ran.cell(1).locator("canvas, svg.marks").first.wait_for(timeout=IDLE_MS)
    first = drawn(ran, 1)
    assert first
    ran.page.wait_for_function(
        """before => {
          const cell = document.querySelectorAll('.jp-Notebook .jp-Cell')[1];
          const c = cell.querySelector('canvas'), s = cell.querySelector('svg.marks');
          const now = c ? c.toDataURL() : s ? s.outerHTML : '';
          return now && now !== before;
        }""",
        arg=first,
        timeout=IDLE_MS,
    )
    pictures = {}
    for theme in ("JupyterLab Light", "JupyterLab Dark"):
        ran.theme(theme)
        ran.cell(1).locator("canvas, svg.marks").first.wait_for(timeout=IDLE_MS)
        pictures[theme] = ran.screenshot(tmp_path / f"{theme.split()[1].lower()}.png")
    assert pictures["JupyterLab Light"].read_bytes() != pictures["JupyterLab Dark"].read_bytes()
    assert ran.errors == []


def test_labels_are_text_and_nothing_else(ran: LabPage) -> None:
    """A label that looks like HTML is shown as it is, and runs nothing."""
    ran.output(2).get_by_text("onerror").first.wait_for()
    ran.cell(3).locator("canvas, svg.marks, table").first.wait_for(timeout=IDLE_MS)
    assert ran.page.evaluate("window.promlab_was_here") is None
    assert ran.page.locator("img[src='x']").count() == 0


def test_a_mistake_is_shown_with_a_caret(ran: LabPage) -> None:
    output = ran.output(len(CELLS) - 1)
    output.get_by_text("^").first.wait_for(timeout=IDLE_MS)
    assert "Traceback" not in output.inner_text()
    assert ran.errors == []
