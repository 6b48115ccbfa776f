"""The thin layer between ASGI and handlers: requests, responses, forms, compression.

The query endpoints are on the hot path of every dashboard, so there is no framework here: a
handler takes a `Request` and gives a `Response`, whose body is bytes or chunks of bytes.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from promlab.errors import PromlabError
from promlab.web.compression import chosen, packed, packed_chunks

JSON = "application/json"
TEXT = "text/plain; charset=utf-8"
HTML = "text/html; charset=utf-8"
FORM = "application/x-www-form-urlencoded"
MAX_FORM_BYTES = 10 << 20
_PACKED_FROM_BYTES = 1400
_HEADERS = "promlab.headers"
_UNREADABLE = re.compile(r";|%(?![0-9A-Fa-f]{2})")
_KEPT_LENGTH = 2000  # longest parameter whose decoded form is remembered

T = TypeVar("T")
Scope = dict[str, Any]
Body = bytes | Iterator[bytes] | AsyncIterator[bytes]


class BodyTooLarge(PromlabError):
    """A request body that is larger than this endpoint takes."""


class ClientGone(PromlabError):
    """The connection was closed before the whole request had come."""


class MustWait(PromlabError):
    """A request that was to be answered at once, but must wait for something."""


class Form(dict[str, list[str]]):
    """Parameters of a request: all values of each name, in their order; `firsts` has the first.

    Those of requests that say the same are one form: never changed once it is read. What can't
    be read is left out; `unreadable` says what that was, for the few endpoints that mind.
    """

    __slots__ = ("_made", "firsts", "unreadable")

    def __init__(self) -> None:
        self.firsts: dict[str, str] = {}
        self.unreadable = ""
        self._made: dict[Callable[[Form], Any], Any] = {}

    @staticmethod
    def read(encoded: bytes) -> Form:
        """The form of a query string: the one that was read before, if it is not too long."""
        return (_read if len(encoded) <= _KEPT_LENGTH else _read.__wrapped__)(encoded)

    def once(self, make: Callable[[Form], T]) -> T:
        """What this makes of the form, from the second time on what it made before."""
        found: T | None = self._made.get(make)
        if found is None:
            found = self._made[make] = make(self)
        return found

    def first(self, name: str, default: str = "") -> str:
        """The first value of a parameter."""
        return self.firsts.get(name, default)

    def add(self, encoded: bytes) -> None:
        """Add what a query string or an encoded form says."""
        for piece in encoded.decode("utf-8", "replace").split("&"):
            known = _pairs if len(piece) <= _KEPT_LENGTH else _pairs.__wrapped__
            pairs = known(piece)
            if not pairs and piece:
                self.unreadable = _why_unreadable(piece, self.unreadable)
            for name, value in pairs:
                if name in self:
                    self[name].append(value)
                else:
                    self[name], self.firsts[name] = [value], value


def _why_unreadable(piece: str, before: str) -> str:
    """What Go says of a piece that it can't read, where it said something before."""
    if ";" in piece:
        return "invalid semicolon separator in query"
    found = _UNREADABLE.search(piece)
    assert found is not None
    return before or f'invalid URL escape "{piece[found.start() : found.start() + 3]}"'


@lru_cache(maxsize=1024)
def _read(encoded: bytes) -> Form:
    form = Form()
    form.add(encoded)
    return form


@lru_cache(maxsize=4096)
def _pairs(piece: str) -> tuple[tuple[str, str], ...]:
    """Name and value, if it is one: dashboards ask for the same again, at other times.

    What Go can't read is left out, as there.
    """
    if _UNREADABLE.search(piece):
        return ()
    return tuple(parse_qsl(piece, keep_blank_values=True))


@lru_cache(maxsize=1024)
def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Request:
    """One HTTP request; `path_args` are the variable parts of the path.

    With a `body` all of it is there and nothing may wait while it is answered: what has to
    raises MustWait.
    """

    __slots__ = (
        "_body", "_form", "_left", "_receive", "at_once", "headers", "method", "path_args", "scope"
    )  # fmt: skip

    def __init__(self, scope: Scope, receive: Any, body: bytes | None = None) -> None:
        self.scope, self._receive, self._body = scope, receive, body
        self.at_once = body is not None
        self.method: str = scope["method"]
        found = scope.get(_HEADERS)
        if found is None:
            # Kept: the next request of a connection mostly has the same.
            found = scope[_HEADERS] = dict(scope["headers"])
        self.headers: dict[bytes, bytes] = found
        self.path_args: dict[str, str] = {}
        self._form: Form | None = None
        self._left: list[Callable[[], None]] = []

    def after_answer(self, work: Callable[[], None]) -> None:
        """Do this when the answer is on its way if it is given at once, else now."""
        if self.at_once:
            self._left.append(work)
        else:
            work()

    def do_what_is_left(self) -> None:
        """The work that was to be done after the answer."""
        for work in self._left:
            work()

    def header(self, name: str) -> str:
        """A header's value, empty if it is not there."""
        return self.headers.get(name.lower().encode(), b"").decode("latin-1")

    @property
    def is_loopback(self) -> bool:
        """Whether the other end is on this machine."""
        client = self.scope.get("client")
        return client is not None and _is_loopback(client[0])

    async def body(self, limit: int) -> bytes:
        """The whole body. Raises BodyTooLarge, ClientGone."""
        declared = self.headers.get(b"content-length", b"0")
        if declared.isdigit() and int(declared) > limit:
            raise BodyTooLarge("http: request body too large")
        if self._body is not None:
            return self._body
        parts, size, more = [], 0, True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientGone("the connection was closed")
            part = message.get("body", b"")
            size += len(part)
            if size > limit:
                raise BodyTooLarge("http: request body too large")
            parts.append(part)
            more = message.get("more_body", False)
        return b"".join(parts)

    async def gone(self) -> None:
        """Returns when the client has closed the connection (after the body was read)."""
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def form(self) -> Form:
        """Parameters: those of a form in the body come before those of the URL."""
        if self._form is None:
            self._form = await self._read_form() if self.method == "POST" else self._of_url()
        return self._form

    def _of_url(self) -> Form:
        return Form.read(self.scope["query_string"])

    async def _read_form(self) -> Form:
        kind = self.header("content-type").partition(";")[0].strip().lower()
        if kind != FORM:
            return self._of_url()
        body, url = await self.body(MAX_FORM_BYTES), self.scope["query_string"]
        return Form.read(body + b"&" + url if url else body)

    async def param(self, name: str, default: str = "") -> str:
        """The first value of a parameter."""
        return (await self.form()).first(name, default)


