"""Processes that a lab starts: their end, and their last words.

A child ends with this interpreter, however that ends (promlab.lifeline), unless it is
detached. What it writes is kept in a ring buffer by a daemon thread; nothing is ever printed
here, because a print from a thread lands in whichever cell happens to run.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from promlab import lifeline

KEPT_LINES = 2_000
_MAX_LINE = 4_000
_STOP_S = 10.0


class Child:
    """One process: `python -m promlab <arguments>`, or of another module."""

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        module: str = "promlab",
        detach: bool = False,
        log_path: Path | None = None,
    ) -> None:
        self.arguments, self.detached = tuple(arguments), detach
        self._lines: deque[str] = deque(maxlen=KEPT_LINES)
        self._log_path = log_path if detach else None
        command = lifeline.python(module, *arguments)
        if self._log_path is not None:
            # A pipe would break under a process that outlives us: it writes to a file.
            with open(self._log_path, "ab") as log:
                self._process = self._spawn(command, log)
            self._reader = None
        else:
            self._process = self._spawn(command, subprocess.PIPE)
            self._reader = threading.Thread(
                target=self._read, name=f"promlab-log-{self.pid}", daemon=True
            )
            self._reader.start()

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    @property
    def status(self) -> int | None:
        """Exit status, or None while it runs."""
        return self._process.poll()

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self.status is None

    def lines(self, n: int = KEPT_LINES) -> list[str]:
        """The last lines it wrote."""
        if self._log_path is None:
            return list(self._lines)[-n:]
        with contextlib.suppress(OSError), open(self._log_path, "rb") as log:
            size = log.seek(0, os.SEEK_END)
            log.seek(max(0, size - 1_000_000))
            return log.read().decode("utf-8", "replace").splitlines()[-n:]
        return []

    def wait(self, timeout_s: float) -> bool:
        """Wait for its end; False if it still runs. All it wrote is then in `lines`."""
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return False
        if self._reader is not None:
            self._reader.join(1.0)
        return True

    def stop(self, timeout_s: float = _STOP_S) -> None:
        """Ask it to end, and make it end if it does not."""
        if self.alive:
            self.signal(signal.SIGTERM)
            if not self.wait(timeout_s):
                self.signal(signal.SIGKILL)
                self.wait(timeout_s)
        lifeline.release(self._process)

    def _spawn(self, command: Sequence[str], output: int | IO[bytes]) -> subprocess.Popen[bytes]:
        return lifeline.spawn(
            command,
            detach=self.detached,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal; SIGKILL goes to all that it started, too."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if number is signal.SIGKILL:
                os.killpg(self.pid, number)  # its own session: helpers of its go with it
            else:
                self._process.send_signal(number)

    def _read(self) -> None:
        stream = self._process.stdout
        if stream is None:
            return
        with stream:
            while line := stream.readline(_MAX_LINE):
                self._lines.append(line.decode("utf-8", "replace").rstrip())
