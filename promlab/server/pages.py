"""Pages for people: the expression browser, targets, and the state of the server.

Plain HTML and scripts from this package, nothing from elsewhere. A page is the same for
everybody: what it shows it asks from the API, and puts it in as text, never as HTML.
"""

from __future__ import annotations

import html
from collections.abc import Awaitable, Callable
from functools import lru_cache, partial
from pathlib import Path

from promlab.server.context import Context
from promlab.server.elsewhere import query_of, redirect
from promlab.web.http import HTML, Request, Response, not_found

_STATIC = Path(__file__).parent / "static"
_POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    b"img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'self'"
)
_SAFE = [
    (b"content-security-policy", _POLICY),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
]


async def home(context: Context, request: Request) -> Response:
    """The address alone leads to the query page, or to the agent's."""
    start = "agent" if context.settings.agent else "query"
    return redirect(request, f"{context.settings.route_prefix.rstrip('/')}/{start}")


async def graph(context: Context, request: Request) -> Response:
    """The query page of old, whose parameters are the same."""
    if context.settings.agent:
        return await home(context, request)
    where = f"{context.settings.route_prefix.rstrip('/')}/query"
    return redirect(request, where + (query_of(request) or "?"))


async def missing(_context: Context, _request: Request) -> Response:
    """No such file, where files are."""
    return not_found()


@lru_cache(maxsize=32)
def _read(name: str) -> bytes:
    return (_STATIC / name).read_bytes()


# Address, name in the menu, script.
_MENU = (
    ("agent", "Agent", "agent.js"),
    ("query", "Query", "query.js"),
    ("alerts", "Alerts", "rules.js"),
    ("rules", "Rules", "rules.js"),
    ("targets", "Targets", "targets.js"),
    ("service-discovery", "Service discovery", "discovery.js"),
    ("status", "Runtime", "status.js"),
    ("tsdb-status", "TSDB", "status.js"),
    ("flags", "Flags", "status.js"),
    ("config", "Configuration", "status.js"),
    ("alertmanager-discovery", "Alertmanagers", "status.js"),
)


_OF_AGENTS = frozenset({"agent"})
_OF_SERVERS = frozenset({"query", "alerts", "rules", "tsdb-status", "alertmanager-discovery"})


def _menu(*, agent: bool) -> list[tuple[str, str, str]]:
    elsewhere = _OF_SERVERS if agent else _OF_AGENTS
    return [entry for entry in _MENU if entry[0] not in elsewhere]


def _links(current: str, *, agent: bool) -> str:
    here = ' aria-current="page"'
    return "".join(
        f' <a href="{path}"{here if path == current else ""}>{name}</a>'
        for path, name, _ in _menu(agent=agent)
    )


async def _page(path: str, name: str, script: str, context: Context, _request: Request) -> Response:
    body = _read("query.html" if path == "query" else "page.html").decode()
    filled = {
        "title": html.escape(context.settings.page_title or "promlab"),
        "name": name,
        "script": script,
        "links": _links(path, agent=context.settings.agent),
    }
    for key, value in filled.items():
        body = body.replace(f"{{{{{key}}}}}", value)
    return Response(body=body.encode(), content_type=HTML, headers=list(_SAFE))


async def _asset(name: str, context: Context, _request: Request) -> Response:
    kind = "text/css" if name.endswith(".css") else "text/javascript"
    headers = [(b"cache-control", b"no-cache"), (b"x-content-type-options", b"nosniff")]
    return Response(body=_read(name), content_type=f"{kind}; charset=utf-8", headers=headers)


_ASSETS = (
    "pages.css", "pages.js", "agent.js", "query.js", "panel.js", "editor.js", "explorer.js",
    "graph.js", "times.js", "rules.js", "targets.js", "discovery.js", "status.js",
)  # fmt: skip


def pages(*, agent: bool) -> dict[str, Callable[[Context, Request], Awaitable[Response]]]:
    """All pages of a server, or of an agent, and what they are made of."""
    return {
        "/": home,
        "/graph": graph,
        **{
            f"/{path}": partial(_page, path, name, script)
            for path, name, script in _menu(agent=agent)
        },
        **{f"/static/{name}": partial(_asset, name) for name in _ASSETS},
    }