@dataclass(slots=True)
class Response:
    """An answer; `chunks` is printed in a thread, chunk by chunk, if `threaded`.

    `afterwards` is what is left to be done when an answer given at once is on its way.
    """

    status: int = 200
    body: Body = b""
    content_type: str = JSON
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    threaded: bool = False
    afterwards: Callable[[], None] | None = None


def text(message: str, status: int = 200, **headers: str) -> Response:
    """A plain-text answer."""
    pairs = [(k.replace("_", "-").lower().encode(), v.encode()) for k, v in headers.items()]
    if status >= 400:
        pairs.append((b"x-content-type-options", b"nosniff"))
    return Response(status, message.encode(), TEXT, pairs)


def not_found() -> Response:
    """Nothing is there, as Go's servers say it."""
    return text("404 page not found\n", 404)


async def send_response(request: Request, response: Response, send: Any) -> int:
    """Write an answer to the connection; returns how many bytes its body had."""
    coding = _prepare(request, response)
    body = response.body
    if isinstance(body, bytes):
        headers = response.headers
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        await send(
            {"type": "http.response.body", "body": b"" if request.method == "HEAD" else body}
        )
        return len(body)
    if isinstance(body, AsyncIterator):
        return await _send_events(request, response, body, send)
    return await _send_chunks(response, body, coding, send)


def finish(request: Request, response: Response) -> bytes | None:
    """The whole body as it is sent, packed or not; None if it comes bit by bit.

    Completes the headers; for answers that are written in one go.
    """
    if not isinstance(response.body, bytes):
        return None
    _prepare(request, response)
    return response.body


def _prepare(request: Request, response: Response) -> str:
    """Complete the headers, pack a body that is there; returns the coding of one that is not."""
    headers = response.headers
    if response.content_type:
        headers.append((b"content-type", response.content_type.encode()))
    asked = request.headers.get(b"accept-encoding", b"")
    coding = chosen(asked.decode("latin-1")) if asked and not request.is_loopback else ""
    if not isinstance(response.body, bytes):
        return coding
    if coding and len(response.body) >= _PACKED_FROM_BYTES:
        response.body = packed(response.body, coding)
        headers.append((b"content-encoding", coding.encode()))
    if response.status != 204:
        headers.append((b"content-length", b"%d" % len(response.body)))
    return ""


async def _send_events(
    request: Request, response: Response, events: AsyncIterator[bytes], send: Any
) -> int:
    """Send what comes, when it comes, until there is no more or the client is gone."""
    sent = 0
    start = {"type": "http.response.start", "status": response.status, "headers": response.headers}
    await send(start)
    gone = asyncio.ensure_future(request.gone())
    try:
        while True:
            following = asyncio.ensure_future(anext(events, None))
            await asyncio.wait([following, gone], return_when=asyncio.FIRST_COMPLETED)
            if not following.done():
                following.cancel()
                await asyncio.gather(following, return_exceptions=True)
                return sent
            event = following.result()
            if event is None:
                break
            sent += len(event)
            await send({"type": "http.response.body", "body": event, "more_body": True})
    finally:
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)
        if isinstance(events, AsyncGenerator):
            await events.aclose()
    await send({"type": "http.response.body", "body": b""})
    return sent


async def _send_chunks(response: Response, chunks: Iterator[bytes], coding: str, send: Any) -> int:
    if coding:
        chunks = packed_chunks(chunks, coding)
        response.headers.append((b"content-encoding", coding.encode()))
    sent = 0
    await send(
        {"type": "http.response.start", "status": response.status, "headers": response.headers}
    )
    async for chunk in _in_turn(chunks, response.threaded):
        sent += len(chunk)
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b""})
    return sent


async def _in_turn(chunks: Iterator[bytes], threaded: bool) -> AsyncIterator[bytes]:
    """Chunks of an iterator; with `threaded` each is made outside of the event loop."""
    if not threaded:
        for each in chunks:
            yield each
        return
    loop = asyncio.get_running_loop()
    coming = loop.run_in_executor(None, next, chunks, None)
    try:
        while (chunk := await coming) is not None:
            # The next one is made while this one is sent.
            coming = loop.run_in_executor(None, next, chunks, None)
            yield chunk
    finally:
        if not coming.done():
            await asyncio.wait([coming])
