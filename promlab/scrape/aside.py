"""Work on large bodies in threads, while the event loop goes on scraping others.

The kernels of such work run without the interpreter's lock. What is left of it in Python takes
turns with the event loop, which waits for its turn at every call that it makes: so turns are
much shorter than usual as long as such work lasts.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
_TURN_S = 0.0002
_THREADS = 2


class Aside:
    """Runs functions in threads; belongs to one event loop."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="large-body")
        self._running = 0
        self._usual_s = 0.0

    async def run(self, work: Callable[[], T]) -> T:
        """The result of `work`, which must not touch what the event loop works on."""
        if not self._running:
            self._usual_s = sys.getswitchinterval()
            sys.setswitchinterval(_TURN_S)
        self._running += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._running -= 1
            if not self._running:
                sys.setswitchinterval(self._usual_s)
