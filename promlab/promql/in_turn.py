"""Numbered pieces of work that threads take as they come, and finish in order."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class InTurn:
    """The numbers 0 to count - 1; whoever stops, or fails, stops all."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._taken = self._turn = 0
        self._changed = threading.Condition()
        self.stopped = False

    def numbers(self) -> Iterator[int]:
        """Numbers that nobody else has taken, until there are no more."""
        while True:
            with self._changed:
                if self.stopped or self._taken == self._count:
                    return
                number = self._taken
                self._taken += 1
            yield number

    @contextmanager
    def turn(self, number: int) -> Iterator[bool]:
        """Wait until all smaller numbers have had their turn; False if they never will."""
        with self._changed:
            self._changed.wait_for(lambda: self.stopped or self._turn == number)
            on = not self.stopped
        yield on
        with self._changed:
            self._turn += 1
            self._changed.notify_all()

    @contextmanager
    def stopping(self) -> Iterator[None]:
        """Stop all if the work in here fails."""
        try:
            yield
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Nobody takes a number any more, and nobody waits."""
        with self._changed:
            self.stopped = True
            self._changed.notify_all()
