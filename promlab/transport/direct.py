"""HTTP/1.1 without ceremony: what nearly every scrape needs, at a fifth of its cost.

A `DirectClient` speaks plain HTTP to targets that are reached without a proxy, over
connections that stay open, and gives status, headers and body. Whatever else there is (TLS,
proxies, redirects) is left to the general client. Bytes are parsed by httptools; sizes are
limited while they come in.
"""

from __future__ import annotations

import asyncio
import re
import socket
import time
from collections import defaultdict
from collections.abc import Mapping
from typing import NamedTuple, cast

import httptools
from yarl import URL

from promlab.errors import ScrapeError
from promlab.transport import names

_IDLE_S = 300.0
_MAX_HEAD_BYTES = 65_536
_UNSAFE = re.compile(r"[\x00-\x20\x7f]")
_CONNECTION_LOST = "EOF"


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


class _Connection(asyncio.Protocol):
    """One connection: a request at a time."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.reusable, self.idle_since = False, 0.0
        self._done: asyncio.Future[Response] | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._limit = 0
        self._begin()

    def ask(self, request: bytes, limit: int) -> asyncio.Future[Response]:
        """Send a request; the future has the answer."""
        assert self.transport is not None
        self._limit, self.reusable = limit, False
        self._begin()
        self._done = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return self._done

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
        self._seen += len(data)
        if self._done is None:  # nobody asked: not a connection to be used again
            self.close()
            return
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
        pieces = self._pieces
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        reason = self._reason.decode("latin-1")
        if self._done is not None and not self._done.done():
            self._done.set_result(Response(status, reason, self._headers, body))

    def _begin(self) -> None:
        self._reason, self._headers = b"", dict[bytes, bytes]()
        self._pieces: list[bytes] = []
        self._size = self._seen = 0
        self._in_body = self._ends_with_connection = self._is_done = False

    def _fail(self, error: Exception) -> None:
        if self._done is not None and not self._done.done():
            self._done.set_exception(error)
        self.close()


class DirectClient:
    """Requests over connections that are kept, one pool an address."""

    def __init__(self) -> None:
        self._idle: dict[tuple[str, int], list[_Connection]] = defaultdict(list)

    async def get(self, url: URL, headers: Mapping[str, str], limit: int) -> Response:
        """The answer to a GET.

        Raises OSError where there is no connection, EOFError where it breaks, TooLarge where
        the body has more than `limit` bytes, Malformed where the answer is not HTTP.
        """
        address = url.raw_host or "", url.port or 80
        request = _request(url, headers)
        connection = self._take(address)
        if connection is not None:
            try:
                return await self._ask(connection, address, request, limit)
            except (EOFError, OSError):
                # A kept connection may have been closed by the other end meanwhile.
                if not connection.is_untouched:
                    raise
        connection = await _connect(address)
        return await self._ask(connection, address, request, limit)

    def close(self) -> None:
        """Close all connections that nobody uses."""
        for connections in self._idle.values():
            for connection in connections:
                connection.close()
        self._idle.clear()

    async def _ask(
        self, connection: _Connection, address: tuple[str, int], request: bytes, limit: int
    ) -> Response:
        try:
            response = await connection.ask(request, limit)
        except BaseException:
            connection.close()
            raise
        if connection.reusable:
            connection.idle_since = time.monotonic()
            self._idle[address].append(connection)
        else:
            connection.close()
        return response

    def _take(self, address: tuple[str, int]) -> _Connection | None:
        idle = self._idle.get(address)
        while idle:
            connection = idle.pop()
            if connection.reusable and time.monotonic() - connection.idle_since < _IDLE_S:
                return connection
            connection.close()
        self._idle.pop(address, None)
        return None


async def _connect(address: tuple[str, int]) -> _Connection:
    """A new connection. Raises ScrapeError with the words of a Go client."""
    host, port = address
    loop = asyncio.get_running_loop()
    shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        _, connection = await loop.create_connection(_Connection, *names.meant(host, port))
    except socket.gaierror:
        raise ScrapeError(f"dial tcp: lookup {host}: no such host") from None
    except OSError as error:
        refused = isinstance(error, ConnectionRefusedError)
        reason = "connection refused" if refused else (error.strerror or str(error)).lower()
        raise ScrapeError(f"dial tcp {shown}: connect: {reason}") from None
    return connection


def _request(url: URL, headers: Mapping[str, str]) -> bytes:
    default = url.port in (None, 80)
    host = f"[{url.raw_host}]" if ":" in (url.raw_host or "") else url.raw_host
    lines = [f"GET {url.raw_path_qs or '/'} HTTP/1.1"]
    if "Host" not in headers:
        lines.append(f"Host: {host}" if default else f"Host: {host}:{url.port}")
    lines += [f"{name}: {value}" for name, value in headers.items()]
    text = "\r\n".join(lines)
    if text.count("\n") != len(lines) - 1:
        raise ScrapeError("a header of the request has a line break")
    return f"{text}\r\n\r\n".encode()
