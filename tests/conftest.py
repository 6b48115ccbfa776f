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

from tests.patience import PATIENCE_S

# Kernels believe what they are given: here, and in every server that a test starts, they check.
os.environ.setdefault("PROMLAB_CHECK_KERNELS", "1")

# httpx gives up after five seconds by itself: a busy machine takes longer now and then.
DEFAULT_TIMEOUT_CONFIG.connect = DEFAULT_TIMEOUT_CONFIG.read = PATIENCE_S
DEFAULT_TIMEOUT_CONFIG.write = DEFAULT_TIMEOUT_CONFIG.pool = PATIENCE_S

ROOT = Path(__file__).parent.parent
REQUIRED = os.environ.get("CI") == "true"


def _missing(what: str) -> None:
    if REQUIRED:
        pytest.fail(f"{what} (required where CI=true)")
    pytest.skip(what)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One more try: most tests talk to processes, on a machine that others use too.

    The summary names each that needed it, so that it gets mended.
    """
    for item in items:
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
