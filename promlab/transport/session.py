"""An HTTP client for one job: TLS, proxies, authentication, headers.

Credentials that are named as files are read for each request, so that rotated ones count at
once. Connections are kept open between scrapes; cookies are not kept.
"""

from __future__ import annotations

import asyncio
import base64
import ssl
import warnings
from functools import lru_cache
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from promlab.config.http_client import HttpClientConfig, TLSConfig
from promlab.config.secret import Secret
from promlab.config.tls_files import VERSIONS, as_file
from promlab.errors import ConfigError, ScrapeError
from promlab.transport.direct import DirectClient, speaks_directly
from promlab.transport.oauth2 import TokenSource
from promlab.transport.spread import ShuffledResolver

_KEEP_ALIVE_S = 300.0


def tls_context(config: TLSConfig) -> ssl.SSLContext:
    """The TLS settings of a client. Raises ConfigError if a certificate can't be used."""
    return _default_context() if config == TLSConfig() else _own_context(config)


@lru_cache(maxsize=1)
def _default_context() -> ssl.SSLContext:
    """Shared: loading the system's certificates takes milliseconds."""
    return _own_context(TLSConfig())


def _own_context(config: TLSConfig) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context()
        if config.ca_file or config.ca:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.load_verify_locations(config.ca_file or None, cadata=config.ca or None)
        if config.insecure_skip_verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        with warnings.catch_warnings():
            # Versions that nobody should use are still what some devices speak.
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = VERSIONS[config.min_version or "TLS12"]
            if config.max_version:
                context.maximum_version = VERSIONS[config.max_version]
        if config.cert_file or config.cert:
            with (
                as_file(config.cert_file, config.cert) as cert,
                as_file(config.key_file, config.key.reveal()) as key,
            ):
                context.load_cert_chain(cert, key)
    except (OSError, ssl.SSLError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        path = getattr(error, "filename", None) or config.ca_file or config.cert_file
        raise ConfigError(f"unable to use TLS settings: {reason.lower()}", path=str(path)) from None
    return context


class HttpClient:
    """Sessions and headers for the requests of one job."""

    def __init__(
        self, config: HttpClientConfig, headers: dict[str, str], *, spread: bool = False
    ) -> None:
        """`spread`: each connection goes to any of the addresses that a name has."""
        self.config = config
        self._spread = spread
        self.server_name = config.tls_config.server_name or None
        self._headers = headers
        # Loading the system's certificates takes long: only for who really asks with TLS.
        own_tls = config.tls_config != TLSConfig()
        self._tls = tls_context(config.tls_config) if own_tls else None
        self._session: aiohttp.ClientSession | None = None
        self.plain = DirectClient()
        self._proxied = bool(config.proxy.proxy_url or config.proxy.proxy_from_environment)
        basic, bearer = config.basic_auth, config.bearer
        self._has_files = bool(
            (basic and (basic.username_file or basic.password_file))
            or (bearer and bearer.credentials_file)
            or any(header.files for header in config.http_headers.values())
        )
        self._fixed: dict[str, str] | None = None
        self._tokens = self._token_source()

    def _token_source(self) -> TokenSource | None:
        oauth2 = self.config.oauth2
        if oauth2 is None:
            return None
        own = HttpClientConfig(tls_config=oauth2.tls_config, proxy=oauth2.proxy)
        return TokenSource(oauth2, HttpClient(own, {}), read_secret)

    @property
    def session(self) -> aiohttp.ClientSession:
        """The session, opened when first asked for, on the running loop."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=0,
                    ssl=self._tls or tls_context(TLSConfig()),
                    keepalive_timeout=_KEEP_ALIVE_S,
                    ttl_dns_cache=10,
                    use_dns_cache=not self._spread,
                    resolver=ShuffledResolver() if self._spread else None,
                ),
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(),
                max_line_size=16_384,
                max_field_size=65_536,
            )
        return self._session

    def direct(self, url: URL) -> bool:
        """Whether `plain` can ask for this URL."""
        return not self._proxied and speaks_directly(url)

    async def close(self) -> None:
        """Close all connections."""
        self.plain.close()
        if self._tokens is not None:
            await self._tokens.close()
        if self._session is not None:
            await self._session.close()

    @property
    def fixed_headers(self) -> dict[str, str] | None:
        """Headers of every trusted request, None where they may change or are not known yet."""
        return self._fixed if self._tokens is None else None

    async def headers(self, *, trusted: bool) -> dict[str, str]:
        """Headers of a request; without credentials for a host that is not `trusted`."""
        if not trusted:
            return self._headers
        known = await self._configured()
        if self._tokens is None:
            return known
        return {**known, "Authorization": await self._tokens.header()}

    async def _configured(self) -> dict[str, str]:
        if self._fixed is not None:
            return self._fixed
        if self._has_files:
            return await asyncio.to_thread(self._with_credentials)
        self._fixed = self._with_credentials()
        return self._fixed

    def _with_credentials(self) -> dict[str, str]:
        headers = dict(self._headers)
        basic, bearer = self.config.basic_auth, self.config.bearer
        if basic is not None:
            user = basic.username or read_secret(basic.username_file)
            password = basic.password.reveal() or read_secret(basic.password_file)
            token = base64.b64encode(f"{user}:{password}".encode()).decode()
            headers["Authorization"] = f"Basic {token}"
        elif bearer is not None:
            credentials = bearer.credentials.reveal() or read_secret(bearer.credentials_file)
            headers["Authorization"] = f"{bearer.type.strip()} {credentials}".strip()
        for name, header in self.config.http_headers.items():
            values = [*header.values, *map(Secret.reveal, header.secrets)]
            values += map(read_secret, header.files)
            headers[name] = ", ".join(values)
        return headers

    @property
    def proxy_headers(self) -> CIMultiDict[str] | None:
        """What a proxy is told beside the request."""
        found = self.config.proxy.proxy_connect_header
        pairs = [(name, secret.reveal()) for name, secrets in found.items() for secret in secrets]
        return CIMultiDict(pairs) if pairs else None

    def proxy_for(self, url: str) -> str | None:
        """The proxy that a request to this URL goes through."""
        proxy, host = self.config.proxy, urlsplit(url).hostname or ""
        if proxy.proxy_url:
            return None if _excluded(host, proxy.no_proxy) else proxy.proxy_url
        if proxy.proxy_from_environment and not proxy_bypass(host):
            return getproxies().get(urlsplit(url).scheme)
        return None


def _excluded(host: str, no_proxy: str) -> bool:
    for entry in filter(None, (part.strip().lower() for part in no_proxy.split(","))):
        name = entry.partition(":")[0].lstrip(".")
        if entry == "*" or host == name or host.endswith("." + name):
            return True
    return False


def read_secret(path: str) -> str:
    """The text of a file with a secret, blanks around it removed; "" for no path."""
    if not path:
        return ""
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not valid UTF-8"
        raise ScrapeError(f"unable to read file {path}: {reason.lower()}") from None
