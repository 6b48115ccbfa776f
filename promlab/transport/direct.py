"""HTTP/1.1 without ceremony: what nearly every scrape needs, at a tenth of its cost.

A `DirectClient` speaks plain HTTP to targets that are reached without a proxy, over
connections that stay open, and gives status, headers and body. Whatever else there is (TLS,
proxies, redirects) is left to the general client. An answer whose head comes in one piece, with
a Content-Length, is read here (`plain_head`); any other is parsed by httptools. Sizes are limited
while they come in.
"""

from __future__ import annotations

import asyncio
import re
import socket
import time
from collections import defaultdict
from collections.abc import Mapping
from typing import Any, NamedTuple, cast

import httptools
from multidict import CIMultiDict
from yarl import URL

from promlab.errors import ScrapeError
from promlab.transport import names

_IDLE_S = 300.0
_MAX_HEAD_BYTES = 65_536
_UNSAFE = re.compile(r"[\x00-\x20\x7f]")
_CONNECTION_LOST = "EOF"
_PLAIN_HEAD_BYTES = 4096
# Headers that change nothing about how a body is read.
_PLAIN_NAMES = frozenset(
    b"content-length content-type content-encoding date server vary cache-control etag expires"
    b" pragma last-modified x-content-type-options x-frame-options x-xss-protection"
    b" strict-transport-security access-control-allow-origin".split()
)


class TooLarge(Exception):
    """The body is larger than it may be."""


class Malformed(ScrapeError):
    """The answer is not HTTP."""


class Response(NamedTuple):
    """An answer; names of headers are in lower case, and of equal ones the last counts."""

    status: int
    reason: str
    headers: dict[bytes, bytes]
    body: bytes

    def header(self, name: bytes) -> str:
        """A header's value, "" if there is none."""
        return self.headers.get(name, b"").decode("latin-1").strip()


def speaks_directly(url: URL) -> bool:
    """Whether a URL is one that this client asks for."""
    raw = f"{url.raw_host}{url.raw_path_qs}"
    return url.scheme == "http" and not url.user and not _UNSAFE.search(raw)


class Head(NamedTuple):
    """The head of an answer that is all in one piece; `end` is where the body begins."""

    headers: dict[bytes, bytes]
    length: int
    end: int


def plain_head(data: bytes) -> Head | None:
    """The head of an ordinary 200 answer; None for one that needs a real parser."""
    end = data.find(b"\r\n\r\n", 0, _PLAIN_HEAD_BYTES)
    if end < 0 or not data.startswith(b"HTTP/1.1 200 OK\r\n"):
        return None
    headers = {}
    lines = data[17:end].split(b"\r\n")
    for line in lines:
        name, _, value = line.partition(b":")
        headers[name.lower()] = value.strip()
    length = headers.get(b"content-length", b"")
    if (
        len(headers) != len(lines)
        or not _PLAIN_NAMES.issuperset(headers)
        or not (length.isdigit() and len(length) < 16)
    ):
        return None
    return Head(headers, int(length), end + 4)


