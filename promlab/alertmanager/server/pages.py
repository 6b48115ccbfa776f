"""The page for people: alerts in their groups, silences, status.

One page and its scripts from this package; everything it shows it asks from the API, and puts
it in as text, never as HTML. Addresses are relative, so that any prefix will do.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import lru_cache, partial
from pathlib import Path

from promlab.alertmanager.server.context import Context
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
    (b"cache-control", b"no-cache"),
]
_KINDS = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8"}


@lru_cache(maxsize=16)
def _read(name: str) -> bytes:
    return (_STATIC / name).read_bytes()


async def _page(_context: Context, _request: Request) -> Response:
    return Response(body=_read("index.html"), content_type=HTML, headers=list(_SAFE))


async def _asset(name: str, _context: Context, _request: Request) -> Response:
    kind = _KINDS[name.rpartition(".")[2]]
    return Response(body=_read(name), content_type=kind, headers=list(_SAFE))


async def to_prefix(context: Context, _request: Request) -> Response:
    """From the root to where the page is."""
    where = f"{context.settings.route_prefix}/".encode()
    return Response(302, b"", "", [(b"location", where)])


_ASSETS = (
    "page.css", "page.js", "dom.js", "alerts.js", "silences.js", "status.js", "matchers.js",
)  # fmt: skip
Handler = Callable[[Context, Request], Awaitable[Response]]
PAGES: dict[str, Handler] = {
    "/": _page,
    **{f"/static/{name}": partial(_asset, name) for name in _ASSETS},
}
