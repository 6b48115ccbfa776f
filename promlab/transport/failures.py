"""What a failed request is called on the target's page: one line, in Prometheus's words."""

from __future__ import annotations

import asyncio
import socket
import ssl

import aiohttp


def describe(error: BaseException, url: str, method: str = "Get") -> str:
    """The text for an error that came while `url` was asked for."""
    return f'{method} "{url}": {_reason(error)}'


def _reason(error: BaseException) -> str:
    match error:
        case TimeoutError() | asyncio.CancelledError():
            return "context deadline exceeded"
        case aiohttp.ClientConnectorCertificateError():
            return f"tls: failed to verify certificate: {_tls(error.certificate_error)}"
        case aiohttp.ClientConnectorDNSError():
            return f"dial tcp: lookup {error.host}: no such host"
        case aiohttp.ClientConnectorSSLError() | aiohttp.ClientSSLError():
            return f"tls: {_tls(error.os_error)}"
        case aiohttp.ClientConnectorError():
            return f"dial tcp {_address(error)}: connect: {_os(error.os_error)}"
        case aiohttp.ServerDisconnectedError():
            return "EOF"
        case aiohttp.ClientPayloadError() | aiohttp.http_exceptions.TransferEncodingError():
            return "unexpected EOF"
        case aiohttp.ClientResponseError():
            return f"malformed HTTP response: {_line(error.message)}"
        case aiohttp.InvalidURL():
            return "invalid URL"
        case ssl.SSLError():
            return f"tls: {_tls(error)}"
        case ConnectionResetError():
            return "read: connection reset by peer"
        case EOFError():
            return _line(str(error)) or "EOF"
        case OSError():
            return _os(error)
        case _:
            return _line(str(error)) or type(error).__name__


def _address(error: aiohttp.ClientConnectorError) -> str:
    host = f"[{error.host}]" if ":" in (error.host or "") else error.host
    return f"{host}:{error.port}"


def _os(error: OSError) -> str:
    if isinstance(error, socket.gaierror):
        return "no such host"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    return _line((error.strerror or str(error)).lower())


def _tls(error: BaseException) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"x509: {_line(error.verify_message)}"
    reason = getattr(error, "reason", None)
    return _line((reason or str(error)).replace("_", " ").lower())


def _line(text: str) -> str:
    return " ".join(text.split())[:300]
