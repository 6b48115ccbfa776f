"""A pytest plugin for nbval: each notebook's kernel and servers have a gigabyte, and no more.

    python -m pytest -p tests.notebooks.memory_limit --nbval-lax notebooks

Memory is the kernel's own account (PSS: a page that several processes map counts once). A kernel
whose processes take more than --memory-limit together is killed with all of them, as on Binder,
and its cells fail. At the end each notebook's peak and its seconds are told.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

LIMIT = 1_000_000_000  # what a session on Binder is sure to get
_EVERY_S = 0.3


def tree_bytes(root: psutil.Process) -> int:
    """Memory of a process and of all that came from it."""
    total = 0
    with contextlib.suppress(psutil.Error):
        for process in [root, *root.children(recursive=True)]:
            with contextlib.suppress(psutil.Error, OSError):
                total += _pss(process.pid)
    return total


def _pss(pid: int) -> int:
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as lines:
        for line in lines:
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


class Watch:
    """Looks at the kernels that this process started, and at what they take."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.peaks: dict[str, int] = {}
        self.seconds: dict[str, float] = {}
        self.killed: dict[str, int] = {}
        self._name, self._since = "", 0.0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name="memory", daemon=True)

    def look_at(self, name: str) -> None:
        """From now on, what is seen belongs to this notebook."""
        now = time.monotonic()
        if name == self._name:
            self.seconds[name] = now - self._since
            return
        self._name, self._since = name, now

    def _run(self) -> None:
        me = psutil.Process()
        while not self._done.wait(_EVERY_S):
            for kernel in _kernels(me):
                self._weigh(kernel)

    def _weigh(self, kernel: psutil.Process) -> None:
        name, taken = self._name, tree_bytes(kernel)
        self.peaks[name] = max(self.peaks.get(name, 0), taken)
        if taken > self.limit:
            self.killed[name] = taken
            with contextlib.suppress(ProcessLookupError):
                os.killpg(kernel.pid, signal.SIGKILL)  # what it started ends with it

    # pytest's hooks

    def pytest_sessionstart(self) -> None:
        self._thread.start()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        name = Path(item.path).stem
        self.look_at(name)
        result = yield
        self.look_at(name)
        return result

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """There is no kernel any more that could run the cells that are left."""
        name = Path(item.path).stem
        if name in self.killed:
            pytest.fail(self._why(name), pytrace=False)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Iterator[Any]:
        report = yield
        name = Path(item.path).stem
        if name in self.killed and report.when == "call":
            report.outcome, report.longrepr = "failed", self._why(name)
        return report

    def _why(self, name: str) -> str:
        taken = self.killed[name]
        return (
            f"{name}: kernel and servers took {taken / 1e6:,.0f} MB together; "
            f"they have {self.limit / 1e6:,.0f}"
        )

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        self._done.set()
        self._thread.join()
        if self.killed:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        terminalreporter.section("memory")
        for name, peak in self.peaks.items():
            told = f"{name:20} {peak / 1e6:6,.0f} MB {self.seconds.get(name, 0):6.0f} s"
            terminalreporter.line(self._why(name) if name in self.killed else told)


def _kernels(me: psutil.Process) -> list[psutil.Process]:
    """Kernels are started in a session of their own by this very process."""
    found = []
    with contextlib.suppress(psutil.Error):
        for child in me.children():
            with contextlib.suppress(psutil.Error):
                if "ipykernel_launcher" in child.cmdline():
                    found.append(child)
    return found


def pytest_addoption(parser: pytest.Parser) -> None:
    """How much there is."""
    parser.addoption("--memory-limit", type=int, default=LIMIT, metavar="BYTES")


def pytest_configure(config: pytest.Config) -> None:
    """Watch from the start."""
    config.pluginmanager.register(Watch(config.getoption("memory_limit")), "memory-watch")
