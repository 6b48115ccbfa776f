"""OAuth 2.0 client credentials: a token is fetched when needed, and kept until it ends.

The client names itself in the Authorization header, as the standard prefers, and in the form
where the token server does not take that. A secret that is a file is read for each token.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import aiohttp

from promlab.config.http_client import OAuth2
from promlab.errors import ScrapeError
from promlab.transport.client_credentials import question, token_of
from promlab.transport.failures import describe

if TYPE_CHECKING:
    from promlab.transport.session import HttpClient

# A token is not used in its last seconds: it has a way to go.
_EARLY_S = 10.0
_TIMEOUT_S = 30.0
_MAX_ANSWER = 1 << 20


class TokenSource:
    """Tokens of one `oauth2` section.

    `client` has that section's own TLS and proxy settings; `read_secret` reads a file with a
    secret.
    """

    def __init__(
        self, config: OAuth2, client: HttpClient, read_secret: Callable[[str], str]
    ) -> None:
        self._config, self._client, self._read_secret = config, client, read_secret
        self._header, self._ends = "", 0.0
        self._in_form = False
        self._asking = asyncio.Lock()

    async def header(self) -> str:
        """The value of the Authorization header. Raises ScrapeError."""
        if time.monotonic() < self._ends:
            return self._header
        async with self._asking:
            if time.monotonic() >= self._ends:
                await self._fetch()
        return self._header

    async def close(self) -> None:
        """Close the connections to the token server."""
        await self._client.close()

    async def _fetch(self) -> None:
        secret = self._config.client_secret.reveal() or await asyncio.to_thread(
            self._read_secret, self._config.client_secret_file
        )
        status, answer = await self._ask(secret, in_form=self._in_form)
        if status != 200 and not self._in_form:
            second, other = await self._ask(secret, in_form=True)
            if second == 200:
                status, answer, self._in_form = second, other, True
        if status != 200:
            raise ScrapeError(f"oauth2: cannot fetch token: HTTP status {status} {_reason(answer)}")
        self._take(answer)

    def _take(self, answer: bytes) -> None:
        try:
            header, said = token_of(answer)
        except ValueError as error:
            raise ScrapeError(f"oauth2: {error}") from None
        try:
            lasting = float(said or 0.0)  # type: ignore[arg-type]  # whatever it is
        except (TypeError, ValueError):
            raise ScrapeError("oauth2: the token server's answer has no access_token") from None
        self._header = header
        # Without a lifetime it is good until the end.
        self._ends = time.monotonic() + (lasting - _EARLY_S if lasting else float("inf"))

    async def _ask(self, secret: str, *, in_form: bool) -> tuple[int, bytes]:
        config = self._config
        body, headers = question(
            config.client_id, secret, config.scopes, config.endpoint_params, in_form=in_form
        )
        url = config.token_url
        try:
            async with self._client.session.post(
                url,
                data=body,
                headers=headers,
                proxy=self._client.proxy_for(url),
                timeout=aiohttp.ClientTimeout(total=_TIMEOUT_S),
                allow_redirects=False,
            ) as response:
                answer = await response.content.read(_MAX_ANSWER)
                return response.status, answer
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise ScrapeError(f"oauth2: {describe(error, url)}") from None


def _reason(answer: bytes) -> str:
    text = answer.decode(errors="replace")
    return " ".join(text.split())[:200]
