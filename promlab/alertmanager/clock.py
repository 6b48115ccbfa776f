"""What time it is. Waiting is the event loop's; in tests both belong to a virtual clock."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """Tells the time."""

    def now_ms(self) -> int:
        """Milliseconds since 1970."""


class SystemClock:
    """The machine's clock."""

    def now_ms(self) -> int:
        """Milliseconds since 1970."""
        return time.time_ns() // 1_000_000


class LoopClock:
    """A clock that goes as the running event loop's does, beginning at `start_ms`."""

    def __init__(self, start_ms: int) -> None:
        self._start_ms = start_ms

    def now_ms(self) -> int:
        """Milliseconds since 1970."""
        return self._start_ms + round(asyncio.get_running_loop().time() * 1000)
