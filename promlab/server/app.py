"""The ASGI application: finds a request's handler, answers, and counts.

A table instead of a framework: exact paths first, then the few that have a variable part.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple
from urllib.parse import unquote

from promlab.model.matchers import compile_regex
from promlab.server import (
    api_admin,
    api_labels,
    api_query,
    api_rules,
    api_status,
    api_targets,
    envelope,
    pages,
)
from promlab.server.api_write import WriteReceiver
from promlab.server.context import Context
from promlab.web.http import ClientGone, Request, Response, Scope, send_response, text

Handler = Callable[[Context, Request], Awaitable[Response]]

_GET = frozenset({"GET", "HEAD"})
_FORM = frozenset({"GET", "HEAD", "POST"})
_CORS = [
    (b"access-control-allow-headers", b"Accept, Authorization, Content-Type, Origin"),
    (b"access-control-allow-methods", b"GET, POST, OPTIONS"),
    (b"access-control-expose-headers", b"Date"),
]


class Route(NamedTuple):
    """What answers a path; `name` is its label in metrics."""

    name: str
    handler: Handler
    methods: frozenset[str]


def routes() -> dict[str, Route]:
    """All paths. `{name}` stands for one variable segment."""
    api: dict[str, tuple[Handler, frozenset[str]]] = {
        "query": (api_query.query, _FORM),
        "query_range": (api_query.query_range, _FORM),
        "format_query": (api_query.format_query, _FORM),
        "labels": (api_labels.labels, _FORM),
        "label/{name}/values": (api_labels.label_values, _GET),
        "series": (api_labels.series, _FORM),
        "metadata": (api_targets.metadata, _GET),
        "targets": (api_targets.targets, _GET),
        "targets/metadata": (api_targets.target_metadata, _GET),
        "scrape_pools": (api_targets.scrape_pools, _GET),
        "rules": (api_rules.rules, _GET),
        "alerts": (api_rules.alerts, _GET),
        "alertmanagers": (api_rules.alertmanagers, _GET),
        "status/buildinfo": (api_status.buildinfo, _GET),
        "status/flags": (api_status.flags, _GET),
        "status/config": (api_status.config, _GET),
        "status/runtimeinfo": (api_status.runtimeinfo, _GET),
        "status/tsdb": (api_status.tsdb, _GET),
        "status/walreplay": (api_status.walreplay, _GET),
        "notifications": (api_status.notifications, _GET),
        "write": (WriteReceiver(), frozenset({"POST"})),
    }
    anything = frozenset({"GET", "HEAD", "POST", "PUT"})
    other: dict[str, tuple[Handler, frozenset[str]]] = {
        "/-/healthy": (api_admin.healthy, _GET),
        "/-/ready": (api_admin.ready, _GET),
        "/-/reload": (api_admin.reload, anything),
        "/-/quit": (api_admin.quit_, anything),
        "/metrics": (api_status.metrics, _GET),
        "/version": (api_status.version, _GET),
    }
    other |= {path: (handler, _GET) for path, handler in pages.PAGES.items()}
    everything = {f"/api/v1/{path}": found for path, found in api.items()} | other
    return {path: Route(path, *found) for path, found in everything.items()}


class App:
    """The application of one reader."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._prefix = context.settings.route_prefix.rstrip("/")
        self._routes = routes()
        self._patterns = [route for path, route in self._routes.items() if "{" in path]
        self._origin = compile_regex(context.settings.cors_origin)

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        started = time.perf_counter()
        request = Request(scope, receive)
        route, response = self._find(request)
        if route is not None and response is None:
            try:
                response = await route.handler(self._context, request)
            except ClientGone:
                return
            except Exception as error:
                response = envelope.failure(error)
        assert response is not None
        if route is not None and route.name.startswith("/api/"):
            self._allow_origin(request, response)
        size = await send_response(request, response, send)
        name = route.name if route is not None else "/"
        took_s = time.perf_counter() - started
        self._context.metrics.request_done(name, response.status, took_s, size)

    def _find(self, request: Request) -> tuple[Route | None, Response | None]:
        """The route of a request; a response at once where there is nothing to run."""
        path: str = request.scope["path"]
        if self._prefix:
            if path == "/" and request.method in _GET:
                return None, pages.redirect(f"{self._prefix}/")
            if not path.startswith(self._prefix + "/"):
                return None, _not_found()
            path = path[len(self._prefix) :]
        route = self._routes.get(path) or self._match(path, request)
        if route is None:
            return None, _not_found()
        if request.method in route.methods:
            return route, None
        if request.method == "OPTIONS":
            return route, Response(204, content_type="")
        allowed = ", ".join(sorted((route.methods - {"HEAD"}) | {"OPTIONS"}))
        return route, text("Method Not Allowed\n", 405, Allow=allowed)

    def _match(self, path: str, request: Request) -> Route | None:
        """A route with a variable segment."""
        raw: bytes = request.scope.get("raw_path") or path.encode()
        segments = raw.partition(b"?")[0].decode("latin-1")[len(self._prefix) :].split("/")
        for route in self._patterns:
            wanted = route.name.split("/")
            if len(wanted) != len(segments):
                continue
            pairs = list(zip(wanted, segments, strict=True))
            if all(part == given or part[:1] == "{" for part, given in pairs):
                request.path_args = {
                    part[1:-1]: unquote(given, errors="replace")
                    for part, given in pairs
                    if part[:1] == "{"
                }
                return route
        return None

    def _allow_origin(self, request: Request, response: Response) -> None:
        response.headers.append((b"vary", b"Origin"))
        origin = request.header("origin")
        if origin and self._origin.fullmatch(origin):
            response.headers += [*_CORS, (b"access-control-allow-origin", origin.encode())]


def _not_found() -> Response:
    return text("404 page not found\n", 404, X_Content_Type_Options="nosniff")
