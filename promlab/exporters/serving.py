"""The HTTP server around an exporter: one page of metrics, and an index that links to it.

Scrapes are rare and small, so this is the standard library's server with what it lacks:
connections that stay open, gzip, and a bound on how many scrapes and connections there are
at a time. It knows nothing about what is exported: that is the `Collect` it is given. An
exporter that has more pages than its metrics gives them as `routes`.
"""

from __future__ import annotations

import html
import logging
import socket
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

from promlab.errors import AddressInUse, ConfigError, PromlabError, ServerError
from promlab.exporters.families import Family
from promlab.exporters.negotiation import choose, render

if TYPE_CHECKING:
    from promlab.exporters.guarded import ThreadGuard

logger = logging.getLogger(__name__)

Parameters = Mapping[str, Sequence[str]]
Collect = Callable[[Parameters], Iterable[Family]]
"""From the parameters of a URL to families; raises PromlabError for bad parameters."""


class Request(NamedTuple):
    """What a route is asked."""

    method: str
    parameters: Parameters
    headers: Message  # looked up whatever the case

    def first(self, name: str, default: str = "") -> str:
        """The first value of a parameter."""
        return (self.parameters.get(name) or [default])[0]


class Answer(NamedTuple):
    """What a route says."""

    status: int
    body: bytes
    content_type: str = "text/plain; charset=utf-8"
    allow: str = ""
    asks: str = ""  # WWW-Authenticate


Route = Callable[[Request], Answer]


def metrics_answer(request: Request, found: Iterable[Family]) -> Answer:
    """Families in the format that the scraper likes best."""
    choice = choose(request.headers.get("Accept", ""))
    return Answer(200, render(found, choice), choice.content_type)


_MAX_CONNECTIONS = 256
_IDLE_S = 300.0
_GZIP_FROM_BYTES = 512
_HEADERS = {"X-Content-Type-Options": "nosniff"}


def parse_address(text: str, default_port: int) -> tuple[str, int]:
    """Host and port of `host:port`, `:port` or `[::1]:port`; an empty host means every one."""
    host, colon, port = text.rpartition(":")
    if not colon or (text.startswith("[") and text.endswith("]")):
        host, port = text, str(default_port)
    host = host.removeprefix("[").removesuffix("]")
    if not port.isdecimal() or int(port) > 65535:
        raise ConfigError(
            f"{text!r} is not an address: write host:port, as in 127.0.0.1:{default_port}",
            field="--web.listen-address",
        )
    return host, int(port)


