"""OAuth 2.0 client credentials: a token is fetched when needed, and kept until it ends.

The client names itself in the Authorization header, as the standard prefers, and in the form
where the token server does not take that. A secret that is a file is read for each token.
"""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import quote_plus, urlencode

import aiohttp
import msgspec

from promlab.config.http_client import OAuth2
from promlab.errors import ScrapeError
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
            found = msgspec.json.decode(answer)
            token, kind = found["access_token"], found.get("token_type") or "Bearer"
            lasting = float(found.get("expires_in") or 0.0)
        except (msgspec.DecodeError, KeyError, TypeError, ValueError, AttributeError):
            raise ScrapeError("oauth2: the token server's answer has no access_token") from None
        if not isinstance(token, str) or not token or not isinstance(kind, str):
            raise ScrapeError("oauth2: the token server's answer has no access_token")
        if any(char <= " " for char in token + kind):
            raise ScrapeError("oauth2: the token has a blank or control character")
        self._header = f"{'Bearer' if kind.lower() == 'bearer' else kind} {token}"
        # Without a lifetime it is good until the end.
        self._ends = time.monotonic() + (lasting - _EARLY_S if lasting else float("inf"))

    async def _ask(self, secret: str, *, in_form: bool) -> tuple[int, bytes]:
        config = self._config
        form = {"grant_type": "client_credentials"}
        if config.scopes:
            form["scope"] = " ".join(config.scopes)
        form |= config.endpoint_params
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        if in_form:
            form |= {"client_id": config.client_id, "client_secret": secret}
        else:
            user, password = quote_plus(config.client_id), quote_plus(secret)
            pair = base64.b64encode(f"{user}:{password}".encode()).decode()
            headers["Authorization"] = f"Basic {pair}"
        url = config.token_url
        try:
            async with self._client.session.post(
                url,
                data=urlencode(sorted(form.items())),
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
