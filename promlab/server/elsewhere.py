"""Paths that lead elsewhere: unclean ones, and those with a slash too many or too few.

As Go's servers have it: `/a//b` and `/a/../b` are cleaned for whatever method, a slash at the end
is put right where the path then answers this method. Nothing leads to another host.
"""

from __future__ import annotations

import posixpath
from http import HTTPStatus
from urllib.parse import quote

from promlab.web.http import HTML, Request, Response

_UNQUOTED = "/$&+,;=:@"
_PRINTABLE = "".join(map(chr, range(0x21, 0x7F)))


def cleaned(path: str) -> str:
    """The path without `.`, `..` and empty segments; a slash at its end stays."""
    clean = posixpath.normpath("/" + path.lstrip("/"))
    return clean + "/" if path.endswith("/") and clean != "/" else clean


def quoted(path: str) -> str:
    """A path as it stands in a URL."""
    return quote(path, safe=_UNQUOTED)


def query_of(request: Request) -> str:
    """What follows the path of a request, with its question mark, or nothing."""
    query: bytes = request.scope["query_string"]
    return "?" + quote(query, safe=_PRINTABLE) if query else ""


def redirect(request: Request, where: str, status: int = 302) -> Response:
    """To another URL of this server: found there (302, 307), or moved for good (301)."""
    headers = [(b"location", where.encode())]
    if request.method == "GET":
        from promlab.templating import escape  # no part of getting ready

        link = f'<a href="{escape.html(where)}">{HTTPStatus(status).phrase}</a>.\n\n'
        return Response(status, link.encode(), HTML, headers)
    return Response(status, b"", HTML if request.method == "HEAD" else "", headers)
