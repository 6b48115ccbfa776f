"""A real JupyterLab, driven by a real browser. No request may leave this machine."""

from __future__ import annotations

import contextlib
import os
import secrets
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from lab_page import IDLE_MS, LabPage

from tests.ports import free_port

playwright_api = pytest.importorskip("playwright.sync_api")
playwright_api.expect.set_options(timeout=IDLE_MS)  # five seconds are soon over on a busy machine

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
NO_UPDATES = "jupyterlab.handlers.announcements.NeverCheckForUpdate"
LOCAL = {"127.0.0.1", "localhost", ""}


class JupyterLab:
    """A JupyterLab process on a free port, with a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.token = folder / "work", secrets.token_hex(16)
        self.folder.mkdir()
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        home = folder / "home"
        home.mkdir()
        _settle(home / "config")
        # Nobody's own settings; the kernel's cache of machine code is shared.
        cache = os.environ.get("XDG_CACHE_HOME", str(Path("~/.cache").expanduser()))
        env = {
            **os.environ,
            "HOME": str(home),
            "XDG_CACHE_HOME": cache,
            "JUPYTER_CONFIG_DIR": str(home / "config"),
            "JUPYTER_DATA_DIR": str(home / "data"),
            "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
            "IPYTHONDIR": str(home / "ipython"),
        }
        self.log = open(folder / "jupyter.log", "wb")  # noqa: SIM115 (closed in stop)
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"),
                *("--ip=127.0.0.1", f"--port={port}", "--ServerApp.port_retries=0"),
                *(f"--IdentityProvider.token={self.token}", f"--ServerApp.root_dir={self.folder}"),
                "--LabApp.news_url=None",
                "--LabApp.extension_manager=readonly",
                f"--LabApp.check_for_updates_class={NO_UPDATES}",
                "--LabApp.expose_app_in_browser=True",
            ],
            env=env,
            stdout=self.log,
            stderr=subprocess.STDOUT,
        )
        self._wait()

    def _wait(self) -> None:
        while self.process.poll() is None:
            try:
                urllib.request.urlopen(f"{self.url}/api?token={self.token}", timeout=60).close()
                return
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                pass
        raise AssertionError(f"JupyterLab ended: {Path(self.log.name).read_text()[-2000:]}")

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()


def _settle(config: Path) -> None:
    """Answer beforehand what JupyterLab asks a new user."""
    folder = config / "lab" / "user-settings" / "@jupyterlab" / "apputils-extension"
    folder.mkdir(parents=True)
    settings = '{"fetchNews": "false", "checkForUpdates": false}'
    (folder / "notification.jupyterlab-settings").write_text(settings)
    # Cells out of sight stay in the page, where tests look for them.
    folder = config / "lab" / "user-settings" / "@jupyterlab" / "notebook-extension"
    folder.mkdir(parents=True)
    (folder / "tracker.jupyterlab-settings").write_text('{"windowingMode": "none"}')


@pytest.fixture(scope="module")
def jupyter(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterLab]:
    lab = JupyterLab(tmp_path_factory.mktemp("jupyter"))
    try:
        yield lab
    finally:
        lab.stop()


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[playwright_api.Browser]:
    # Of module scope: while playwright runs, no other test can run an event loop.
    with playwright_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, headless=True, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def lab_page(jupyter: JupyterLab, browser: playwright_api.Browser) -> Iterator[LabPage]:
    """A page of the test's own."""
    with page_of(jupyter, browser) as page:
        yield page


@contextlib.contextmanager
def page_of(jupyter: JupyterLab, browser: playwright_api.Browser) -> Iterator[LabPage]:
    """A page that fails the test if anything it loads comes from elsewhere."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    strangers: list[str] = []

    def judge(route: playwright_api.Route) -> None:
        url = urlsplit(route.request.url)
        if url.scheme in ("http", "https", "ws", "wss") and url.hostname not in LOCAL:
            strangers.append(route.request.url)
            route.abort()
        else:
            route.continue_()

    context.route("**/*", judge)
    context.set_default_timeout(IDLE_MS)
    page = LabPage(context.new_page(), jupyter.url, jupyter.token, jupyter.folder)
    try:
        yield page
        assert strangers == []
    finally:
        page.shut_down()
        context.close()
