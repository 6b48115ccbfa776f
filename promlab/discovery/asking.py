"""Questions over HTTP to whoever knows targets, and bounded answers.

    asker = around.asker(config.http)
    answer = await asker.json("http://consul:8500/v1/agent/self")

Redirects are followed as far as the configuration allows, credentials only to the same host.
An answer is limited in size and in time; everything that goes wrong is a DiscoveryError.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

import aiohttp
from yarl import URL

from promlab.config.http_client import HttpClientConfig
from promlab.discovery.answers import Answer
from promlab.errors import DiscoveryError, ScrapeError
from promlab.transport.failures import describe
from promlab.transport.session import HttpClient

MAX_BYTES = 64 << 20
# Decoding more than this at once would hold up the event loop.
_IN_LOOP_BYTES = 256 << 10


@dataclass(frozen=True, slots=True)
class Reply:
    """A body, its headers, and where it came from after redirects."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str


class Asker:
    """Asks the server, or the servers, of one section."""

    def __init__(
        self,
        http: HttpClientConfig,
        user_agent: str,
        *,
        timeout_s: float = 30.0,
        max_bytes: int = MAX_BYTES,
        unix_socket: str = "",
    ) -> None:
        own = {"User-Agent": user_agent, "Accept-Encoding": "identity"}
        self._client = HttpClient(http, own, unix_socket=unix_socket)
        self.timeout_s, self.max_bytes = timeout_s, max_bytes

    async def json(self, url: str, what: str = "", **options: object) -> Answer:
        """The JSON value that a server answers with. See `ask` for the options."""
        reply = await self.ask(url, **options)  # type: ignore[arg-type]
        return await parsed(reply, what or reply.url)

    async def ask(
        self,
        url: str,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str | list[str]] | None = None,
        body: bytes | None = None,
        accepted: tuple[int, ...] = (),
        timeout_s: float = 0.0,
    ) -> Reply:
        """The whole answer, of any 2xx status (or one that is `accepted`)."""
        budget_s = timeout_s or self.timeout_s
        try:
            async with (
                asyncio.timeout(budget_s),
                self.open(url, method=method, headers=headers, params=params, body=body) as found,
            ):
                if not 200 <= found.status < 300 and found.status not in accepted:
                    raise DiscoveryError(await _refusal(found, url))
                return Reply(found.status, found.headers, await self._read(found), str(found.url))
        except TimeoutError:
            raise DiscoveryError(f"{shown(url)}: no answer within {budget_s:g} s") from None

    @contextlib.asynccontextmanager
    async def open(
        self,
        url: str,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str | list[str]] | None = None,
        body: bytes | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """An open response, redirects followed, whatever its status. It has no time limit."""
        try:
            start = URL(url)
            asked = start.extend_query(dict(params)) if params else start
            async with self._client.open(
                method, asked, headers=headers or {}, body=body, shown=shown(url)
            ) as response:
                try:
                    yield response
                finally:
                    response.close()
        except TimeoutError:
            raise
        except ScrapeError as error:
            raise DiscoveryError(str(error)) from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise DiscoveryError(describe(error, shown(url))) from None

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        if response.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise DiscoveryError(
                f"{shown(str(response.url))}: the answer is packed although that was not asked for"
            )
        pieces, size = [], 0
        while piece := await response.content.readany():
            size += len(piece)
            if size > self.max_bytes:
                raise DiscoveryError(
                    f"{shown(str(response.url))}: the answer is larger than "
                    f"{self.max_bytes >> 20} MiB"
                )
            pieces.append(piece)
        return b"".join(pieces)

    async def close(self) -> None:
        """Close all connections."""
        await self._client.close()


async def parsed(reply: Reply, what: str) -> Answer:
    """The JSON value of a reply; a large one is decoded beside the event loop."""
    if len(reply.body) <= _IN_LOOP_BYTES:
        return Answer.parse(reply.body, shown(what))
    return await asyncio.to_thread(Answer.parse, reply.body, shown(what))


async def _refusal(response: aiohttp.ClientResponse, url: str) -> str:
    start = await response.content.read(300)
    said = " ".join(start.decode(errors="replace").split())
    status = f"{response.status} {response.reason or ''}".strip()
    return f"{shown(url)}: server returned HTTP status {status[:100]}" + (
        f": {said[:200]}" if said and not said.startswith("<") else ""
    )


def same_server(url: str, following: str) -> str:
    """The next page of a list, which must be where the list is: credentials go there."""
    try:
        start, here = URL(url), URL(url).join(URL(following))
    except ValueError:
        raise DiscoveryError(f"{shown(url)}: the next page has no valid URL") from None
    if start.origin() != here.origin():
        raise DiscoveryError(f"{shown(url)}: the next page is on another server, which is refused")
    return str(here)


def shown(url: str) -> str:
    """A URL for people: without credentials and without its query, which may hold some."""
    try:
        parts = URL(url)
        return str(parts.with_user(None).with_query(None)) if parts.host else url.partition("?")[0]
    except ValueError:
        return url.partition("?")[0]
