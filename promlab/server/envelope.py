"""What an API answer looks like: `{"status": "success", "data": ...}`, and errors.

The one place that maps promlab's errors to the API's error kinds and status codes.
"""

from __future__ import annotations

import logging
from typing import Any
from urllib.parse import quote

import msgspec

from promlab.errors import (
    NotReady,
    PromlabError,
    PromQLError,
    PromQLSyntaxError,
    QueryCanceled,
    QueryTimeout,
)
from promlab.model.matchers import BadRegex
from promlab.web.http import BodyTooLarge, Response

log = logging.getLogger(__name__)

STATUS = {
    "bad_data": 400,
    "execution": 422,
    "canceled": 499,
    "timeout": 503,
    "internal": 500,
    "not_found": 404,
    "not_acceptable": 406,
    "unavailable": 500,
}
HINT, POSITION = b"x-promlab-hint", b"x-promlab-position"
TRUNCATED = "results truncated due to limit"
_encode = msgspec.json.Encoder().encode


# As Go escapes them in JSON: what repeats what somebody sent may land in a page.
_ESCAPED = [
    (b"<", b"\\u003c"), (b">", b"\\u003e"), (b"&", b"\\u0026"),
    (b"\xe2\x80\xa8", b"\\u2028"), (b"\xe2\x80\xa9", b"\\u2029"),
]  # fmt: skip


class ApiError(PromlabError):
    """A request that is answered with an error of this kind; `query_error` is behind it."""

    def __init__(self, kind: str, message: str, query_error: PromQLError | None = None) -> None:
        self.kind, self.message, self.query_error = kind, message, query_error
        super().__init__(message)

    def unnamed(self, parameter: str) -> ApiError:
        """The same without the parameter's name, as some of Prometheus's answers have it."""
        message = self.message.removeprefix(f'invalid parameter "{parameter}": ')
        return ApiError(self.kind, message, self.query_error)


def bad_parameter(name: str, error: object) -> ApiError:
    """A parameter that can't be used, in Prometheus's words."""
    query_error = error if isinstance(error, PromQLError) else None
    return ApiError("bad_data", f'invalid parameter "{name}": {error}', query_error)


def success(data: Any, warnings: list[str] | None = None, **more: Any) -> Response:
    """An answer with data."""
    envelope: dict[str, Any] = {"status": "success", "data": data, **more}
    if warnings:
        envelope["warnings"] = warnings
    return Response(body=_encode(envelope))


def escaped(body: bytes) -> bytes:
    """JSON without what is markup in a page or ends a line of a script."""
    for char, instead in _ESCAPED:
        body = body.replace(char, instead)
    return body


def text_success(data: Any) -> Response:
    """An answer with data that repeats a text: Go escapes what is in it, but in label sets."""
    return Response(body=escaped(_encode({"status": "success", "data": data})))


def failure(error: BaseException) -> Response:
    """The answer to a request that failed, whatever with."""
    kind, message = kind_of(error)
    if isinstance(error, NotReady):
        return unavailable()
    if not isinstance(error, PromlabError):
        log.error("A request failed", exc_info=error)
    envelope = {"status": "error", "errorType": kind, "error": message}
    return Response(STATUS[kind], escaped(_encode(envelope)), headers=_advice(error))


def _advice(error: BaseException) -> list[tuple[bytes, bytes]]:
    """Where in a query the mistake is and what to do about it, as headers: the body is
    Prometheus's own, which has no place for them."""
    about = error.query_error if isinstance(error, ApiError) else error
    if not isinstance(about, PromQLError) or not about.query:
        return []
    headers = [(POSITION, b"%d-%d" % (about.start, about.end))]
    if about.hint:
        # Advice may name labels, which are anybody's text: escaped like a part of a URL.
        headers.append((HINT, quote(about.hint, safe=" ").encode()))
    return headers


def unavailable(*, stopping: bool = False) -> Response:
    """The answer of a server that is not ready, or no longer."""
    headers = [(b"x-prometheus-stopping", b"true" if stopping else b"false")]
    return Response(503, b"Service Unavailable", "text/plain; charset=utf-8", headers)


def kind_of(error: BaseException) -> tuple[str, str]:
    """Kind and text of an error."""
    match error:
        case ApiError():
            return error.kind, error.message
        case PromQLSyntaxError():
            return "bad_data", f'invalid parameter "query": {error}'
        case QueryTimeout():
            return "timeout", str(error)
        case QueryCanceled():
            return "canceled", str(error)
        case PromQLError():
            return "execution", str(error)
        case BadRegex() | BodyTooLarge():
            return "bad_data", str(error)
        case PromlabError():
            return "internal", str(error)
        case _:
            return "internal", "internal error: the server's log says more"
