"""The ASGI application: finds a request's handler, answers, and counts."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from promlab.alertmanager.server import api, metrics, pages
from promlab.alertmanager.server.context import Context
from promlab.alertmanager.server.errors import ApiError
from promlab.web.http import BodyTooLarge, ClientGone, Request, Response, Scope, send_response, text

logger = logging.getLogger(__name__)

Handler = Callable[[Context, Request], Awaitable[Response]]

API = "/api/v2"
_METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_DEPRECATED = {
    "status": "deprecated",
    "error": "The Alertmanager v1 API was removed: use the equivalent path of the v2 API",
}
_CORS = [
    (b"access-control-allow-origin", b"*"),
    (b"access-control-allow-headers", b"Accept, Authorization, Content-Type, Origin"),
    (b"access-control-allow-methods", b"GET, POST, DELETE, OPTIONS"),
    (b"access-control-expose-headers", b"Date"),
]


async def _ok(_context: Context, _request: Request) -> Response:
    return text("OK")


async def _reload(context: Context, _request: Request) -> Response:
    problem = await context.reload()
    if problem:
        return text(f"failed to reload config: {problem}\n", 500)
    return Response(200, b"", "")


async def _metrics(context: Context, _request: Request) -> Response:
    return Response(200, metrics.page(context).encode(), _METRICS_TYPE)


ROUTES: dict[str, dict[str, Handler]] = {
    f"{API}/status": {"GET": api.get_status},
    f"{API}/receivers": {"GET": api.get_receivers},
    f"{API}/silences": {"GET": api.get_silences, "POST": api.post_silence},
    f"{API}/alerts": {"GET": api.get_alerts, "POST": api.post_alerts},
    f"{API}/alerts/groups": {"GET": api.get_groups},
    "/-/healthy": {"GET": _ok},
    "/-/ready": {"GET": _ok},
    "/-/reload": {"POST": _reload},
    "/metrics": {"GET": _metrics},
    **{path: {"GET": handler} for path, handler in pages.PAGES.items()},
}
_PROBES = frozenset({"/-/healthy", "/-/ready"})
_SILENCE: dict[str, Handler] = {"GET": api.get_silence, "DELETE": api.delete_silence}


class App:
    """The application of one Alertmanager."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._prefix = context.settings.route_prefix

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        started = time.perf_counter()
        name, methods = self._find(request)
        try:
            response = await self._context.guard.refusal(request)
            if response is None:
                response = await self._answer(request, name, methods)
        except ClientGone:
            return
        if name.startswith(API):
            response.headers.append((b"cache-control", b"no-store"))
            response.headers.append((b"vary", b"Origin"))
            if request.header("origin"):
                response.headers += _CORS
        response.headers += self._context.guard.headers
        size_bytes = await send_response(request, response, send)
        took_s = time.perf_counter() - started
        self._context.request_done(name, request.method, response.status, took_s, size_bytes)

    def _find(self, request: Request) -> tuple[str, dict[str, Handler]]:
        path: str = request.scope["path"]
        if self._prefix:
            if path == "/":
                return "/", {"GET": pages.to_prefix}
            if path != self._prefix and not path.startswith(self._prefix + "/"):
                return "", {}
            path = path[len(self._prefix) :] or "/"
        found = ROUTES.get(path)
        if found is not None:
            return path, found
        base = f"{API}/silence/"
        if path.startswith(base) and path != base and "/" not in path[len(base) :]:
            request.path_args = {"silenceID": path[len(base) :]}
            return f"{API}/silence/{{silenceID}}", _SILENCE
        if path.startswith("/api/v1/"):
            return "/api/v1", {}
        return (API if path.startswith(API) else ""), {}

    async def _answer(self, request: Request, name: str, methods: dict[str, Handler]) -> Response:
        context = self._context
        # HEAD is for what load balancers ask; all else refuses it.
        method = "GET" if request.method == "HEAD" and name in _PROBES else request.method
        handler = methods.get(method)
        if handler is None:
            return self._no_handler(request, name, methods)
        if method == "GET" and name.startswith(API):
            if context.in_flight >= context.settings.get_concurrency:
                context.over_limit += 1
                return text(
                    f"Limit of concurrent GET requests reached "
                    f"({context.settings.get_concurrency}), try again later.\n", 503,
                )  # fmt: skip
            context.in_flight += 1
            try:
                return await self._guarded(handler, request)
            finally:
                context.in_flight -= 1
        return await self._guarded(handler, request)

    async def _guarded(self, handler: Handler, request: Request) -> Response:
        try:
            async with asyncio.timeout(self._context.settings.timeout_s or None):
                return await handler(self._context, request)
        except TimeoutError:
            return text("Exceeded configured timeout.\n", 503)
        except ApiError as error:
            return error.response()
        except BodyTooLarge as error:
            return ApiError(str(error), 413, code=413).response()
        except (ClientGone, asyncio.CancelledError):
            raise
        except Exception:
            logger.exception("A request broke", extra={"facts": {"path": request.scope["path"]}})
            return ApiError("internal error: the log says more", 500).response()

    def _no_handler(self, request: Request, name: str, methods: dict[str, Handler]) -> Response:
        if name == "/api/v1":
            return Response(410, msgspec.json.encode(_DEPRECATED) + b"\n")
        if not methods:
            if name == API:
                path = request.scope["path"]
                return ApiError(f"path {path} was not found", 404, code=404).response()
            return text("404 page not found\n", 404, X_Content_Type_Options="nosniff")
        allowed = list(methods)
        if request.method == "OPTIONS" and not name.startswith(API):
            return Response(200, b"", "", [(b"allow", ", ".join(allowed).encode())])
        if name.startswith(API):
            shown = ",".join(allowed)
            response = ApiError(
                f"method {request.method} is not allowed, but [{shown}] are", 405, code=405
            ).response()
        else:
            response = text("Method Not Allowed\n", 405, X_Content_Type_Options="nosniff")
        response.headers.append((b"allow", ", ".join(allowed).encode()))
        return response