class Connection(asyncio.Protocol):
    """One connection: a request at a time."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.reusable, self.idle_since = False, 0.0
        self._done: asyncio.Future[Response] | None = None
        self._parser: Any = None
        self._limit = self._seen = self._size = 0
        self._timer: asyncio.TimerHandle | None = None
        self._begin()

    def ask(
        self, request: bytes, limit: int, timeout_s: float | None = None
    ) -> asyncio.Future[Response]:
        """Send a request; the future has the answer, or TimeoutError."""
        assert self.transport is not None
        self._limit, self.reusable = limit, False
        self._begin()
        loop = asyncio.get_running_loop()
        self._done = loop.create_future()
        if timeout_s is not None:
            self._timer = loop.call_later(timeout_s, self._expire)
        self.transport.write(request)
        return self._done

    def _expire(self) -> None:
        self._timer = None
        self._fail(TimeoutError())

    @property
    def is_untouched(self) -> bool:
        """Whether not a byte of an answer has come."""
        return not self._seen

    def close(self) -> None:
        """Close at once, whatever is under way."""
        if self.transport is not None:
            self.transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio's: the connection is there."""
        # uvloop's transports are Transports in all but name.
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """asyncio's: some bytes have come."""
        if self._done is None or self._done.done():
            # Nobody asked: not a connection to be used again.
            self.close()
            return
        if not self._seen and (head := plain_head(data)) is not None:
            self._headers, self._want = head.headers, head.length
            self._in_body = True
            data = data[head.end :]
            self._seen = head.end
        self._seen += len(data)
        if self._want >= 0:
            self._plain_body(data)
            return
        self._parse(data)

    def _plain_body(self, data: bytes) -> None:
        """Some of a body of known length."""
        self._size += len(data)
        self._pieces.append(data)
        if self._want > self._limit:
            self._fail(TooLarge())
        elif self._size == self._want:
            self._is_done = self.reusable = True
            self._answer(200, "OK")
        elif self._size > self._want:
            self._fail(Malformed("malformed HTTP response: more than Content-Length says"))

    def _parse(self, data: bytes) -> None:
        """Leave it to the parser."""
        if self._parser is None:
            self._parser = httptools.HttpResponseParser(self)
        try:
            self._parser.feed_data(data)
        except TooLarge as error:
            self._fail(error)
        except httptools.HttpParserError as error:
            cause = error.__context__
            own = cause if isinstance(cause, TooLarge) else None
            self._fail(own or Malformed(f"malformed HTTP response: {error}"))
        if not self._in_body and self._seen > _MAX_HEAD_BYTES and not self._is_done:
            self._fail(Malformed("malformed HTTP response: headers are too long"))

    def connection_lost(self, error: Exception | None) -> None:
        """asyncio's: the connection is gone, which ends a body of unknown length."""
        self.reusable = False
        if self._done is None or self._done.done():
            return
        if error is not None:
            self._fail(error)
        elif self._in_body and self._ends_with_connection:
            self.on_message_complete()
        else:
            self._fail(EOFError("unexpected EOF" if self._in_body else _CONNECTION_LOST))

    def on_status(self, reason: bytes) -> None:
        """httptools': the reason phrase."""
        self._reason = reason

    def on_header(self, name: bytes, value: bytes) -> None:
        """httptools': one header."""
        self._headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        """httptools': the body follows."""
        headers = self._headers
        self._in_body = True
        chunked = b"chunked" in headers.get(b"transfer-encoding", b"").lower()
        self._ends_with_connection = not chunked and b"content-length" not in headers
        if int(headers.get(b"content-length", b"0")) > self._limit and not chunked:
            raise TooLarge

    def on_body(self, piece: bytes) -> None:
        """httptools': some of the body."""
        self._size += len(piece)
        if self._size > self._limit:
            raise TooLarge
        self._pieces.append(piece)

    def on_message_complete(self) -> None:
        """httptools': the answer is whole."""
        status = self._parser.get_status_code()
        if 100 <= status < 200:  # the answer proper follows
            self._begin()
            return
        self._is_done = True
        self.reusable = self._parser.should_keep_alive() and not self._ends_with_connection
        self._answer(status, self._reason.decode("latin-1"))

    def _answer(self, status: int, reason: str) -> None:
        pieces = self._pieces
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        self._stop_timer()
        if self._done is not None and not self._done.done():
            self._done.set_result(Response(status, reason, self._headers, body))

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _begin(self) -> None:
        self._reason, self._headers = b"", dict[bytes, bytes]()
        self._pieces: list[bytes] = []
        self._size = self._seen = 0
        self._want = -1  # bytes of a body whose head `plain_head` has read
        self._in_body = self._ends_with_connection = self._is_done = False

    def _fail(self, error: Exception) -> None:
        self._stop_timer()
        if self._done is not None and not self._done.done():
            self._done.set_exception(error)
        self.close()


