"""Where the statistics come from: a page over HTTP, or the socket of HAProxy's own."""

from __future__ import annotations

import base64
import contextlib
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from promlab.errors import ConfigError, ScrapeError

MAX_BYTES = 64 << 20
Fetch = Callable[[str], str]
"""From a command (`show stat`, `show info`) to its answer; raises ScrapeError."""


def source_of(uri: str, timeout_s: float, *, verify: bool) -> Fetch:
    """How to ask what a URI names. Raises ConfigError."""
    url = urlsplit(uri)
    if url.scheme in ("http", "https"):
        return lambda command: _over_http(uri, command, timeout_s, verify)
    if url.scheme == "file":
        return lambda command: _from_file(url.path, command)
    if url.scheme == "unix" and url.path:
        return lambda command: _asked(socket.AF_UNIX, url.path, command, timeout_s)
    if url.scheme == "tcp" and url.hostname and url.port:
        address = (url.hostname, url.port)
        return lambda command: _asked(socket.AF_INET, address, command, timeout_s)
    raise ConfigError(
        f"{uri!r} is none of http://…/;csv, https://…, unix:/path, tcp://host:port, file:/path",
        field="--haproxy.scrape-uri",
    )


def _over_http(uri: str, command: str, timeout_s: float, verify: bool) -> str:
    if command != "show stat":
        return ""  # the page has no more than the table
    url = urlsplit(uri)
    bare = urlunsplit(url._replace(netloc=url.netloc.rpartition("@")[2]))
    request = urllib.request.Request(bare)  # noqa: S310 (the scheme is known)
    if url.username is not None:
        pair = f"{unquote(url.username)}:{unquote(url.password or '')}"
        request.add_header("Authorization", "Basic " + base64.b64encode(pair.encode()).decode())
    context = ssl.create_default_context()
    if not verify:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with urllib.request.urlopen(  # noqa: S310 (as above)
            request, timeout=timeout_s, context=context
        ) as answer:
            return str(answer.read(MAX_BYTES).decode("utf-8", "replace"))
    except urllib.error.HTTPError as error:
        error.close()
        raise ScrapeError(f"{bare} answered {error.code} {error.reason}") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise ScrapeError(f"{bare} can't be read: {reason}") from None


def _from_file(path: str, command: str) -> str:
    if command != "show stat":
        return ""
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise ScrapeError(f"{path}: {error.strerror}") from None


def _asked(
    family: socket.AddressFamily, address: str | tuple[str, int], command: str, timeout_s: float
) -> str:
    parts: list[bytes] = []
    try:
        with contextlib.closing(socket.socket(family, socket.SOCK_STREAM)) as line:
            line.settimeout(timeout_s)
            line.connect(address)
            line.sendall(command.encode() + b"\n")
            while part := line.recv(65536):
                parts.append(part)
                if sum(map(len, parts)) > MAX_BYTES:
                    raise ScrapeError(f"{address} answers without end")
    except OSError as error:
        raise ScrapeError(f"{address} can't be asked: {error.strerror or error}") from None
    return b"".join(parts).decode("utf-8", "replace")
