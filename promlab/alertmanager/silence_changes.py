"""Changes of silences that clients ask for, many of them in one write to the disk.

A write that survives everything takes milliseconds, whatever it holds, and nobody else should
wait for it: it is done in a thread, for all that have asked meanwhile. An answer comes when the
silence is on disk and in force.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from promlab.alertmanager.silence import Silence
from promlab.alertmanager.silences import Change, Silences
from promlab.errors import PromlabError

_MOST = 500  # changes in one write

_Prepare = Callable[[int], Change]


class SilenceChanges:
    """Sets and expires silences one after the other; belongs to one event loop."""

    def __init__(self, silences: Silences) -> None:
        self._silences = silences
        self._waiting: deque[tuple[str, _Prepare, asyncio.Future[str]]] = deque()
        self._working: asyncio.Task[None] | None = None

    async def set(self, silence: Silence) -> str:
        """As `Silences.set`."""
        return await self._ask(silence.id, lambda more: self._silences.prepare(silence, more))

    async def expire(self, silence_id: str) -> None:
        """As `Silences.expire`."""
        await self._ask(silence_id, lambda _: self._silences.prepare_expiry(silence_id))

    async def close(self) -> None:
        """Return when nothing is being written."""
        if self._working is not None:
            await self._working

    async def _ask(self, silence_id: str, prepare: _Prepare) -> str:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[str] = loop.create_future()
        self._waiting.append((silence_id, prepare, future))
        if self._working is None or self._working.done():
            self._working = loop.create_task(self._work())
        return await future

    async def _work(self) -> None:
        while self._waiting:
            batch = self._batch()
            changes = [change for change, _ in batch]
            try:
                if any(change.silences for change in changes):
                    await asyncio.to_thread(self._silences.write, changes)
            except Exception as error:
                for _, future in batch:
                    if not future.done():
                        future.set_exception(error)
                continue
            for change, future in batch:
                self._silences.take(change)
                if not future.done():
                    future.set_result(change.id)

    def _batch(self) -> list[tuple[Change, asyncio.Future[str]]]:
        """What is written next: nothing in it builds on anything else in it."""
        batch: list[tuple[Change, asyncio.Future[str]]] = []
        touched: set[str] = set()
        more = 0
        while self._waiting and len(batch) < _MOST:
            silence_id, prepare, future = self._waiting[0]
            if silence_id and silence_id in touched:
                break
            self._waiting.popleft()
            if future.cancelled():
                continue
            try:
                change = prepare(more)
            except PromlabError as error:
                future.set_exception(error)
                continue
            touched.add(silence_id)
            more += change.is_new
            batch.append((change, future))
        return batch