class MetricsServer(ThreadingHTTPServer):
    """Serves what `collect` finds at `path` on one address. Port 0 takes a free one; see `url`."""

    daemon_threads = True
    allow_reuse_port = False
    request_queue_size = 64

    def __init__(
        self,
        address: tuple[str, int],
        collect: Collect,
        *,
        path: str = "/metrics",
        title: str = "Exporter",
        max_requests: int = 40,
        routes: Mapping[str, Route] | None = None,
        links: Mapping[str, str] | None = None,
        web_config: str = "",
    ) -> None:
        self._guard = _guard(web_config)
        self.collect, self.path, self.title = collect, path, title
        self.routes = {"/": self._index, "/-/healthy": _healthy, **(routes or {})}
        self.links = {"Metrics": path, **(links or {})}
        self.running = threading.BoundedSemaphore(max_requests) if max_requests else None
        self._connections = threading.BoundedSemaphore(_MAX_CONNECTIONS)
        host, port = address
        self.address_family, host = _family(host)
        try:
            super().__init__((host, port), _Handler)
        except OSError as error:
            shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
            if error.errno in _IN_USE:
                raise AddressInUse(shown) from None
            raise ServerError(f"can't listen on {shown}: {error.strerror}") from None

    def refusal(self, headers: Message) -> Answer | None:
        """The answer to somebody who may not ask, None for all others."""
        refused = None if self._guard is None else self._guard.refusal(headers)
        return refused and Answer(refused.status, refused.body, asks=refused.asks)

    def headers(self) -> Mapping[str, str]:
        """What the web configuration adds to every answer."""
        return {} if self._guard is None else self._guard.headers()

    def server_bind(self) -> None:
        """Bind; an IPv6 socket on every address takes IPv4 too."""
        if self.address_family == socket.AF_INET6 and self.server_address[0] == "::":
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        # The standard server looks its own name up in the DNS here, which may take seconds.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]

    @property
    def url(self) -> str:
        """Address of the metrics, as a program on this machine reaches it."""
        host = {"0.0.0.0": "127.0.0.1", "::": "127.0.0.1"}.get(self.server_name, self.server_name)  # noqa: S104 (names the address, binds nothing)
        scheme = "https" if self._guard is not None and self._guard.is_secure else "http"
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{self.server_port}{self.path}"

    def _index(self, _: Request) -> Answer:
        links = "".join(
            f'<p><a href="{html.escape(path)}">{html.escape(name)}</a></p>'
            for name, path in self.links.items()
        )
        page = _INDEX.format(title=html.escape(self.title), links=links)
        return Answer(200, page.encode(), "text/html; charset=utf-8")

    def answer(self, path: str, request: Request) -> Answer:
        """What a page says; metrics within the bound of scrapes at a time."""
        route = self.routes.get(path)
        if path not in (self.path, "/probe"):
            return route(request) if route else Answer(404, b"404 page not found\n")
        if self.running is not None and not self.running.acquire(blocking=False):
            return Answer(503, b"too many scrapes at a time: try again\n")
        try:
            if route:
                return route(request)
            return metrics_answer(request, self.collect(request.parameters))
        finally:
            if self.running is not None:
                self.running.release()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Give a connection its thread, or close it when there are too many."""
        if not self._connections.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve one connection until it ends; shake hands here, where nobody else waits."""
        try:
            secured = request if self._guard is None else self._guard.secure(request)
            if secured is not None:
                super().process_request_thread(secured, client_address)
        except OSError:
            self.handle_error(request, client_address)
            self.shutdown_request(request)
        finally:
            self._connections.release()

    def server_close(self) -> None:
        """Close the socket."""
        super().server_close()
        if self._guard is not None:
            self._guard.close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that broke is not worth a traceback on stderr."""
        logger.debug("connection from %s ended early", client_address, exc_info=True)


def _guard(web_config: str) -> ThreadGuard | None:
    if not web_config:
        return None
    from promlab.exporters.guarded import ThreadGuard

    return ThreadGuard(web_config)


_IN_USE = {98, 48, 10048}  # EADDRINUSE on Linux, on macOS and BSD, on Windows


def _family(host: str) -> tuple[socket.AddressFamily, str]:
    """The address family to bind `host` with, and what to bind."""
    if host:
        return (socket.AF_INET6 if ":" in host else socket.AF_INET), host
    if socket.has_dualstack_ipv6():
        return socket.AF_INET6, "::"
    return socket.AF_INET, "0.0.0.0"  # noqa: S104 (the user named no host: every one)


class _Handler(BaseHTTPRequestHandler):
    server: MetricsServer
    protocol_version = "HTTP/1.1"
    timeout = _IDLE_S

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        parameters = parse_qs(url.query, keep_blank_values=True)
        request = Request(self.command, parameters, self.headers)
        try:
            refused = self.server.refusal(self.headers)
            answer = refused or self.server.answer(url.path, request)
        except PromlabError as error:
            answer = Answer(400, f"{error}\n".encode())
        except Exception:
            logger.exception("scrape failed")
            answer = Answer(500, b"internal error: the exporter's log says more\n")
        self._answer(answer)

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_POST(self) -> None:
        if not self.path.startswith("/-/"):
            self._answer(Answer(405, b"Method Not Allowed\n", allow="GET, HEAD"))
            return
        self.close_connection = True  # a body, if there is one, is of no use
        self.do_GET()

    def do_PUT(self) -> None:
        self.do_POST()

    def _answer(self, answer: Answer) -> None:
        body = answer.body
        gzip = len(body) >= _GZIP_FROM_BYTES and _accepts_gzip(
            self.headers.get("Accept-Encoding", "")
        )
        if gzip:
            from isal import igzip

            body = igzip.compress(body, compresslevel=1)
        self.send_response_only(answer.status)
        self.send_header("Date", self.date_time_string())
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Vary", "Accept, Accept-Encoding")
        for name, value in {**_HEADERS, **self.server.headers()}.items():
            self.send_header(name, value)
        if answer.asks:
            self.send_header("WWW-Authenticate", answer.asks)
        if answer.allow:
            self.send_header("Allow", answer.allow)
        if gzip:
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        logger.debug(format, *args)


def _healthy(_: Request) -> Answer:
    return Answer(200, b"Healthy\n")


def _accepts_gzip(header: str) -> bool:
    for item in header.lower().split(","):
        coding, _, quality = item.partition(";")
        if coding.strip() in ("gzip", "*"):
            return quality.strip().replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False


_INDEX = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>body{{font-family:system-ui,sans-serif;margin:3rem auto;max-width:40rem;padding:0 1rem}}
@media (prefers-color-scheme:dark){{body{{background:#111;color:#eee}}a{{color:#8bf}}}}</style>
</head><body><h1>{title}</h1>{links}</body></html>
"""
