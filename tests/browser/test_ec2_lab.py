"""The EC2 lab in JupyterLab to the end of step 5, and a log-in from JupyterLab's terminal."""

from __future__ import annotations

import shutil
from pathlib import Path

import nbformat
import pytest
from lab_page import LabPage
from playwright.sync_api import Page, expect

pytestmark = [pytest.mark.browser, pytest.mark.slow]

NOTEBOOK = Path(__file__).parent.parent.parent / "notebooks" / "ec2-lab.ipynb"
PATIENCE_MS = 300_000  # twelve processes start, on a machine that may be busy
# Where the test looks for what was typed into the terminal.
WHERE = "print('disk:', cloud.disk(instance) / 'home/ubuntu'); print(cloud.ssh_command(instance))"


def cells() -> list[str]:
    """The code of steps 1 to 5."""
    found = []
    for cell in nbformat.read(NOTEBOOK, as_version=4).cells:
        if cell.cell_type == "markdown" and cell.source.startswith("## 6."):
            return found
        if cell.cell_type == "code":
            found.append(cell.source)
    raise AssertionError("the notebook has no step 6")


def number_of(code: list[str], start: str) -> int:
    return next(i for i, cell in enumerate(code) if cell.startswith(start))


def test_the_lab_to_step_5_and_a_terminal(lab_page: LabPage, tmp_path: Path) -> None:
    code = [*cells(), WHERE, "course"]
    lab_page.open(*code)
    lab_page.run_all(PATIENCE_MS)
    page = lab_page.page

    # The firewall: nobody answers; the naive rule is refused, the narrow one is not.
    expect(lab_page.output(number_of(code, "import time"))).to_contain_text("deadline exceeded")
    expect(lab_page.output(number_of(code, "everything"))).to_contain_text("the whole world")
    expect(lab_page.output(number_of(code, "script ="))).to_contain_text("Permission denied")
    expect(lab_page.output(number_of(code, "from promlab.client"))).to_contain_text(
        "3 targets are up: node, prometheus, shop"
    )
    card = lab_page.output(len(code) - 1)
    expect(card).to_contain_text("5 of 6")
    graphs = [number_of(code, "%%promql --last 1m"), len(code) - 3]
    for i in graphs:
        lab_page.cell(i).locator("canvas, svg.marks").first.wait_for(timeout=PATIENCE_MS)

    for theme in ("JupyterLab Light", "JupyterLab Dark"):
        lab_page.theme(theme)
        name = theme.split()[1].lower()
        for i in (number_of(code, "script ="), *graphs, len(code) - 1):
            lab_page.cell(i).scroll_into_view_if_needed()
            lab_page.cell(i).locator(".jp-OutputArea-output").first.wait_for(timeout=PATIENCE_MS)
            lab_page.screenshot(tmp_path / f"{name}-{i}.png")

    if shutil.which("ssh") is not None:
        log_in(lab_page, tmp_path, lab_page.output(len(code) - 2).inner_text())
    assert page.locator('[data-mime-type="application/vnd.jupyter.stderr"]').count() == 0
    assert lab_page.errors == []


def log_in(lab_page: LabPage, tmp_path: Path, printed: str) -> None:
    """Type the line that the notebook prints into a terminal, and be on the instance."""
    disk, command = (line.strip() for line in printed.strip().splitlines()[-2:])
    page, home = lab_page.page, Path(disk.removeprefix("disk: "))
    lab_page.command("terminal:create-new")
    screen = page.locator(".jp-Terminal .xterm-screen")
    screen.wait_for(timeout=PATIENCE_MS)
    screen.click()
    type_until(page, f"touch {tmp_path}/ready", tmp_path / "ready")
    # A machine that is new is asked about, unless one says so beforehand.
    options = "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null"
    page.keyboard.type(command.replace("ssh ", f"ssh {options} ", 1) + "\n")
    type_until(page, "touch ~/ubuntu-was-here", home / "ubuntu-was-here")
    page.keyboard.type("sudo su -\n")
    type_until(page, "touch ~/root-was-here", home.parent.parent / "root" / "root-was-here")
    line = "whoami; service prometheus status | head -3 | tee ~/status"
    type_until(page, line, home.parent.parent / "root" / "status")
    lab_page.screenshot(tmp_path / "terminal.png")


def type_until(page: Page, line: str, path: Path) -> None:
    """Type a line, again and again, until the file is there that it makes."""
    for _ in range(PATIENCE_MS // 500):
        page.keyboard.type(f"{line}\n")
        page.wait_for_timeout(500)
        if path.exists():
            return
    raise AssertionError(f"the terminal never did: {line}")
