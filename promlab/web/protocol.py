"""Connections of a server: how many at once, how long one may take to say what it wants.

uvicorn's protocol with the limits that it lacks. A connection too many is not refused: it waits
until another one ends, as a client of a server with a full backlog does. Headers are bounded in
size, and a request that is not complete in time is cut off, so that nobody can hold a
connection by saying little.

An application may answer a plain GET or POST at once: its method `at_once(scope, body)` gives a
finished `Response`, or None. The answer is then one write, while the request is being parsed: no
task, no turn of the event loop, no second packet, which together cost more than a small query
does. What else is to be done about the request follows when the answer is on its way.
"""

from __future__ import annotations

import asyncio
import math
import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from promlab.web.answer_head import answer_head
from promlab.web.direct_write import DirectWriter
from promlab.web.http import Response, Scope
from promlab.web.known_heads import KnownHeads

MAX_HEADER_BYTES = 1 << 20
_MAX_WAITING = 4096
_PLAIN_METHODS = (b"GET", b"POST")
_NOT_PLAIN = frozenset((b"transfer-encoding", b"expect", b"upgrade"))
_MAX_BODY_BYTES = 64 << 10
_BIG_BYTES = 64 << 10
_NEVER = math.inf
_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")


@dataclass
class ConnectionLimits:
    """What holds for all connections of one server."""

    max_connections: int
    read_timeout_s: float
    accepts: Callable[[asyncio.Transport], bool] = lambda transport: True
    at_once: Callable[[Scope, bytes], Response | None] | None = None
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


_ANSWERED: Any = _Answered()  # all that is asked of a past request


