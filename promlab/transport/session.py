"""An HTTP client for one job: TLS, proxies, authentication, headers.

Credentials that are named as files are read for each request, so that rotated ones count at
once. Connections are kept open between scrapes; cookies are not kept.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Protocol

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from promlab.config.http_client import HttpClientConfig
from promlab.config.kinds import show_url
from promlab.config.secret import Secret
from promlab.errors import ScrapeError
from promlab.transport.asking import ClientAsk
from promlab.transport.direct import DirectClient, speaks_directly
from promlab.transport.oauth2 import TokenSource
from promlab.transport.proxies import proxy_for
from promlab.transport.redirects import KEEPING, MAX_REDIRECTS, REDIRECTS, joined, trusted
from promlab.transport.secret_files import read_secret
from promlab.transport.spread import ShuffledResolver
from promlab.transport.tls import KeptContext

_KEEP_ALIVE_S = 300.0
_NO_HEADERS: Mapping[str, str] = {}
# Nothing but what is configured is said.
_UNSAID = ("Accept", "Accept-Encoding", "User-Agent", "Content-Type")
Headers = CIMultiDict[str]


class Authenticator(Protocol):
    """Credentials that depend on the request, or that have to be asked for."""

    async def headers(self, method: str, url: str, body: bytes) -> dict[str, str]:
        """What a request carries beside its own headers. Raises ScrapeError."""

    async def close(self) -> None:
        """Close connections."""


class HttpClient:
    """Sessions and headers for the requests of one section of a configuration.

    `spread`: each connection goes to any of the addresses that a name has. `unix_socket`: it goes
    there, whatever the URL says. `auth`: credentials of a cloud.
    """

    def __init__(
        self,
        config: HttpClientConfig,
        headers: dict[str, str],
        *,
        spread: bool = False,
        unix_socket: str = "",
        auth: Authenticator | None = None,
    ) -> None:
        self.config, self._auth = config, auth
        self._spread, self._unix_socket = spread, unix_socket
        self._headers: Headers = CIMultiDict(headers)
        self._tls = KeptContext(config.tls_config)
        self._session: aiohttp.ClientSession | None = None
        self.plain = DirectClient()
        self._proxied = bool(config.proxy.proxy_url or config.proxy.proxy_from_environment)
        found = config.proxy.proxy_connect_header
        pairs = [(name, secret.reveal()) for name, secrets in found.items() for secret in secrets]
        agent = [(name, text) for name, text in headers.items() if name == "User-Agent"]
        self._connect_headers = CIMultiDict([*agent, *pairs])
        basic, bearer = config.basic_auth, config.bearer
        self._has_files = bool(
            (basic and (basic.username_file or basic.password_file))
            or (bearer and bearer.credentials_file)
            or any(header.files for header in config.http_headers.values())
        )
        self._fixed: Headers | None = None
        self._tokens = self._token_source()

    def _token_source(self) -> TokenSource | None:
        oauth2 = self.config.oauth2
        if oauth2 is None:
            return None
        # A redirect would take the secret along.
        own = HttpClientConfig(
            tls_config=oauth2.tls_config, proxy=oauth2.proxy, follow_redirects=False
        )
        agent = self._headers.get("User-Agent", "")
        return TokenSource(oauth2, ClientAsk(HttpClient(own, {"User-Agent": agent})))

    @asynccontextmanager
    async def open(
        self,
        method: str,
        url: URL,
        *,
        headers: Mapping[str, str] = _NO_HEADERS,
        always: Mapping[str, str] = _NO_HEADERS,
        body: bytes | None = None,
        keep_method: bool = False,
        start: URL | None = None,
        shown: str = "",
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """An answer, of any status; redirects are followed as the configuration has it.

        `headers` and credentials go to the host that was asked for only, `always` to any. Where a
        redirect would turn a POST into a GET, `keep_method` has the redirect as the answer.
        `start` is where it all began, if `url` is where a redirect has led; errors call it `shown`.
        """
        start, here = start or url, url
        shown = shown or show_url(str(start))
        for _ in range(MAX_REDIRECTS + (start is url)):
            same = trusted(start, here)
            own = await self._signed(method, here, body) if same else self._headers
            sent = own.copy()
            sent.update(always)
            if same:
                sent.update(headers)
            async with await self._send(method, here, sent, body) as response:
                location = response.headers.get("Location")
                following = self._following(method, response.status, keep_method)
                if not following or not location:
                    yield response
                    return
            here = joined(here, location, shown)
            if following != method:
                method, body = following, None
        what = f"stopped after {MAX_REDIRECTS} redirects"
        raise ScrapeError(f'{method.capitalize()} "{shown}": {what}')

    def _following(self, method: str, status: int, keep_method: bool) -> str:
        """The method of a request that follows a redirect, "" where none does."""
        if not self.config.follow_redirects or status not in REDIRECTS:
            return ""
        if status in KEEPING or method in ("GET", "HEAD"):
            return method
        return "" if keep_method else "GET"

    async def _send(
        self, method: str, url: URL, headers: Headers, body: bytes | None
    ) -> aiohttp.ClientResponse:
        secure = url.scheme == "https"
        if url.user is not None:
            # What is configured counts more than what the URL says.
            headers.setdefault("Authorization", _basic(url.user, url.password or ""))
            url = url.with_user(None)
        return await self.session.request(
            method,
            url,
            headers=headers,
            data=body,
            allow_redirects=False,
            proxy=None if self._unix_socket else proxy_for(self.config.proxy, url),
            proxy_headers=self._connect_headers,
            ssl=self._tls.context() if secure else True,
            server_hostname=(self.config.tls_config.server_name or None) if secure else None,
        )

    @property
    def session(self) -> aiohttp.ClientSession:
        """The session, opened when first asked for, on the running loop."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=self._connector(),
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                skip_auto_headers=_UNSAID,
                timeout=aiohttp.ClientTimeout(),
                max_line_size=16_384,
                max_field_size=65_536,
            )
        return self._session

    def _connector(self) -> aiohttp.BaseConnector:
        if self._unix_socket:
            return aiohttp.UnixConnector(self._unix_socket, limit=0)
        return aiohttp.TCPConnector(
            limit=0,
            keepalive_timeout=_KEEP_ALIVE_S,
            ttl_dns_cache=10,
            use_dns_cache=not self._spread,
            resolver=ShuffledResolver() if self._spread else None,
        )

    def direct(self, url: URL) -> bool:
        """Whether `plain` can ask for this URL."""
        return not self._proxied and speaks_directly(url)

    async def close(self) -> None:
        """Close all connections."""
        self.plain.close()
        for each in (self._tokens, self._auth, self._session):
            if each is not None:
                await each.close()

    @property
    def fixed_headers(self) -> Headers | None:
        """Headers of every trusted request, None where they may change or are not known yet."""
        return self._fixed if self._tokens is None else None

    async def headers(self, *, trusted: bool) -> Headers:
        """Headers of a request; without credentials for a host that is not `trusted`."""
        if not trusted:
            return self._headers
        known = await self._configured()
        if self._tokens is None:
            return known
        told = known.copy()
        told["Authorization"] = await self._tokens.header()
        return told

    async def _signed(self, method: str, url: URL, body: bytes | None) -> Headers:
        own = await self.headers(trusted=True)
        if self._auth is None:
            return own
        signed = own.copy()
        signed.update(await self._auth.headers(method, str(url), body or b""))
        return signed

    async def _configured(self) -> Headers:
        if self._fixed is not None:
            return self._fixed
        if self._has_files:
            return await asyncio.to_thread(self._with_credentials)
        self._fixed = self._with_credentials()
        return self._fixed

    def _with_credentials(self) -> Headers:
        headers = self._headers.copy()
        basic, bearer = self.config.basic_auth, self.config.bearer
        if basic is not None:
            user = basic.username or read_secret(basic.username_file)
            password = basic.password.reveal() or read_secret(basic.password_file)
            headers["Authorization"] = _basic(user, password)
        elif bearer is not None:
            credentials = bearer.credentials.reveal() or read_secret(bearer.credentials_file)
            headers["Authorization"] = f"{bearer.type.strip()} {credentials}".strip()
        for name, header in self.config.http_headers.items():
            values = [*header.values, *map(Secret.reveal, header.secrets)]
            values += map(read_secret, header.files)
            headers.popall(name, None)
            headers.extend((name, value) for value in values)
        return headers


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
