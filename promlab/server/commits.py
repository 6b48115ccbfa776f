"""Commits what was appended: ten times a second, and as soon as somebody waits for it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import TYPE_CHECKING

from promlab.errors import StorageError
from promlab.model.quantiles import Window
from promlab.web.log import facts

if TYPE_CHECKING:
    from promlab.tsdb.head import Head

log = logging.getLogger(__name__)

COMMIT_S = 0.1
_GATHER_S = 0.005
_TELL_EVERY_S = 30.0


class Commits:
    """Group commits of one head; lives on the event loop that owns it."""

    def __init__(self) -> None:
        self.failures = 0
        self.took_s = Window()
        self._next: asyncio.Future[None] | None = None
        self._wanted = asyncio.Event()
        self._failing_since_s = 0.0  # when this was last told

    async def run(self, head: Head) -> None:
        """Commit for ever."""
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wanted.wait(), COMMIT_S)
                await asyncio.sleep(_GATHER_S)  # what others write meanwhile is committed too
            self._wanted.clear()
            waiting, self._next = self._next, None
            started = time.perf_counter()
            try:
                head.commit()
                self.took_s.add(time.perf_counter() - started)
            except StorageError as error:
                self.failures += 1
                self._tell_of_failure(error)
                if waiting is not None:
                    waiting.set_exception(error)
                    waiting.exception()  # Nobody may be waiting any more.
            else:
                if self._failing_since_s:
                    self._failing_since_s = 0.0
                    log.info("Storing samples works again")
                if waiting is not None:
                    waiting.set_result(None)

    async def wait(self) -> None:
        """Returns after the next commit. Raises StorageError if it fails."""
        if self._next is None:
            self._next = asyncio.get_running_loop().create_future()
            self._wanted.set()
        await asyncio.shield(self._next)

    def _tell_of_failure(self, error: StorageError) -> None:
        """Once when it begins, and every so often while it lasts."""
        now = time.monotonic()
        if not self._failing_since_s or now - self._failing_since_s > _TELL_EVERY_S:
            self._failing_since_s = now
            log.error("Storing samples failed", extra=facts(err=str(error)))