class LimitedProtocol(HttpToolsProtocol):
    """One connection."""

    def __init__(self, limits: ConnectionLimits, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._limits = limits
        self._served = False
        self._header_bytes = 0
        self._due = _NEVER  # when the client has to have said something
        self._timer: asyncio.TimerHandle | None = None
        self._fires = _NEVER
        self._idle = False  # between requests
        self._plain = False  # the request at hand may be answered at once
        self._in_turn = False
        self._body = b""
        self._begun = 0  # requests in the data at hand
        self._between = True  # requests: none is half there
        self._heads = KnownHeads()
        self._learnt: tuple[Any, int] | None = None  # a request that was answered at once

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Serve it, or let it wait for its turn."""
        super().connection_made(transport)
        self._writer = DirectWriter(transport)
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
        self._stop_timer()
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
        self._idle = False
        self._due_in(self._limits.read_timeout_s)

    def _due_in(self, seconds: float) -> None:
        """What is waited for has to happen in this time.

        A timer that is set is left alone, and set again when it finds that it came too early:
        requests come far more often than they time out.
        """
        self._due = self.loop.time() + seconds
        if self._timer is None:
            self._set_timer(seconds)
        elif self._fires > self._due:
            self._timer.cancel()
            self._set_timer(seconds)

    def _set_timer(self, seconds: float) -> None:
        self._fires = self.loop.time() + seconds
        self._timer = self.loop.call_later(seconds, self._look_at_time)

    def _stop_timer(self) -> None:
        self._due = _NEVER
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look_at_time(self) -> None:
        self._timer = None
        if self._due == _NEVER or self.transport.is_closing():
            return
        left = self._due - self.loop.time()
        if left > 0:
            self._set_timer(left)
        elif self._idle:
            self.transport.close()
        else:
            self.transport.abort()

    # --- the parser's callbacks -----------------------------------------------------------

    def on_message_begin(self) -> None:
        """A request begins: it has so long to be complete."""
        super().on_message_begin()
        self._header_bytes = 0
        self._begun += 1
        self._between = False
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
        """A request begins: a task answers it, unless that may be done at once."""
        if _BAD_ESCAPE.search(self.url.partition(b"?")[0]):
            raise ValueError("invalid URL escape")  # answered as whatever can't be parsed
        self._plain = self._limits.at_once is not None and self._is_plain()
        self._body = b""
        if not self._plain:
            super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """What can't be parsed is answered as Go's servers do."""
        super().send_400_response("400 Bad Request")

    def _is_plain(self) -> bool:
        """Whether nothing but an answer is asked for, and nothing is before it.

        One for each piece of data: who sends many requests in one gets them answered in turn
        with those of others.
        """
        if self._in_turn or not self._is_free():
            return False
        self._in_turn = True
        parser = self.parser
        return (
            parser.get_method() in _PLAIN_METHODS
            and parser.get_http_version() == "1.1"
            and parser.should_keep_alive()
            and _NOT_PLAIN.isdisjoint([name for name, _ in self.headers])
        )

    def _is_free(self) -> bool:
        """Whether an answer may be written now."""
        answered = self.cycle is None or self.cycle.response_complete
        return answered and not self.flow.write_paused and not self.transport.is_closing()

    def on_body(self, body: bytes) -> None:
        """A part of a request's body."""
        if self._plain and len(self._body) + len(body) <= _MAX_BODY_BYTES:
            self._body += body
            return
        self._by_task()
        super().on_body(body)

    def _by_task(self) -> None:
        """A request that was kept back is not answered at once: a task does it."""
        if not self._plain:
            return
        self._plain = False
        super().on_headers_complete()
        if self._body:
            super().on_body(self._body)

    def on_message_complete(self) -> None:
        """The request is complete."""
        self._between = True
        if self._plain:
            response = self._answer()
            if response is not None:
                self._learnt = self.scope, len(self._body)
                self._write(response)
                return
            self._by_task()
        super().on_message_complete()
        self._due = _NEVER

    def _answer(self) -> Response | None:
        answer = self._limits.at_once
        url = httptools.parse_url(self.url)
        # unquoted by uvicorn, which also says why an odd path is refused
        if answer is None or b"%" in url.path or not url.path.isascii():
            return None
        scope: Any = self.scope
        scope["method"] = self.parser.get_method().decode()
        scope["path"], scope["raw_path"] = url.path.decode(), url.path
        scope["query_string"] = url.query or b""
        return answer(scope, self._body)

    def _answered_again(self, data: bytes) -> bool:
        """Answer a request whose head is known, if that can be done at once."""
        found = self._heads.request(data)
        answer = self._limits.at_once
        if found is None or answer is None or not self._is_free():
            return False
        if self.timeout_keep_alive_task is not None:
            self._unset_keepalive_if_required()
        response = answer(*found)
        if response is None:
            self._in_turn = True  # not asked once more
            return False
        self._write(response)
        return True

    def _write(self, response: Response) -> None:
        headers = *self.server_state.default_headers, *response.headers
        head = answer_head(response.status, headers)
        body = response.body
        assert isinstance(body, bytes)
        self._plain = False
        self.cycle = _ANSWERED
        if len(body) < _BIG_BYTES:
            self._writer.write(head + body)
        else:
            self.transport.writelines((head, body))  # not copied once more
        self.server_state.total_requests += 1
        self._idle = True
        self._due_in(self.timeout_keep_alive)
        if response.afterwards is not None:
            # uvloop sends what was written before it calls this.
            self.loop.call_soon(response.afterwards)

    def data_received(self, data: bytes) -> None:
        """A piece of what the client says."""
        self._in_turn, self._begun = False, 0
        if self._between and self._answered_again(data):
            return
        self._learnt = None
        super().data_received(data)
        if self._learnt is not None and self._begun == 1 and self._between:
            self._heads.learn(data, *self._learnt)
        if self._plain and not self.transport.is_closing():
            self._by_task()  # the rest of the body is yet to come

    def _count(self, size: int) -> None:
        self._header_bytes += size
        if self._header_bytes > MAX_HEADER_BYTES:
            # Raised inside of the parser, this becomes an answer with the status 400.
            raise ValueError("headers are too large")
