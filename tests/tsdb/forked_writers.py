"""Writers that are there to be killed: forked from one process, so that a start costs nothing.

A script hands its life of a writer to `fork_writers`, a test talks to that script by `Writers`.
Each line of the script's stdin is a data directory; on stdout come `pid N`, `dead`, and what the
writer says itself, one line a fact.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.patience import PATIENCE_S


def say(text: str) -> None:
    os.write(1, f"{text}\n".encode())


def fork_writers(life: Callable[[str], None]) -> None:
    """In the script: one child after the other, each of which writes until it is killed."""
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            life(line.strip())
        say(f"pid {pid}")
        os.waitpid(pid, 0)
        say("dead")


class Writers:
    """In the test: the process that forks them. There is one writer at a time."""

    def __init__(self, script: str) -> None:
        command = [sys.executable, Path(__file__).with_name(script)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.pid = 0

    def start(self, directory: Path) -> None:
        assert self._process.stdin is not None
        self.pid = 0
        self._process.stdin.write(f"{directory}\n")
        self._process.stdin.flush()

    def words(self) -> list[str]:
        """What the writer says next; nothing where that was its number, which `pid` has now."""
        words = self._line()
        if words[0] != "pid":
            return words
        self.pid = int(words[1])
        return []

    def _line(self) -> list[str]:
        assert self._process.stdout is not None
        words = self._process.stdout.readline().split()
        assert words, "the writer could not start"
        return words

    def kill(self) -> Iterator[list[str]]:
        """Kill it; what it had said by then."""
        os.kill(self.pid, signal.SIGKILL)
        while (words := self._line()) != ["dead"]:
            yield words

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(PATIENCE_S)
        self._process.stdout.close()
