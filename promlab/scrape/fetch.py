"""Fetching one body: request, redirects, limits, decompression.

A body is limited while it is read and again while it is unpacked, so that neither a target
that never ends nor one that packs a gigabyte into a megabyte takes more memory than allowed.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import aiohttp
from yarl import URL

from promlab.errors import ScrapeError
from promlab.scrape.aside import Aside
from promlab.scrape.unpacking import gunzip
from promlab.transport.direct import Malformed, Response, TooLarge, address_of, request_bytes
from promlab.transport.failures import describe
from promlab.transport.redirects import REDIRECTS, joined
from promlab.transport.session import Headers, HttpClient

# What a target may send where the configuration sets no limit.
UNLIMITED_BYTES = 512 << 20
_MOST_PREPARED = 100_000


class BodyTooLarge(ScrapeError):
    """The target sent more than it may."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A body as it is to be parsed, and its declared content type ("" if none)."""

    body: bytes
    content_type: str


class _Prepared(NamedTuple):
    """A request that is made again and again."""

    address: tuple[str, int]
    request: bytes
    headers: Headers
    budget_s: float

    def fits(self, client: HttpClient, budget_s: float) -> bool:
        """Whether it says what is to be said now."""
        return self.headers is client.fixed_headers and self.budget_s == budget_s


class Fetcher:
    """Fetches the bodies of one job's targets."""

    def __init__(
        self, client: HttpClient, aside: Aside, *, follow_redirects: bool, body_size_limit: int
    ) -> None:
        self._client, self._aside, self._follow = client, aside, follow_redirects
        self._configured = body_size_limit
        self._limit = body_size_limit or UNLIMITED_BYTES
        self._prepared: dict[str, _Prepared] = {}

    async def fetch(self, url: str, budget_s: float) -> Fetched:
        """The body of a target. Raises ScrapeError, whose text is what its page shows."""
        try:
            response = await self._again(url, budget_s)
            if response is not None and response.status == 200:
                return await self._fetched(response)
            async with asyncio.timeout(budget_s):
                return await self._fetch(url, budget_s, response)
        except ScrapeError:
            raise
        except TooLarge:
            raise self._too_large() from None
        except (aiohttp.ClientError, OSError, EOFError, ValueError) as error:
            raise ScrapeError(describe(error, url)) from None

    async def _again(self, url: str, budget_s: float) -> Response | None:
        """The answer to a request that was made before, over a connection that was kept.

        None where there is neither, or where the other end has closed it since. The timeout is
        the connection's own: at this rate asyncio's would cost as much as all the rest.
        """
        prepared, plain = self._prepared.get(url), self._client.plain
        if prepared is None or not prepared.fits(self._client, budget_s):
            return None
        connection = plain.take(prepared.address)
        if connection is None:
            return None
        try:
            return await plain.ask(
                connection, prepared.address, prepared.request, self._limit, budget_s
            )
        except (EOFError, OSError) as error:
            if isinstance(error, TimeoutError) or not connection.is_untouched:
                raise
            return None
        except Malformed as error:
            raise ScrapeError(f'Get "{url}": {error}') from None

    async def _fetch(self, url: str, budget_s: float, response: Response | None) -> Fetched:
        """The body of a target; `response` is what it has answered already."""
        start, budget = _parsed(url), f"{budget_s:g}"
        if not self._client.direct(start):
            return await self._fetch_generally(start, start, budget)
        own = await self._client.headers(trusted=True)
        headers = own.copy()
        headers["X-Prometheus-Scrape-Timeout-Seconds"] = budget
        self._prepare(url, start, own, headers, budget_s)
        if response is None:
            try:
                response = await self._client.plain.get(start, headers, self._limit)
            except (EOFError, ScrapeError) as error:
                raise ScrapeError(f'Get "{url}": {error}') from None
        location = response.header(b"location")
        if self._follow and response.status in REDIRECTS and location:
            return await self._fetch_generally(start, joined(start, location, url), budget)
        _check_status(response.status, response.reason)
        return await self._fetched(response)

    async def _fetched(self, response: Response) -> Fetched:
        packed = response.headers.get(b"content-encoding")
        content_type = _decoded(response.headers.get(b"content-type", b""))
        if packed is None:
            return Fetched(response.body, content_type)
        body = await self._unpacked(response.body, _decoded(packed).lower())
        return Fetched(body, content_type)

    def _prepare(
        self, url: str, start: URL, own: Headers, headers: Headers, budget_s: float
    ) -> None:
        """Keep the bytes of a request that will be the same at the next scrape."""
        if len(self._prepared) >= _MOST_PREPARED:
            self._prepared.clear()
        request = request_bytes(start, headers)
        self._prepared[url] = _Prepared(address_of(start), request, own, budget_s)

    async def _fetch_generally(self, start: URL, here: URL, budget: str) -> Fetched:
        always = {"X-Prometheus-Scrape-Timeout-Seconds": budget}
        async with self._client.open("GET", here, always=always, start=start) as response:
            _check_status(response.status, response.reason or "")
            packed = response.headers.get("Content-Encoding", "").strip().lower()
            body = await self._read(response)
            content_type = response.headers.get("Content-Type", "")
            return Fetched(await self._unpacked(body, packed), content_type)

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        length = response.content_length
        if length is not None and length > self._limit:
            raise self._too_large()
        pieces: list[bytes] = []
        size = 0
        while piece := await response.content.readany():
            size += len(piece)
            if size > self._limit:
                raise self._too_large()
            pieces.append(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def _unpacked(self, body: bytes, encoding: str) -> bytes:
        if encoding in ("", "identity"):
            return body
        if encoding not in ("gzip", "x-gzip"):
            raise ScrapeError(f"received unsupported Content-Encoding {encoding[:60]!r}")
        return await gunzip(body, self._limit, self._aside)

    def _too_large(self) -> BodyTooLarge:
        if self._configured:
            return BodyTooLarge("body size limit exceeded")
        return BodyTooLarge(
            f"body size limit exceeded: more than {UNLIMITED_BYTES >> 20} MiB, "
            "set body_size_limit to allow it"
        )


@lru_cache(maxsize=65_536)
def _parsed(url: str) -> URL:
    return URL(url, encoded=True)


@lru_cache(maxsize=256)
def _decoded(value: bytes) -> str:
    return value.decode("latin-1").strip()


def _check_status(status: int, reason: str) -> None:
    if status != 200:
        raise ScrapeError(f"server returned HTTP status {f'{status} {reason}'.strip()[:200]}")
