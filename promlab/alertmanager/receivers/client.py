"""The HTTP client of receivers: one of promlab's sessions, with answers kept short."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import msgspec

from promlab import __version__
from promlab.alertmanager.receivers.errors import NotifyError
from promlab.config.http_client import HttpClientConfig

USER_AGENT = f"Alertmanager/{__version__} (promlab)"
JSON = {"Content-Type": "application/json"}
_MAX_ANSWER = 1 << 20


class Answer(NamedTuple):
    """What came back."""

    status: int
    body: bytes
    headers: Mapping[str, str]

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body as JSON; None if it is none."""
        try:
            return msgspec.json.decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None


class Client(Protocol):
    """How receivers speak HTTP."""

    async def request(
        self, method: str, url: str, *, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Answer:
        """One request. Raises NotifyError (to be retried) if there is no answer."""

    async def close(self) -> None:
        """Close connections."""


class SessionClient:
    """A client over aiohttp: TLS, proxies and credentials as the configuration says."""

    def __init__(self, config: HttpClientConfig) -> None:
        self._config = config
        self._http: Any = None

    async def request(
        self, method: str, url: str, *, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Answer:
        """One request; see `Client`."""
        import aiohttp
        from yarl import URL

        from promlab.errors import PromlabError

        try:
            http = self._opened()
            own = await http.headers(trusted=True)
            async with http.session.request(
                method,
                URL(url),
                data=body or None,
                headers={**own, **(headers or {})},
                allow_redirects=self._config.follow_redirects,
                proxy=http.proxy_for(url),
                server_hostname=http.server_name if url.startswith("https:") else None,
            ) as response:
                answer = await response.content.read(_MAX_ANSWER)
                return Answer(response.status, answer, response.headers)
        except (aiohttp.ClientError, OSError, ValueError, PromlabError) as error:
            if isinstance(error, NotifyError):
                raise
            reason = " ".join(str(error).split())[:300] or type(error).__name__
            raise NotifyError(f"{method} failed: {reason}", retry=True) from None

    def _opened(self) -> Any:
        if self._http is None:
            from promlab.transport.session import HttpClient

            self._http = HttpClient(self._config, {"User-Agent": USER_AGENT})
        return self._http

    async def close(self) -> None:
        """Close connections."""
        if self._http is not None:
            await self._http.close()
            self._http = None


def check(answer: Answer, retry: tuple[int, ...] = (), details: str = "") -> None:
    """Raise NotifyError unless an answer is 2xx; 5xx and the statuses of `retry` are retried."""
    status = answer.status
    if 200 <= status < 300:
        return
    shown = details or " ".join(answer.text.split())[:500]
    message = f"unexpected status code {status}" + (f": {shown}" if shown else "")
    reason = "serverError" if status >= 500 else "clientError"
    if status in (401, 403):
        reason = "authError"
    elif status == 429:
        reason = "rateLimited"
    raise NotifyError(message, retry=status >= 500 or status in retry, reason=reason)


async def read_secret(path: str) -> str:
    """The text of a file with a secret. Raises NotifyError."""
    from promlab.errors import PromlabError
    from promlab.transport.session import read_secret as read

    try:
        return await asyncio.to_thread(read, path)
    except PromlabError as error:
        raise NotifyError(str(error)) from None
