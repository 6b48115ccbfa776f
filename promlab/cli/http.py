"""Requests of command-line tools to a server: an httpx client from an HTTP client configuration.

The file that `--http.config.file` names has the fields of a scrape job's HTTP client. What can't
be reached ends the command with one line.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from promlab.config.document import parse, read_text
from promlab.config.http_client import HttpClientConfig
from promlab.errors import ClientError, ConfigError, NotRunning

if TYPE_CHECKING:
    import httpx

DEFAULT_URL = "http://localhost:9090"
_TIMEOUT_S = 130.0  # a query may take two minutes


def add_client_flags(parser: argparse.ArgumentParser) -> None:
    """`--http.config.file`."""
    parser.add_argument(
        "--http.config.file",
        dest="http_config",
        metavar="PATH",
        default="",
        help="how to connect: TLS, authentication, headers, as in a scrape job",
    )


def header_of(text: str) -> tuple[str, str]:
    """`NAME=VALUE` or `NAME: VALUE` as argparse reads it."""
    for separator in ("=", ":"):
        name, found, value = text.partition(separator)
        if found and name.strip():
            return name.strip(), value.strip()
    raise argparse.ArgumentTypeError(f"{text!r} is not a header: write NAME=VALUE")


def client(
    config_file: str = "",
    headers: Sequence[tuple[str, str]] = (),
    timeout_s: float = _TIMEOUT_S,
) -> httpx.Client:
    """A client to be closed by the caller. Raises ConfigError."""
    import httpx

    at = parse(read_text(config_file), config_file) if config_file else None
    config = HttpClientConfig.read(at) if at is not None else HttpClientConfig()
    if config.oauth2 is not None:
        raise ConfigError("oauth2 is not supported here: use authorization", path=config_file)
    return httpx.Client(
        auth=_basic(config),
        headers={**_headers(config), **dict(headers)},
        verify=_verify(config),
        proxy=config.proxy.proxy_url or None,
        trust_env=config.proxy.proxy_from_environment,
        follow_redirects=config.follow_redirects,
        timeout=timeout_s,
    )


def send(http: httpx.Client, method: str, url: str, **options: Any) -> httpx.Response:
    """A request's answer, whatever its status. Raises NotRunning, ClientError."""
    import httpx

    try:
        return http.request(method, url, **options)
    except (httpx.UnsupportedProtocol, httpx.InvalidURL):
        raise ClientError(f"{url!r} is not an address: write http://host:9090") from None
    except httpx.HTTPError as error:
        reason = str(error).strip() or type(error).__name__
        raise NotRunning(f"no answer from {url}: {reason}") from None


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
    if config.tls_config == type(config.tls_config)():
        return True
    from promlab.transport.session import tls_context

    return tls_context(config.tls_config)