class DirectClient:
    """Requests over connections that are kept, one pool an address."""

    def __init__(self) -> None:
        self._idle: dict[tuple[str, int], list[Connection]] = defaultdict(list)

    async def get(self, url: URL, headers: Mapping[str, str], limit: int) -> Response:
        """The answer to a GET.

        Raises OSError where there is no connection, EOFError where it breaks, TooLarge where
        the body has more than `limit` bytes, Malformed where the answer is not HTTP.
        """
        return await self._exchange(address_of(url), request_bytes(url, headers), limit)

    async def post(self, url: URL, headers: Mapping[str, str], body: bytes, limit: int) -> Response:
        """The answer to a POST. Raises as `get` does."""
        sized = CIMultiDict(headers)
        sized["Content-Length"] = str(len(body))
        request = request_bytes(url, sized, "POST") + body
        return await self._exchange(address_of(url), request, limit)

    async def _exchange(self, address: tuple[str, int], request: bytes, limit: int) -> Response:
        connection = self.take(address)
        if connection is not None:
            try:
                return await self.ask(connection, address, request, limit)
            except (EOFError, OSError):
                # A kept connection may have been closed by the other end meanwhile.
                if not connection.is_untouched:
                    raise
        connection = await _connect(address)
        return await self.ask(connection, address, request, limit)

    def close(self) -> None:
        """Close all connections that nobody uses."""
        for connections in self._idle.values():
            for connection in connections:
                connection.close()
        self._idle.clear()

    async def ask(
        self,
        connection: Connection,
        address: tuple[str, int],
        request: bytes,
        limit: int,
        timeout_s: float | None = None,
    ) -> Response:
        """The answer over one connection, which is kept if it can be. Raises as `get` does."""
        try:
            response = await connection.ask(request, limit, timeout_s)
        except BaseException:
            connection.close()
            raise
        if connection.reusable:
            connection.idle_since = time.monotonic()
            self._idle[address].append(connection)
        else:
            connection.close()
        return response

    def take(self, address: tuple[str, int]) -> Connection | None:
        """A kept connection to an address, None where there is none."""
        idle = self._idle.get(address)
        while idle:
            connection = idle.pop()
            if connection.reusable and time.monotonic() - connection.idle_since < _IDLE_S:
                return connection
            connection.close()
        self._idle.pop(address, None)
        return None


async def _connect(address: tuple[str, int]) -> Connection:
    """A new connection. Raises ScrapeError with the words of a Go client."""
    host, port = address
    loop = asyncio.get_running_loop()
    shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        _, connection = await loop.create_connection(Connection, *names.meant(host, port))
    except socket.gaierror:
        raise ScrapeError(f"dial tcp: lookup {host}: no such host") from None
    except OSError as error:
        refused = isinstance(error, ConnectionRefusedError)
        reason = "connection refused" if refused else (error.strerror or str(error)).lower()
        raise ScrapeError(f"dial tcp {shown}: connect: {reason}") from None
    return connection


def address_of(url: URL) -> tuple[str, int]:
    """Host and port."""
    return url.raw_host or "", url.port or 80


def request_bytes(url: URL, headers: Mapping[str, str], method: str = "GET") -> bytes:
    """The head of a request. Raises ScrapeError for a header that would be two."""
    port = url.explicit_port
    host = f"[{url.raw_host}]" if ":" in (url.raw_host or "") else url.raw_host
    lines = [f"{method} {url.raw_path_qs or '/'} HTTP/1.1"]
    if "Host" not in headers:
        lines.append(f"Host: {host}" if port is None else f"Host: {host}:{port}")
    lines += [f"{name}: {value}" for name, value in headers.items()]
    text = "\r\n".join(lines)
    if text.count("\n") != len(lines) - 1:
        raise ScrapeError("a header of the request has a line break")
    return f"{text}\r\n\r\n".encode()
