"""Small questions to token servers and the like, answered whole; what is asked is a function,
so that each room asks with its own client, and its own errors.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple, Protocol

import aiohttp
from yarl import URL

from promlab.errors import ScrapeError
from promlab.transport.failures import describe

if TYPE_CHECKING:
    from promlab.transport.session import HttpClient

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_NO_HEADERS: Mapping[str, str] = {}
_TIMEOUT_S = 30.0
_MAX_ANSWER = 1 << 20


class Reply(NamedTuple):
    """An answer of any status."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def reason(self) -> str:
        """What it says, in one line."""
        return " ".join(self.body[:1000].decode(errors="replace").split())[:200]


class Ask(Protocol):
    """Asks a server; raises an error of its room if there is no answer."""

    async def __call__(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes | None
    ) -> Reply:
        """The answer, of any status."""


class ClientAsk:
    """Asks with an HTTP client. Raises ScrapeError."""

    def __init__(self, client: HttpClient) -> None:
        self._client = client

    async def __call__(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] = _NO_HEADERS,
        body: bytes | None = None,
    ) -> Reply:
        """The answer, of any status, cut off where it is longer than any such answer."""
        try:
            async with (
                asyncio.timeout(_TIMEOUT_S),
                self._client.open(method, URL(url), headers=headers, body=body) as response,
            ):
                answer = await response.content.read(_MAX_ANSWER)
                return Reply(response.status, response.headers, answer)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            # Without the query, which may hold a secret.
            raise ScrapeError(describe(error, url.partition("?")[0], method.title())) from None

    async def close(self) -> None:
        """Close connections."""
        await self._client.close()
