"""What everybody who uses this server should know: three texts, each there or not.

Pages ask once, or stay connected and are told of each change (server-sent events).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import msgspec

from promlab.server.times import rfc3339

RELOAD_FAILED = "Configuration reload has failed."
STARTING = "Prometheus is starting and replaying the write-ahead log (WAL)."
STOPPING = "Prometheus is shutting down and gracefully stopping all operations."

# A page that takes nothing for so many changes is not told of the rest.
_BACKLOG = 16
_PING_S = 15.0


class Notifications:
    """The notifications of one server; belongs to one event loop."""

    def __init__(self, max_subscribers: int) -> None:
        self._max_subscribers = max_subscribers
        self._since: dict[str, float] = {}
        self._queues: set[asyncio.Queue[bytes | None]] = set()
        self.sent = self.dropped = 0

    @property
    def subscribers(self) -> int:
        """Who is told at once."""
        return len(self._queues)

    def set(self, text: str, active: bool) -> None:
        """One is there from now on, or no longer."""
        if active == (text in self._since):
            return
        if active:
            since = self._since[text] = time.time()
        else:
            since = self._since.pop(text)
        self._tell(_event(_plain(text, since, active)))

    def active(self) -> list[dict[str, Any]]:
        """Those that are there, the oldest first."""
        return [_plain(text, since, True) for text, since in self._since.items()]

    def subscribe(self) -> AsyncIterator[bytes] | None:
        """Events: what is there now, then each change. None if there are too many listeners."""
        if len(self._queues) >= self._max_subscribers:
            return None
        queue: asyncio.Queue[bytes | None] = asyncio.Queue(_BACKLOG)
        self._queues.add(queue)
        return self._events(queue, [_event(each) for each in self.active()])

    def close(self) -> None:
        """End all subscriptions."""
        for queue in self._queues:
            while queue.full():
                queue.get_nowait()
            queue.put_nowait(None)

    def _tell(self, event: bytes) -> None:
        for queue in self._queues:
            if queue.full():
                self.dropped += 1
            else:
                self.sent += 1
                queue.put_nowait(event)

    async def _events(
        self, queue: asyncio.Queue[bytes | None], first: list[bytes]
    ) -> AsyncIterator[bytes]:
        try:
            for event in first:
                yield event
            while True:
                try:
                    found = await asyncio.wait_for(queue.get(), _PING_S)
                except TimeoutError:
                    found = b": still here\n\n"  # finds out that a client is gone
                if found is None:
                    return
                yield found
        finally:
            self._queues.discard(queue)


def _plain(text: str, since: float, active: bool) -> dict[str, Any]:
    return {"text": text, "date": rfc3339(since), "active": active}


def _event(notification: dict[str, Any]) -> bytes:
    return b"data: " + msgspec.json.encode(notification) + b"\n\n"
