"""Pages for people: the expression browser, targets, and the state of the server.

Plain HTML and scripts from this package, nothing from elsewhere. A page is the same for
everybody: what it shows it asks from the API, and puts it in as text, never as HTML.
"""

from __future__ import annotations

import html
from collections.abc import Awaitable, Callable
from functools import lru_cache, partial
from pathlib import Path
from urllib.parse import quote

from promlab.server.context import Context
from promlab.web.http import HTML, Request, Response

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


def redirect(path: str) -> Response:
    """302 to another path of this server."""
    where = path.encode("ascii", "ignore")
    link = html.escape(path)
    return Response(302, f'<a href="{link}">Found</a>.\n\n'.encode(), HTML, [(b"location", where)])


async def home(context: Context, request: Request) -> Response:
    """Old and short addresses lead to the query page, their parameters kept."""
    query = request.scope["query_string"].decode("latin-1")
    tail = "?" + quote(query, safe="=&%+;:,./-_~!*()'$@") if query else ""
    return redirect(f"{context.settings.route_prefix.rstrip('/')}/query{tail}")


@lru_cache(maxsize=16)
def _read(name: str) -> bytes:
    return (_STATIC / name).read_bytes()


async def _page(name: str, context: Context, _request: Request) -> Response:
    title = html.escape(context.settings.page_title or "promlab")
    body = _read(name).replace(b"{{title}}", title.encode())
    return Response(body=body, content_type=HTML, headers=list(_SAFE))


async def _asset(name: str, kind: str, _context: Context, _request: Request) -> Response:
    headers = [(b"cache-control", b"no-cache"), (b"x-content-type-options", b"nosniff")]
    return Response(body=_read(name), content_type=kind, headers=headers)


PAGES: dict[str, Callable[[Context, Request], Awaitable[Response]]] = {
    "/": home,
    "/graph": home,
    "/query": partial(_page, "query.html"),
    "/alerts": partial(_page, "alerts.html"),
    "/rules": partial(_page, "alerts.html"),
    "/targets": partial(_page, "targets.html"),
    "/status": partial(_page, "status.html"),
    "/static/pages.css": partial(_asset, "pages.css", "text/css; charset=utf-8"),
    "/static/pages.js": partial(_asset, "pages.js", "text/javascript; charset=utf-8"),
    "/static/query.js": partial(_asset, "query.js", "text/javascript; charset=utf-8"),
    "/static/graph.js": partial(_asset, "graph.js", "text/javascript; charset=utf-8"),
    "/static/alerts.js": partial(_asset, "alerts.js", "text/javascript; charset=utf-8"),
    "/static/targets.js": partial(_asset, "targets.js", "text/javascript; charset=utf-8"),
    "/static/status.js": partial(_asset, "status.js", "text/javascript; charset=utf-8"),
}
