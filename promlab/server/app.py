"""The ASGI application: finds a request's handler, answers, and counts.

A table instead of a framework: exact paths first, then the few that have a variable part.
"""

from __future__ import annotations

import time
from collections.abc import Coroutine
from functools import lru_cache, partial
from typing import Any
from urllib.parse import unquote

from promlab.model.matchers import compile_regex
from promlab.server import envelope
from promlab.server.context import Context
from promlab.server.elsewhere import cleaned, query_of, quoted, redirect
from promlab.server.routes import API, AT_ONCE, GET, Route, routes
from promlab.server.tracing import answered
from promlab.web.http import (
    ClientGone,
    MustWait,
    Request,
    Response,
    Scope,
    finish,
    not_found,
    send_response,
    text,
)

_SHORT = 200
_CORS = [
    (b"access-control-allow-headers", b"Accept, Authorization, Content-Type, Origin"),
    (b"access-control-allow-methods", b"GET, POST, OPTIONS"),
    (b"access-control-expose-headers", b"Date"),
]


class App:
    """The application of one reader."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._prefix = context.settings.route_prefix.rstrip("/")
        self._routes = routes(
            agent=context.settings.agent, assets=bool(context.settings.user_assets)
        )
        self._patterns = [route for path, route in self._routes.items() if "{" in path]
        self._known = lru_cache(maxsize=512)(self._match)  # paths that are asked for again
        self._origin = compile_regex(context.settings.cors_origin)

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        request, tracing = Request(scope, receive), self._context.tracing
        route, refusal = self._find(request)
        if not tracing.on:
            await self._serve(request, route, refusal, send)
            return
        with tracing.request(scope, route.name if route is not None else "/") as span:
            answered(span, *await self._serve(request, route, refusal, send))

    async def _serve(
        self, request: Request, route: Route | None, refusal: Response | None, send: Any
    ) -> tuple[int, int]:
        """Answer, or send what was found at once; returns status and size, 0 for a client gone."""
        started = time.perf_counter()
        context, response = self._context, refusal
        try:
            barred = await context.guard.refusal(request)
            if barred is not None:
                response = barred
            elif route is not None and response is None:
                response = self._unanswered(route) or await route.handler(context, request)
        except ClientGone:
            return 0, 0
        except Exception as error:
            response = envelope.failure(error)
        assert response is not None
        if route is not None and refusal is None and route.is_shared:
            self._allow_origin(request, response)
        response.headers += context.guard.headers
        size = await send_response(request, response, send)
        name = route.name if route is not None else "/"
        took_s = time.perf_counter() - started
        context.metrics.request_done(name, response.status, took_s, size)
        return response.status, size

    def at_once(self, scope: Scope, body: bytes) -> Response | None:
        """The finished answer to a GET or POST; None if it may have to wait.

        For what is answered in less time than a task of its own takes to be begun. A request
        that gets None here has changed nothing: it is to be asked again as ASGI has it.
        """
        context = self._context
        if context.tracing.on or not context.guard.asks_nothing:
            return None
        started = time.perf_counter()
        request = Request(scope, None, body)
        route, refusal = self._find(request)
        if route is None or refusal is not None or route.name not in AT_ONCE:
            return None
        try:
            response = self._unanswered(route)
            response = response or _without_waiting(route.handler(context, request))
        except MustWait:
            return None
        except Exception as error:
            response = envelope.failure(error)
        self._allow_origin(request, response)
        response.headers += context.guard.headers
        packed = finish(request, response)
        if packed is None:
            return None
        took_s = time.perf_counter() - started
        done = context.metrics.request_done
        request.after_answer(partial(done, route.name, response.status, took_s, len(packed)))
        response.afterwards = request.do_what_is_left
        return response

    def _unanswered(self, route: Route) -> Response | None:
        """What a request gets that nothing is to handle here, or not yet. Raises ApiError."""
        context = self._context
        if route.waits and not context.is_ready and not self._early(route):
            return envelope.unavailable(stopping=context.stopping)
        if context.settings.agent and route.serves_queries:
            raise envelope.ApiError("execution", "unavailable with Prometheus Agent")
        if context.settings.agent and route.reads:
            return text("unsupported operation with WAL-only storage\n", 500)
        return None

    def _early(self, route: Route) -> bool:
        """Whether a request is answered although the log is still being read."""
        return route.reads_only and self._context.answers_queries

    def _find(self, request: Request) -> tuple[Route | None, Response | None]:
        """The route of a request; a response at once where there is nothing to run."""
        path: str = request.scope["path"]
        if self._prefix:
            if path == "/" and request.method in GET:
                return None, redirect(request, f"{self._prefix}/")
            if not path.startswith(self._prefix + "/"):
                return None, self._elsewhere(path, request)
            path = path[len(self._prefix) :]
        route = self._routes.get(path) or self._variable(path, request)
        if route is None:
            return None, self._elsewhere(self._prefix + path, request)
        if request.method in route.methods:
            return route, None
        if request.method == "OPTIONS" and route.is_api:
            return route, self._no_content(request)
        allowed = ", ".join(sorted(route.methods | {"OPTIONS"}))
        if request.method == "OPTIONS":
            return route, Response(content_type="", headers=[(b"allow", allowed.encode())])
        return route, text("Method Not Allowed\n", 405, Allow=allowed)

    def _elsewhere(self, path: str, request: Request) -> Response:
        """The answer where no route has the path: it may lead to one."""
        clean, api = cleaned(path), self._prefix + API
        if clean == api[:-1]:
            clean = api
        if clean != path and path[:1] == "/" and request.method != "CONNECT":
            return redirect(request, quoted(clean) + query_of(request), 301)
        if request.method == "OPTIONS" and path.startswith(api):
            return self._no_content(request)
        other = path[:-1] if path.endswith("/") else path + "/"
        if other.startswith(self._prefix + "/"):
            url = quoted(other)
            route = self._routes.get(other[len(self._prefix) :]) or self._match(url.encode())[0]
            if route is not None and request.method in route.methods:
                status = 301 if request.method in GET else 307
                return redirect(request, url + query_of(request), status)
        return not_found()

    def _no_content(self, request: Request) -> Response:
        """What OPTIONS of the API gives: who may ask."""
        response = Response(204, content_type="")
        self._allow_origin(request, response)
        return response

    def _variable(self, path: str, request: Request) -> Route | None:
        """A route with a variable segment."""
        raw: bytes = request.scope.get("raw_path") or path.encode()
        match = self._known if len(raw) < _SHORT else self._match
        route, path_args = match(raw)
        request.path_args = dict(path_args)
        return route

    def _match(self, raw: bytes) -> tuple[Route | None, dict[str, str]]:
        """The route of a path with variable segments, and what these are."""
        path = raw.partition(b"?")[0].decode("latin-1")
        if path != cleaned(path):
            return None, {}
        segments = path[len(self._prefix) :].split("/")
        for route in self._patterns:
            found = _matched(route.name.split("/"), segments)
            if found is not None:
                return route, found
        return None, {}

    def _allow_origin(self, request: Request, response: Response) -> None:
        response.headers.append((b"vary", b"Origin"))
        given = request.headers.get(b"origin")
        if not given:
            return
        response.headers += _CORS
        origin = given.decode("latin-1")
        if self._origin.fullmatch(origin):
            response.headers.append((b"access-control-allow-origin", origin.encode()))


def _without_waiting(answering: Coroutine[Any, Any, Response]) -> Response:
    """What a handler gives that never waits for anything. Raises MustWait if this one does."""
    try:
        answering.send(None)
    except StopIteration as answered:
        response: Response = answered.value
        return response
    answering.close()
    raise MustWait("the handler waits for something")


def _matched(wanted: list[str], segments: list[str]) -> dict[str, str] | None:
    """The variable parts of a path, where it is of this form."""
    if len(segments) < len(wanted):
        return None
    if wanted[-1].endswith("*}"):
        rest = "/".join(segments[len(wanted) - 1 :])
        segments = [*segments[: len(wanted) - 1], rest]
    if len(wanted) != len(segments):
        return None
    found = {}
    for part, given in zip(wanted, segments, strict=True):
        if part[:1] == "{" and (given or part.endswith("*}")):
            found[part[1:-1].rstrip("*")] = unquote(given, errors="replace")
        elif part != given:
            return None
    return found
