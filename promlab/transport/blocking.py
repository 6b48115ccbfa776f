"""Requests without an event loop: an httpx client as an HTTP client configuration wants it.

For command lines and exporters, which ask seldom. It refuses OAuth 2.0.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from promlab.config.document import read_text
from promlab.config.http_client import HttpClientConfig, ProxyConfig, TLSConfig
from promlab.errors import ConfigError

if TYPE_CHECKING:
    import httpx


def blocking_client(
    config: HttpClientConfig, headers: Mapping[str, str], timeout_s: float, *, path: str = ""
) -> httpx.Client:
    """A client to be closed by the caller. Raises ConfigError, for the file at `path`."""
    import httpx

    if config.oauth2 is not None:
        raise ConfigError("oauth2 is not supported here: use authorization", path=path)
    verify = _verify(config)
    transport: httpx.BaseTransport | None = None
    if config.proxy != ProxyConfig():
        from promlab.transport.blocking_proxies import ByProxy

        transport = ByProxy(config.proxy, verify)
    return httpx.Client(
        auth=_basic(config),
        headers={**_headers(config), **headers},
        verify=verify,
        transport=transport,
        trust_env=False,  # what comes from the environment is minded there
        follow_redirects=config.follow_redirects,
        timeout=timeout_s,
    )


def _basic(config: HttpClientConfig) -> tuple[str, str] | None:
    basic = config.basic_auth
    if basic is None:
        return None
    user = read_text(basic.username_file).strip() if basic.username_file else basic.username
    password = (
        read_text(basic.password_file).strip() if basic.password_file else basic.password.reveal()
    )
    return user, password


def _headers(config: HttpClientConfig) -> Mapping[str, str]:
    found: dict[str, str] = {}
    bearer = config.bearer
    if bearer is not None:
        credentials = (
            read_text(bearer.credentials_file).strip()
            if bearer.credentials_file
            else bearer.credentials.reveal()
        )
        found["Authorization"] = f"{bearer.type} {credentials}"
    for name, header in config.http_headers.items():
        values = [*header.values, *(secret.reveal() for secret in header.secrets)]
        values += [read_text(path).strip() for path in header.files]
        found[name] = ", ".join(values)
    return found


def _verify(config: HttpClientConfig) -> Any:
    if config.tls_config == TLSConfig():
        return _default_context()
    from promlab.transport.tls import tls_context

    return tls_context(config.tls_config)


@cache
def _default_context() -> ssl.SSLContext:
    """What verifies servers, read once: it takes some 20 ms."""
    import httpx

    return httpx.create_ssl_context()
