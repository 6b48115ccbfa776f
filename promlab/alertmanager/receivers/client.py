"""The HTTP client of receivers: one of promlab's sessions, with answers kept short."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import msgspec

from promlab import __version__
from promlab.alertmanager.receivers.errors import NotifyError
from promlab.config.http_client import HttpClientConfig

if TYPE_CHECKING:
    from yarl import URL

USER_AGENT = f"Alertmanager/{__version__} (promlab)"
JSON = {"Content-Type": "application/json"}
_MAX_ANSWER = 1 << 20
# Requests of one integration at a time: more would only wait at the other end, and hold sockets.
_MOST_AT_ONCE = 64


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
    """A client over promlab's sessions: TLS, proxies and credentials as the configuration says."""

    def __init__(self, config: HttpClientConfig) -> None:
        # Not at the top: whoever only checks configurations needs no HTTP. Not later: the
        # first notification must not wait for it.
        from promlab.transport.session import HttpClient

        self._config = config
        self._http = HttpClient(config, {"User-Agent": USER_AGENT})
        self._turns = asyncio.Semaphore(_MOST_AT_ONCE)

    async def request(
        self, method: str, url: str, *, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Answer:
        """One request; see `Client`."""
        import aiohttp
        from yarl import URL

        from promlab.errors import PromlabError
        from promlab.transport.direct import TooLarge

        try:
            async with self._turns:
                return await self._ask(method, URL(url), body, headers or {})
        except (aiohttp.ClientError, EOFError, OSError, ValueError, TooLarge) as error:
            reason = " ".join(str(error).split())[:300] or type(error).__name__
            raise NotifyError(f"{method} failed: {reason}", retry=True) from None
        except NotifyError:
            raise
        except PromlabError as error:
            raise NotifyError(f"{method} failed: {error}", retry=True) from None

    async def _ask(self, method: str, url: URL, body: bytes, headers: Mapping[str, str]) -> Answer:
        http = self._http
        if method == "POST" and http.direct(url):
            told = (await http.headers(trusted=True)).copy()
            told.update(headers)
            found = await http.plain.post(url, told, body, _MAX_ANSWER)
            if not (300 <= found.status < 400 and self._config.follow_redirects):
                return Answer(found.status, found.body, _Headers(found.headers))
        async with http.open(method, url, headers=headers, body=body or None) as response:
            answer = await response.content.read(_MAX_ANSWER)
            return Answer(response.status, answer, response.headers)

    async def close(self) -> None:
        """Close connections."""
        await self._http.close()


class _Headers(Mapping[str, str]):
    """Headers of a plain answer, whose names are bytes in lower case."""

    def __init__(self, raw: dict[bytes, bytes]) -> None:
        self._raw = raw

    def __getitem__(self, name: str) -> str:
        return self._raw[name.lower().encode()].decode("latin-1")

    def __iter__(self) -> Iterator[str]:
        return (name.decode("latin-1") for name in self._raw)

    def __len__(self) -> int:
        return len(self._raw)


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
    from promlab.transport.secret_files import read_secret as read

    try:
        return await asyncio.to_thread(read, path)
    except PromlabError as error:
        raise NotifyError(str(error)) from None
