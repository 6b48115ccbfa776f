"""REST APIs of Jupyter: answers of known shape, bounded in size, asked for with a token.

Answers are checked where they come in; fields that are not known here are left alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from promlab.config.http_client import HttpClientConfig
from promlab.errors import ConfigError, ScrapeError
from promlab.transport.blocking import blocking_client

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")
MAX_BYTES = 64 << 20
_PAGED = "application/jupyterhub-pagination+json"


def token_of(path: str, variable: str) -> str:
    """The token in a file, or in the environment; "" for none. Raises ConfigError."""
    if not path:
        return os.environ.get(variable, "")
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"the token can't be read: {reason}", path=path) from None


class Api:
    """One API, for one scrape."""

    def __init__(self, url: str, token: str, config: HttpClientConfig, timeout_s: float) -> None:
        headers = {"Authorization": f"token {token}"} if token else {}
        self._url = url.rstrip("/")
        self._http = blocking_client(config, headers, timeout_s)

    def __enter__(self) -> Api:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._http.close()

    def get(self, path: str, shape: type[T]) -> T:
        """What is at a path. Raises ScrapeError with the reason."""
        found: T = self._read(path, shape, {})
        return found

    def pages(self, path: str, shape: type[T]) -> Iterator[T]:
        """The elements of a list that comes in pages, or at once from older hubs."""
        offset, seen = 0, -1
        while offset > seen:
            seen = offset
            page = self._read(f"{path}?offset={offset}", Any, {"Accept": _PAGED})
            if not isinstance(page, dict):
                yield from _as(page, list[shape], path)  # type: ignore[valid-type]
                return
            found = _as(page, _Page, path)
            yield from _as(found.items, list[shape], path)  # type: ignore[valid-type]
            following = found.pagination.next
            offset = following.offset if following is not None else seen

    def _read(self, path: str, shape: Any, headers: Mapping[str, str]) -> Any:
        import httpx

        try:
            with self._http.stream("GET", f"{self._url}{path}", headers=headers) as answer:
                body = _bounded(answer, path)
                status, reason = answer.status_code, answer.reason_phrase
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ScrapeError(f"{self._url}: {error or type(error).__name__}") from None
        if status in (401, 403):
            raise ScrapeError(f"{path} answered {status}: the token is missing, or not allowed to")
        if status != 200:
            raise ScrapeError(f"{path} answered {status} {reason}")
        try:
            return msgspec.json.decode(body, type=shape)
        except (msgspec.DecodeError, RecursionError) as error:
            raise ScrapeError(f"{path} answered what is not understood: {error}") from None


class _Next(msgspec.Struct):
    offset: int


class _Pagination(msgspec.Struct):
    next: _Next | None = None


class _Page(msgspec.Struct):
    items: Any
    pagination: _Pagination = msgspec.field(name="_pagination", default_factory=_Pagination)


def _as(value: Any, shape: Any, path: str) -> Any:
    try:
        return msgspec.convert(value, shape)
    except msgspec.ValidationError as error:
        raise ScrapeError(f"{path} answered what is not understood: {error}") from None


def _bounded(answer: httpx.Response, path: str) -> bytes:
    body = bytearray()
    for part in answer.iter_bytes(65536):
        body += part
        if len(body) > MAX_BYTES:
            raise ScrapeError(f"{path} answered more than {MAX_BYTES:,} bytes")
    return bytes(body)


def unix_s(moment: datetime) -> float:
    """Unix time of a moment; Jupyter's are UTC where they don't say."""
    from datetime import UTC

    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()
