"""Requests of command-line tools to a server: an httpx client from an HTTP client configuration.

The file that `--http.config.file` names has the fields of a scrape job's HTTP client. What can't
be reached ends the command with one line.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from promlab.config.document import parse, read_text
from promlab.config.http_client import HttpClientConfig
from promlab.errors import ClientError, NotRunning
from promlab.transport.blocking import blocking_client

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
    at = parse(read_text(config_file), config_file) if config_file else None
    config = HttpClientConfig.read(at) if at is not None else HttpClientConfig()
    return blocking_client(config, dict(headers), timeout_s, path=config_file)


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
