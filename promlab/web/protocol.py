"""Connections of a server: how many at once, how long one may take to say what it wants.

uvicorn's protocol with the limits that it lacks. A connection too many is not refused: it waits
until another one ends, as a client of a server with a full backlog does. Headers are bounded in
size, and a request that is not complete in time is cut off, so that nobody can hold a
connection by saying little.

An application may answer a plain GET at once: its method `at_once(scope)` gives a finished
`Response`, or None. The answer is then one write, while the request is being parsed: no task, no
turn of the event loop, no second packet, which together cost more than a small query does.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, NamedTuple

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from promlab.web.http import Response, Scope

MAX_HEADER_BYTES = 1 << 20
_MAX_WAITING = 4096
_STATUS_LINES = {
    each.value: f"HTTP/1.1 {each.value} {each.phrase}\r\n".encode() for each in HTTPStatus
} | {499: b"HTTP/1.1 499 \r\n"}
_BODIES = (b"content-length", b"transfer-encoding", b"expect", b"upgrade")


@dataclass
class ConnectionLimits:
    """What holds for all connections of one server."""

    max_connections: int
    read_timeout_s: float
    accepts: Callable[[asyncio.Transport], bool] = lambda transport: True
    at_once: Callable[[Scope], Response | None] | None = None
    served: int = 0
    waiting: deque[LimitedProtocol] = field(default_factory=deque)

    def protocol(self, *args: Any, **kwargs: Any) -> LimitedProtocol:
        """A new connection: uvicorn's `http_protocol_class`."""
        return LimitedProtocol(self, *args, **kwargs)


class _Nothing(NamedTuple):
    """Nobody waits for a request that was answered at once."""

    def set(self) -> None:
        """What uvicorn calls when a connection is lost."""


class _Answered(NamedTuple):
    """Stands where uvicorn looks for the request that it is at."""

    response_complete: bool = True
    message_event: _Nothing = _Nothing()


class LimitedProtocol(HttpToolsProtocol):
    """One connection."""

    def __init__(self, limits: ConnectionLimits, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._limits = limits
        self._served = False
        self._header_bytes = 0
        self._deadline: asyncio.TimerHandle | None = None
        self._in_turn = False

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

    def on_headers_complete(self) -> None:
        """A request begins: answer it at once, or let a task do so."""
        answer = self._limits.at_once
        if answer is None or not self._is_plain():
            super().on_headers_complete()
            return
        found = httptools.parse_url(self.url)
        # unquoted by uvicorn, which also says why an odd path is refused
        if b"%" in found.path or not found.path.isascii():
            super().on_headers_complete()
            return
        scope: Any = self.scope
        scope["method"], scope["path"], scope["raw_path"] = "GET", found.path.decode(), found.path
        scope["query_string"] = found.query or b""
        response = answer(scope)
        if response is None:
            super().on_headers_complete()
        else:
            self._write(response)

    def _is_plain(self) -> bool:
        """Whether nothing but an answer is asked for, and nothing is before it.

        One for each piece of data: who sends many requests in one gets them answered in turn
        with those of others.
        """
        if self._in_turn or (self.cycle is not None and not self.cycle.response_complete):
            return False
        self._in_turn = True
        parser = self.parser
        return (
            parser.get_method() == b"GET"
            and parser.get_http_version() == "1.1"
            and parser.should_keep_alive()
            and not self.flow.write_paused
            and not self.transport.is_closing()
            and not any(name in _BODIES for name, _ in self.headers)
        )

    def _write(self, response: Response) -> None:
        parts = [_STATUS_LINES[response.status]]
        for name, value in (*self.server_state.default_headers, *response.headers):
            if b"\n" in value or b"\r" in value:
                raise ValueError("a header has more than one line")
            parts += (name, b": ", value, b"\r\n")
        assert isinstance(response.body, bytes)
        parts += (b"\r\n", response.body)
        self.cycle = _Answered()  # type: ignore[assignment]  # all that is asked of a past request
        self.transport.write(b"".join(parts))
        self.on_response_complete()

    def data_received(self, data: bytes) -> None:
        """A piece of what the client says."""
        self._in_turn = False
        super().data_received(data)

    def on_message_complete(self) -> None:
        """The request is complete."""
        super().on_message_complete()
        self._stop_deadline()

    def _count(self, size: int) -> None:
        self._header_bytes += size
        if self._header_bytes > MAX_HEADER_BYTES:
            # Raised inside of the parser, this becomes an answer with the status 400.
            raise ValueError("headers are too large")
