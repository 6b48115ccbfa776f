"""Fixtures that any test may use: conformance material, the real binaries, a browser.

What a user's clone lacks is skipped with a message; where CI=true it is required.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from httpx._config import DEFAULT_TIMEOUT_CONFIG
from hypothesis import settings

from tests.notebook_server import prometheus
from tests.patience import PATIENCE_S

__all__ = ["prometheus"]

# Kernels believe what they are given: here, and in every server that a test starts, they check.
os.environ.setdefault("PROMLAB_CHECK_KERNELS", "1")

# httpx gives up after five seconds by itself: a busy machine takes longer now and then.
DEFAULT_TIMEOUT_CONFIG.connect = DEFAULT_TIMEOUT_CONFIG.read = PATIENCE_S
DEFAULT_TIMEOUT_CONFIG.write = DEFAULT_TIMEOUT_CONFIG.pool = PATIENCE_S

ROOT = Path(__file__).parent.parent
REQUIRED = os.environ.get("CI") == "true"

# The same examples each time where a change is judged; elsewhere new ones are looked for.
settings.register_profile("ci", derandomize=True)
if REQUIRED:
    settings.load_profile("ci")


def _missing(what: str) -> None:
    if REQUIRED:
        pytest.fail(f"{what} (required where CI=true)")
    pytest.skip(what)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests first, and one more try where programs of others take part.

    What is slow and comes last is waited for by everybody. Where CI=true all others have a second
    try too: its machine may stand still for a while. The summary names each test that needed it;
    where a failure may be a loss of samples, the test says that it has none.
    """
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)
    for item in items:
        others = item.get_closest_marker("peers") or item.get_closest_marker("browser")
        if (others or REQUIRED) and not item.get_closest_marker("flaky"):
            item.add_marker(pytest.mark.flaky(reruns=1))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of conformance material, from $PROMLAB_SHARED."""
    path = Path(os.environ.get("PROMLAB_SHARED") or ROOT.parent / "shared")
    if not (path / "contract").is_dir():
        _missing(f"no conformance material in {path}: set PROMLAB_SHARED to its folder")
    return path


@pytest.fixture(scope="session")
def peers(shared: Path) -> Path:
    """The folder with the binaries of the real Prometheus and its friends."""
    # Several processes run the tests: one gets the binaries, the others find them.
    with (Path(tempfile.gettempdir()) / f"promlab-peers-{os.getuid()}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = subprocess.run([shared / "tools" / "peers"], capture_output=True, text=True)
    if done.returncode:
        _missing(f"the real binaries can't be had: {done.stderr.strip()[-300:]}")
    return Path(done.stdout.strip().splitlines()[-1])


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of the system's chromium."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        _missing("browser tests need chromium (Debian: apt-get install chromium)")
    return str(found)
