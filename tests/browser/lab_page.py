"""JupyterLab's page as a test uses it: open a notebook, run its cells, look."""

from __future__ import annotations

import contextlib
import json
import urllib.request
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat

if TYPE_CHECKING:
    from playwright.sync_api import ConsoleMessage, Locator, Page

IDLE_MS = 240_000
_IDLE = """() => {
  const context = window.jupyterapp?.shell.currentWidget?.sessionContext;
  return context?.isReady && context.session?.kernel?.status === 'idle';
}"""
_ALL_RAN = """count => {
  const failed = document.querySelector('[data-mime-type="application/vnd.jupyter.error"]');
  if (failed) return failed.textContent;
  const prompts = [...document.querySelectorAll('.jp-Notebook .jp-InputPrompt')];
  const ran = prompts.filter(prompt => /^\\[\\d+\\]:$/.test(prompt.textContent));
  return ran.length >= count && 'all ran';
}"""
# What JupyterLab itself writes to the console as errors, with or without us.
_NOT_OURS = ("favicon", "Failed to load resource", "WebSocket", "punycode", "jupyter-lsp")


class LabPage:
    """One page of the browser, in JupyterLab."""

    def __init__(self, page: Page, url: str, token: str, folder: Path) -> None:
        self.page, self.url, self.token, self.folder = page, url, token, folder
        self.errors: list[str] = []
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not any(part in message.text for part in _NOT_OURS):
            self.errors.append(message.text)

    def open(self, *cells: str) -> None:
        """Write a notebook of code cells, and open it in a workspace of its own."""
        name = f"test-{uuid.uuid4().hex[:8]}.ipynb"
        notebook = nbformat.v4.new_notebook()
        notebook.metadata["kernelspec"] = {
            "name": "python3",
            "display_name": "Python 3",
            "language": "python",
        }
        notebook.metadata["language_info"] = {"name": "python"}
        notebook.cells = [nbformat.v4.new_code_cell(cell) for cell in cells]
        nbformat.write(notebook, self.folder / name)
        workspace = uuid.uuid4().hex[:8]
        where = f"{self.url}/lab/workspaces/{workspace}/tree/{name}"
        self.page.goto(f"{where}?token={self.token}")
        self.page.wait_for_selector(".jp-Notebook .jp-CodeCell", timeout=IDLE_MS)
        # A command that comes before there is a kernel asks the user which one to start.
        self.page.wait_for_function(_IDLE, timeout=IDLE_MS)

    def cell(self, i: int) -> Locator:
        """The i-th cell, from 0."""
        return self.page.locator(".jp-Notebook .jp-Cell").nth(i)

    def output(self, i: int) -> Locator:
        """What the i-th cell shows."""
        return self.cell(i).locator(".jp-OutputArea")

    def run_all(self, patience_ms: int = IDLE_MS) -> None:
        """Run all cells and wait until the last one has its number; none may fail."""
        self.command("notebook:run-all-cells")
        count = self.page.locator(".jp-Notebook .jp-CodeCell").count()
        end = self.page.wait_for_function(_ALL_RAN, arg=count, timeout=patience_ms)
        assert end.json_value() == "all ran"

    def command(self, name: str, **arguments: Any) -> None:
        """Run one of JupyterLab's commands."""
        self.page.evaluate(
            "([name, args]) => { void window.jupyterapp.commands.execute(name, args); }",
            [name, arguments],
        )

    def theme(self, name: str) -> None:
        """Switch to a theme: "JupyterLab Dark" or "JupyterLab Light"."""
        self.command("apputils:change-theme", theme=name)
        light = "false" if "Dark" in name else "true"
        self.page.wait_for_selector(f'body[data-jp-theme-light="{light}"]', state="attached")
        self.page.wait_for_selector("#jupyterlab-splash", state="detached")

    def screenshot(self, path: Path) -> Path:
        """A picture of the page."""
        self.page.screenshot(path=path)
        return path

    def shut_down(self) -> None:
        """End the kernels that the page started."""
        headers = {"Authorization": f"token {self.token}"}
        with contextlib.suppress(OSError):
            request = urllib.request.Request(f"{self.url}/api/sessions", headers=headers)
            with urllib.request.urlopen(request) as answer:
                sessions = json.load(answer)
            for session in sessions:
                urllib.request.urlopen(
                    urllib.request.Request(
                        f"{self.url}/api/sessions/{session['id']}", method="DELETE", headers=headers
                    )
                ).close()
