"""What a user sees in JupyterLab: a graph that is alive, in both themes, from this machine."""

from __future__ import annotations

from pathlib import Path

import pytest
from lab_page import IDLE_MS, LabPage

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


def drawn(lab_page: LabPage, i: int) -> str:
    """The picture of a cell's graph as the browser holds it."""
    return str(
        lab_page.cell(i).evaluate(
            "el => { const c = el.querySelector('canvas'); const s = el.querySelector('svg.marks');"
            " return c ? c.toDataURL() : s ? s.outerHTML : ''; }"
        )
    )


def test_a_graph_lives(lab_page: LabPage, tmp_path: Path) -> None:
    lab_page.open(START, GRAPH)
    lab_page.run_all()
    assert lab_page.page.locator('[data-mime-type="application/vnd.jupyter.stderr"]').count() == 0
    lab_page.cell(1).locator("canvas, svg.marks").first.wait_for(timeout=IDLE_MS)
    first = drawn(lab_page, 1)
    assert first
    lab_page.page.wait_for_function(
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
        lab_page.theme(theme)
        lab_page.cell(1).locator("canvas, svg.marks").first.wait_for(timeout=IDLE_MS)
        pictures[theme] = lab_page.screenshot(tmp_path / f"{theme.split()[1].lower()}.png")
    assert pictures["JupyterLab Light"].read_bytes() != pictures["JupyterLab Dark"].read_bytes()
    assert lab_page.errors == []


def test_labels_are_text_and_nothing_else(lab_page: LabPage) -> None:
    """A label that looks like HTML is shown as it is, and runs nothing."""
    evil = '<img src=x onerror="window.promlab_was_here=1">'
    query = f"label_replace(vector(1), 'x', '{evil}', '', '')"
    lab_page.open(START, f"%promql {query}", f"%%promql --last 1m\n{query}")
    lab_page.run_all()
    lab_page.output(1).get_by_text("onerror").first.wait_for()
    lab_page.cell(2).locator("canvas, svg.marks, table").first.wait_for(timeout=IDLE_MS)
    assert lab_page.page.evaluate("window.promlab_was_here") is None
    assert lab_page.page.locator("img[src='x']").count() == 0


def test_a_mistake_is_shown_with_a_caret(lab_page: LabPage) -> None:
    lab_page.open(START, "%%promql\nsum by (mode (up)")
    lab_page.command("notebook:run-all-cells")
    output = lab_page.output(1)
    output.get_by_text("^").first.wait_for(timeout=IDLE_MS)
    assert "Traceback" not in output.inner_text()
    assert lab_page.errors == []
