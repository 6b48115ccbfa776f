"""Connections of a server: how many at once, how long one may take to say what it wants.

uvicorn's protocol with the limits that it lacks. A connection too many is not refused: it waits
until another one ends, as a client of a server with a full backlog does. Headers are bounded in
size, and a request that is not complete in time is cut off, so that nobody can hold a
connection by saying little.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEADER_BYTES = 1 << 20
_MAX_WAITING = 4096


@dataclass
class ConnectionLimits:
    """What holds for all connections of one server."""

    max_connections: int
    read_timeout_s: float
    accepts: Callable[[asyncio.Transport], bool] = lambda transport: True
    served: int = 0
    waiting: deque[LimitedProtocol] = field(default_factory=deque)

    def protocol(self, *args: Any, **kwargs: Any) -> LimitedProtocol:
        """A new connection: uvicorn's `http_protocol_class`."""
        return LimitedProtocol(self, *args, **kwargs)


class LimitedProtocol(HttpToolsProtocol):
    """One connection."""

    def __init__(self, limits: ConnectionLimits, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._limits = limits
        self._served = False
        self._header_bytes = 0
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Serve it, or let it wait for its turn."""
        super().connection_made(transport)
        limits = self._limits
        if not limits.accepts(transport) or len(limits.waiting) >= _MAX_WAITING:
            transport.abort()
        elif limits.served < limits.max_connections:
            self._serve()
        else:
            transport.pause_reading()
            limits.waiting.append(self)

    def _serve(self) -> None:
        self._served = True
        self._limits.served += 1
        self._begin_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """Let the next one have its turn."""
        super().connection_lost(exc)
        self._stop_deadline()
        limits = self._limits
        if not self._served:
            if self in limits.waiting:
                limits.waiting.remove(self)
            return
        self._served = False
        limits.served -= 1
        while limits.waiting and limits.served < limits.max_connections:
            following = limits.waiting.popleft()
            if not following.transport.is_closing():
                following._serve()
                following.transport.resume_reading()

    # --- time -----------------------------------------------------------------------------

    def _begin_reading(self) -> None:
        self._stop_deadline()
        self._deadline = self.loop.call_later(self._limits.read_timeout_s, self._too_slow)

    def _stop_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_slow(self) -> None:
        if not self.transport.is_closing():
            self.transport.abort()

    # --- the parser's callbacks -----------------------------------------------------------

    def on_message_begin(self) -> None:
        """A request begins: it has so long to be complete."""
        super().on_message_begin()
        self._header_bytes = 0
        self._begin_reading()

    def on_url(self, url: bytes) -> None:
        """A part of the URL."""
        super().on_url(url)
        self._count(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header."""
        super().on_header(name, value)
        self._count(len(name) + len(value))

    def on_message_complete(self) -> None:
        """The request is complete."""
        super().on_message_complete()
        self._stop_deadline()

    def _count(self, size: int) -> None:
        self._header_bytes += size
        if self._header_bytes > MAX_HEADER_BYTES:
            # Raised inside of the parser, this becomes an answer with the status 400.
            raise ValueError("headers are too large")
