"""Requests to a server and the errors that come back; no meaning of answers here.

Reading stops at `max_bytes` of decoded body, so that no answer can fill the memory. What a
server refuses becomes an error of promlab.errors: a parse error keeps its place in the query.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote, urlsplit, urlunsplit

from promlab.errors import (
    ClientError,
    NotRunning,
    PromlabError,
    PromQLError,
    PromQLSyntaxError,
    QueryCanceled,
    QueryError,
    QueryTimeout,
)

if TYPE_CHECKING:
    import httpx

ARROW = "application/vnd.apache.arrow.stream"
JSON = "application/json"
Params = Mapping[str, str | Sequence[str]]

_PARSE_ERROR = re.compile(r"(?:(\d+):(\d+): )?parse error: (.*)", re.DOTALL)


class Answer(NamedTuple):
    """A successful answer."""

    body: bytes
    content_type: str


class Transport:
    """A connection pool to one server. Safe to use from several threads."""

    def __init__(
        self, url: str, *, timeout_s: float, headers: Mapping[str, str] | None, max_bytes: int
    ) -> None:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ClientError(f"{url!r} is not the address of a server: write http://host:9090")
        self._base = urlunsplit((parts.scheme, parts.netloc, parts.path.rstrip("/"), "", ""))
        host = parts.netloc.rpartition("@")[2]
        self.url = urlunsplit((parts.scheme, host, parts.path.rstrip("/"), "", ""))
        self._timeout_s, self._headers, self._max_bytes = timeout_s, dict(headers or {}), max_bytes
        self._pool: httpx.Client | None = None

    def request(
        self, path: str, params: Params | None = None, *, post: bool = False, accept: str = JSON
    ) -> Answer:
        """The body of a successful answer. Raises ClientError, NotRunning or PromQLError."""
        import httpx

        sent = {name: value for name, value in (params or {}).items() if value not in ("", [], ())}
        try:
            with self._http().stream(
                "POST" if post else "GET",
                self._base + path,
                headers={"Accept": accept},
                params=None if post else sent,
                data=sent if post else None,
            ) as response:
                body = self._read(response)
        except httpx.TimeoutException:
            raise QueryTimeout(
                f"{self.url} gave no answer within {self._timeout_s:g} s",
                hint="Narrow the query, or give the client a longer timeout_s.",
            ) from None
        except httpx.HTTPError as error:
            raise NotRunning(
                f"no server answers at {self.url} ({_reason(error)}): is it running there?"
            ) from None
        content_type = response.headers.get("content-type", "")
        if response.status_code >= 300:
            query = sent.get("query", "")
            refusal = to_error(
                body, response.status_code, f"{self.url}{path}", query if post else str(query)
            )
            if isinstance(refusal, PromQLError):
                hint = unquote(response.headers.get("x-promlab-hint", ""))
                refusal.hint = hint or refusal.hint
            raise refusal
        return Answer(body, content_type)

    def close(self) -> None:
        """Close the connections."""
        if self._pool is not None:
            self._pool.close()
            self._pool = None

    def _http(self) -> httpx.Client:
        if self._pool is None:
            import httpx

            self._pool = httpx.Client(timeout=self._timeout_s, headers=self._headers)
        return self._pool

    def _read(self, response: httpx.Response) -> bytes:
        pieces, size = [], 0
        for piece in response.iter_bytes():
            size += len(piece)
            if size > self._max_bytes:
                raise ClientError(
                    f"the answer of {self.url} is larger than {self._max_bytes:,} bytes: "
                    "ask for fewer series, a shorter time or a longer step",
                    url=self.url,
                )
            pieces.append(piece)
        return b"".join(pieces)


def to_error(body: bytes, status: int, url: str, query: object = "") -> PromlabError:
    """The error that an unsuccessful answer stands for."""
    import msgspec

    try:
        answer = msgspec.json.decode(body)
        kind, message = str(answer["errorType"]), str(answer["error"])
    except (msgspec.DecodeError, KeyError, TypeError, UnicodeDecodeError):
        text = body[:200].decode("utf-8", "replace").strip()
        shown = f": {text}" if text and not text.startswith("<") else ""
        return ClientError(
            f"{url} answers with HTTP status {status}{shown}", status=status, url=url
        )
    if isinstance(query, str) and query:
        return _query_error(kind, message, query)
    return ClientError(message, kind=kind, status=status, url=url)


def _query_error(kind: str, message: str, query: str) -> PromlabError:
    found = _PARSE_ERROR.search(message)
    if found:
        line, column = int(found[1] or 1), int(found[2] or 1)
        start = offset_of(query, line, column)
        return PromQLSyntaxError(found[3], query=query, start=start, end=start)
    if kind == "timeout":
        return QueryTimeout(message, query=query, hint="Narrow the selector, range or time.")
    if kind == "canceled":
        return QueryCanceled(message, query=query)
    if kind in ("execution", "bad_data"):
        return QueryError(message.removeprefix('invalid parameter "query": '), query=query)
    return ClientError(message, kind=kind)


def offset_of(text: str, line: int, column: int) -> int:
    """0-based offset of a 1-based line and column, kept within the text."""
    lines = text.split("\n")
    before = sum(len(one) + 1 for one in lines[: line - 1])
    return max(0, min(before + column - 1, len(text)))


def _reason(error: Exception) -> str:
    return str(error).strip() or type(error).__name__
