"""Documents of targets: asked for over HTTP, bounded, and parsed."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import urlsplit

import msgspec

from promlab.errors import ScrapeError
from promlab.exporters.json.modules import Module
from promlab.transport.blocking import blocking_client


def fetch(target: str, module: Module, timeout_s: float) -> Any:
    """The document of a target. Raises ScrapeError with the reason, ConfigError."""
    import httpx

    url = target if "://" in target else f"http://{target}"
    try:
        if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
            raise ValueError
    except ValueError:
        raise ScrapeError("the target is no URL: write http://host:port/path") from None
    try:
        body = _body(url, module, timeout_s)
    except httpx.TimeoutException:
        raise ScrapeError(f"no answer within {timeout_s:g} s") from None
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
        raise ScrapeError(str(error) or type(error).__name__) from None
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise ScrapeError(f"the answer is not JSON: {error}") from None


def _body(url: str, module: Module, timeout_s: float) -> bytes:
    headers = {"Accept": "application/json", "User-Agent": "promlab-json-exporter"}
    content = None if module.body is None else module.body.content
    deadline, limit = time.monotonic() + timeout_s, module.body_size_limit
    with (
        blocking_client(
            module.http_client_config, {**headers, **module.headers}, timeout_s
        ) as http,
        http.stream("GET" if content is None else "POST", url, content=content) as answer,
    ):
        allowed = module.valid_status_codes
        if answer.status_code not in allowed and (allowed or not answer.is_success):
            raise ScrapeError(f"it answered {answer.status_code} {answer.reason_phrase}")
        body = bytearray()
        for part in answer.iter_bytes(65536):
            body += part
            if limit and len(body) > limit:
                raise ScrapeError(f"the answer is larger than {limit:,} bytes")
            if time.monotonic() > deadline:
                raise ScrapeError(f"the answer takes longer than {timeout_s:g} s")
    return bytes(body)
