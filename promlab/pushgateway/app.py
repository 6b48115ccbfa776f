"""The gateway over HTTP: an ASGI application under uvicorn."""

from __future__ import annotations

import asyncio
import html
import logging
import posixpath
import time
from collections.abc import Awaitable, Callable
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qs, quote, unquote_to_bytes

from promlab.errors import PromlabError, StorageError
from promlab.exporters.families import LabelKey
from promlab.exporters.negotiation import choose
from promlab.model.durations import parse_duration_ms
from promlab.pushgateway import api, body
from promlab.pushgateway.exposure import Exposure
from promlab.pushgateway.gateway import Gateway
from promlab.pushgateway.grouping import grouping_key
from promlab.pushgateway.settings import Settings
from promlab.web.guard import Guard
from promlab.web.http import (
    HTML,
    BodyTooLarge,
    ClientGone,
    Request,
    Response,
    Scope,
    send_response,
    text,
)
from promlab.web.log import facts

log = logging.getLogger(__name__)

_STATIC = Path(__file__).parent / "static"
_THREAD_FROM_BYTES = 128 << 10
_NOT_FOUND = "404 page not found\n"
_NOT_ALLOWED = "Method Not Allowed\n"
_CORS = [
    (b"access-control-allow-headers", b"Accept, Authorization, Content-Type, Origin"),
    (b"access-control-allow-methods", b"GET, POST, DELETE, OPTIONS"),
    (b"access-control-allow-origin", b"*"),
    (b"access-control-expose-headers", b"Date"),
    (b"cache-control", b"no-cache, no-store, must-revalidate"),
]
_SAFE = [
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        b"form-action 'none'; base-uri 'none'; frame-ancestors 'self'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
]

Handler = Callable[[Request], Awaitable[Response]]


class Route(NamedTuple):
    """What answers a path, by method; `name` is its label in metrics."""

    name: str
    handlers: dict[str, Handler]


