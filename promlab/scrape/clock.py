"""The time that scraping runs on: the system's, or a test's."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """Tells the time, and waits for one."""

    def now_ms(self) -> float:
        """UTC milliseconds, with fraction."""

    def elapsed_ms(self) -> float:
        """Milliseconds since any moment, which go on evenly when the clock is set."""

    async def sleep_until(self, t_ms: float) -> None:
        """Return when it is `t_ms`, at once if that has passed."""


class SystemClock:
    """The clock of this machine."""

    def now_ms(self) -> float:
        """UTC milliseconds, with fraction."""
        return time.time() * 1000.0

    def elapsed_ms(self) -> float:
        """Milliseconds of the monotonic clock."""
        return time.monotonic() * 1000.0

    async def sleep_until(self, t_ms: float) -> None:
        """Sleep on the event loop; a clock that is set meanwhile is noticed afterwards."""
        await asyncio.sleep(max(0.0, (t_ms - self.now_ms()) / 1000.0))
