"""Fetching one body: request, redirects, limits, decompression.

A body is limited while it is read and again while it is unpacked, so that neither a target
that never ends nor one that packs a gigabyte into a megabyte takes more memory than allowed.
"""

from __future__ import annotations

import asyncio
import zlib
from dataclasses import dataclass
from functools import lru_cache

import aiohttp
from isal import isal_zlib
from yarl import URL

from promlab.errors import ScrapeError
from promlab.transport.direct import TooLarge
from promlab.transport.failures import describe
from promlab.transport.redirects import MAX_REDIRECTS, REDIRECTS, joined, trusted
from promlab.transport.session import HttpClient

# What a target may send where the configuration sets no limit.
UNLIMITED_BYTES = 512 << 20
_GZIP = 31


class BodyTooLarge(ScrapeError):
    """The target sent more than it may."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A body as it is to be parsed, and its declared content type ("" if none)."""

    body: bytes
    content_type: str


class Fetcher:
    """Fetches the bodies of one job's targets."""

    def __init__(self, client: HttpClient, *, follow_redirects: bool, body_size_limit: int) -> None:
        self._client, self._follow = client, follow_redirects
        self._configured = body_size_limit
        self._limit = body_size_limit or UNLIMITED_BYTES

    async def fetch(self, url: str, budget_s: float) -> Fetched:
        """The body of a target. Raises ScrapeError, whose text is what its page shows."""
        try:
            async with asyncio.timeout(budget_s):
                return await self._fetch(url, f"{budget_s:g}")
        except ScrapeError:
            raise
        except TooLarge:
            raise self._too_large() from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise ScrapeError(describe(error, url)) from None

    async def _fetch(self, url: str, budget: str) -> Fetched:
        start = _parsed(url)
        if not self._client.direct(start):
            return await self._fetch_generally(url, start, start, budget)
        own = await self._client.headers(trusted=True)
        headers = {**own, "X-Prometheus-Scrape-Timeout-Seconds": budget}
        try:
            response = await self._client.plain.get(start, headers, self._limit)
        except (EOFError, ScrapeError) as error:
            raise ScrapeError(f'Get "{url}": {error}') from None
        location = response.header(b"location")
        if self._follow and response.status in REDIRECTS and location:
            return await self._fetch_generally(url, start, joined(start, location, url), budget)
        _check_status(response.status, response.reason)
        packed = response.header(b"content-encoding").lower()
        content_type = response.header(b"content-type")
        return Fetched(self._unpacked(response.body, packed), content_type)

    async def _fetch_generally(self, url: str, start: URL, here: URL, budget: str) -> Fetched:
        client = self._client
        for _ in range(MAX_REDIRECTS + (here is start)):
            own = await client.headers(trusted=trusted(start, here))
            headers = {**own, "X-Prometheus-Scrape-Timeout-Seconds": budget}
            async with client.session.get(
                here,
                headers=headers,
                allow_redirects=False,
                proxy=client.proxy_for(str(here)),
                proxy_headers=client.proxy_headers,
                server_hostname=client.server_name if here.scheme == "https" else None,
            ) as response:
                location = response.headers.get("Location")
                if self._follow and response.status in REDIRECTS and location:
                    here = joined(here, location, url)
                    continue
                _check_status(response.status, response.reason or "")
                packed = response.headers.get("Content-Encoding", "").strip().lower()
                body = await self._read(response)
                content_type = response.headers.get("Content-Type", "")
                return Fetched(self._unpacked(body, packed), content_type)
        raise ScrapeError(f'Get "{url}": stopped after {MAX_REDIRECTS} redirects')

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

    def _unpacked(self, body: bytes, encoding: str) -> bytes:
        if encoding in ("", "identity"):
            return body
        if encoding not in ("gzip", "x-gzip"):
            raise ScrapeError(f"received unsupported Content-Encoding {encoding[:60]!r}")
        return self._gunzip(body)

    def _gunzip(self, body: bytes) -> bytes:
        unpacked: list[bytes] = []
        room = self._limit
        try:
            while body:
                stream = isal_zlib.decompressobj(_GZIP)
                # One byte more than fits tells a body of just the limit from a larger one.
                piece = stream.decompress(body, room + 1)
                if len(piece) > room:
                    raise self._too_large()
                if not stream.eof:
                    raise ScrapeError("gzip: unexpected EOF")
                room -= len(piece)
                unpacked.append(piece)
                body = stream.unused_data
        except (zlib.error, ValueError) as error:
            raise ScrapeError(f"gzip: {' '.join(str(error).split())[:200]}") from None
        return unpacked[0] if len(unpacked) == 1 else b"".join(unpacked)

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


def _check_status(status: int, reason: str) -> None:
    if status != 200:
        raise ScrapeError(f"server returned HTTP status {f'{status} {reason}'.strip()[:200]}")