class App:
    """The application of one gateway."""

    def __init__(
        self, settings: Settings, gateway: Gateway, guard: Guard, quit_: Callable[[], None]
    ) -> None:
        self._settings, self._gateway, self._quit = settings, gateway, quit_
        self._guard = guard
        self._exposure = Exposure(gateway.store, gateway.own)
        self._prefix = settings.route_prefix.rstrip("/")
        self._routes = self._table()

    async def __call__(self, scope: Scope, receive: object, send: object) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        name = ""
        try:
            refused = await self._guard.refusal(request)
            name, response = ("", refused) if refused else await self._answer(request)
        except ClientGone:
            return
        except Exception:
            log.exception("a request failed")
            response = text("internal error: the log says more\n", 500)
        if name:
            self._gateway.own.request_done(name, request.method, response.status)
        response.headers += self._guard.headers
        await send_response(request, response, send)

    async def _answer(self, request: Request) -> tuple[str, Response]:
        raw: bytes = request.scope.get("raw_path") or request.scope["path"].encode()
        try:
            path = unquote_to_bytes(raw.partition(b"?")[0]).decode()
        except UnicodeDecodeError:
            return "", text("the path is not valid UTF-8\n", 400)
        if self._prefix:
            if not path.startswith(self._prefix + "/"):
                return "", self._outside(path)
            path = path[len(self._prefix) :]
        moved = self._moved(path, request.method)
        if moved is not None:
            return "", moved
        route = self._routes.get(path) or self._push_route(path)
        if route is None:
            return "", text(_NOT_FOUND, 404)
        handler = route.handlers.get(request.method)
        if handler is None:
            allowed = ", ".join(sorted({*route.handlers, "OPTIONS"}))
            if request.method == "OPTIONS":
                return "", Response(200, content_type="", headers=[(b"allow", allowed.encode())])
            return "", text(_NOT_ALLOWED, 405, Allow=allowed)
        name = "delete" if request.method == "DELETE" else route.name
        try:
            return name, await handler(request)
        except StorageError as error:
            log.error("A request could not be stored", extra=facts(err=error))
            return name, text(f"{error}\n", 500)
        except BodyTooLarge as error:
            return name, text(f"{error}\n", 413)
        except PromlabError as error:
            return name, text(f"{error}\n", 400)

    def _outside(self, path: str) -> Response:
        if path in ("/", self._prefix):
            return self._to(302, "/")
        return text(_NOT_FOUND, 404)

    def _moved(self, path: str, method: str) -> Response | None:
        """Where a path that is not in its simplest form leads."""
        clean = posixpath.normpath(path)
        if path.endswith("/") and clean != "/":
            clean += "/"
        if clean.startswith("//"):
            clean = clean[1:]
        if clean != path:
            return self._to(301, clean)
        metrics = self._settings.telemetry_path
        if path == "/metrics/job/" or (path == f"{metrics}/" and method == "GET"):
            return self._to(301 if method == "GET" else 307, path.rstrip("/"))
        return None

    def _to(self, status: int, path: str) -> Response:
        where = quote(self._prefix + path, safe="/@=:,;+!*'()")
        link = f'<a href="{html.escape(where)}">Moved</a>.\n'.encode()
        return Response(status, link, HTML, [(b"location", where.encode())])

    def _push_route(self, path: str) -> Route | None:
        rest = path.removeprefix("/metrics/job/")
        if rest == path:
            rest = path.removeprefix("/metrics/job@base64/")
        if rest == path or not rest:
            return None
        rest = path.removeprefix("/metrics/")

        async def push(request: Request) -> Response:
            return await self._push(request, self._group(rest))

        async def delete(_: Request) -> Response:
            self._gateway.delete(self._group(rest))
            return Response(202, content_type="")

        return Route("push", {"PUT": push, "POST": push, "DELETE": delete})

    def _group(self, rest: str) -> LabelKey:
        # A path ends at its last value: `a/` is no more than `a` where nothing is named.
        job_only = rest.count("/") == 2 and rest.endswith("/")
        found = rest.rstrip("/") if job_only else rest
        return grouping_key(found, utf8=self._settings.utf8_names)

    async def _push(self, request: Request, key: LabelKey) -> Response:
        started = time.perf_counter()
        raw = await request.body(body.MAX_BYTES)
        ttl_s = self._ttl(request)
        encoding = request.header("content-encoding").strip().lower()
        kind = request.header("content-type")

        def read() -> body.Pushed:
            return body.read(body.unpacked(raw, encoding), kind, utf8=self._settings.utf8_names)

        large = len(raw) >= _THREAD_FROM_BYTES or encoding
        pushed = await asyncio.to_thread(read) if large else read()
        replace = request.method == "PUT"
        self._gateway.push(key, pushed, replace=replace, ttl_s=ttl_s)
        took_s = time.perf_counter() - started
        self._gateway.own.push_done(request.method, took_s, len(raw))
        return Response(200 if self._settings.check else 202, content_type="")

    def _ttl(self, request: Request) -> float | None:
        query: bytes = request.scope["query_string"]
        given = parse_qs(query.decode("utf-8", "replace"), keep_blank_values=True).get("ttl")
        if given is None:
            return None
        try:
            return parse_duration_ms(given[-1]) / 1000
        except ValueError as error:
            raise body.BadBody(f"ttl: {error}; write a duration, as in ttl=10m") from None

    def _table(self) -> dict[str, Route]:
        settings = self._settings
        routes = {
            settings.telemetry_path: Route("", {"GET": self._metrics}),
            "/-/healthy": Route("healthy", {"GET": _ok}),
            "/-/ready": Route("ready", {"GET": _ok}),
            "/-/quit": Route("quit", {"GET": self._no_get, "PUT": self._stop, "POST": self._stop}),
            "/": Route("status", _shown(_page("groups", "Metrics", "./"))),
            "/status": Route("status", _shown(_page("status", "Status", "status"))),
            "/static/page.css": Route(
                "static", _shown(_read("page.css"), "text/css; charset=utf-8")
            ),
            "/api/v1/status": Route("api/v1/status", _api(self._status)),
            "/api/v1/metrics": Route("api/v1/metrics", _api(self._groups)),
        }
        for name in ("groups", "status"):
            kind = "text/javascript; charset=utf-8"
            routes[f"/static/{name}.js"] = Route("static", _shown(_read(f"{name}.js"), kind))
        if settings.admin_api:
            routes["/api/v1/admin/wipe"] = Route(
                "api/v1/admin/wipe", {"PUT": self._wipe, "OPTIONS": _options}
            )
        return routes

    async def _metrics(self, request: Request) -> Response:
        self._gateway.expire()
        choice = choose(request.header("accept"), openmetrics=False)
        return Response(body=self._exposure.body(choice), content_type=choice.content_type)

    async def _status(self, _: Request) -> Response:
        data = api.status(self._settings.flags, self._gateway.own.started_s)
        return Response(body=api.answer(data), headers=list(_CORS))

    async def _groups(self, _: Request) -> Response:
        self._gateway.expire()
        found = api.metrics(self._gateway.store)
        return Response(body=api.answer(found), headers=list(_CORS))

    async def _wipe(self, _: Request) -> Response:
        self._gateway.wipe()
        return Response(202, content_type="", headers=list(_CORS))

    async def _no_get(self, _: Request) -> Response:
        return text("Only POST or PUT requests allowed.", 405, Allow="POST, PUT")

    async def _stop(self, _: Request) -> Response:
        if not self._settings.lifecycle:
            return text("Lifecycle API is not enabled.", 403)
        asyncio.get_running_loop().call_later(0.1, self._quit)
        return text("Requesting termination... Goodbye!")


def _shown(body: bytes, kind: str = HTML) -> dict[str, Handler]:
    async def page(_: Request) -> Response:
        return Response(body=body, content_type=kind, headers=list(_SAFE))

    return {"GET": page}


def _page(script: str, title: str, link: str) -> bytes:
    """One of the pages, with its link in the navigation as the current one."""
    page = _read("page.html").decode().replace("TITLE", title).replace("PAGE", script)
    current = page.replace(f'<a href="{link}">', f'<a href="{link}" aria-current="page">')
    return current.encode()


def _api(handler: Handler) -> dict[str, Handler]:
    return {"GET": handler, "OPTIONS": _options}


async def _options(_: Request) -> Response:
    return Response(200, content_type="", headers=list(_CORS))


async def _ok(_: Request) -> Response:
    return text("OK")


@lru_cache(maxsize=16)
def _read(name: str) -> bytes:
    return (_STATIC / name).read_bytes()
