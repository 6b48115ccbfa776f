"""Functions on text: cases, regular expressions, host names, links."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import chain
from typing import Any

import re2

from promlab.templating.errors import FunctionError
from promlab.templating.escape import url_query
from promlab.templating.values import Function, Functions

MAX_TEXT = 1 << 20
_VARIABLE = re.compile(r"\$(?:\$|\{(\w+)\}|(\w+))")
# A letter that follows no letter, underscore or apostrophe.
_WORD_START = re.compile(r"(?<![^\W\d])(?<!['’])[^\W\d_]")


def title(text: str) -> str:
    """The first letter of each word in capitals; the others stay as they are."""
    return _WORD_START.sub(lambda found: found[0].title(), text)


@lru_cache(maxsize=1024)
def regex(pattern: str) -> Any:
    """A compiled RE2 expression, to be searched for. Raises FunctionError."""
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        reason = error.args[0] if error.args else "bad expression"
        text = reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
        raise FunctionError(f"error parsing regexp: {_in_go_words(text)}") from None


def _in_go_words(reason: str) -> str:
    what, colon, part = reason.partition(": ")
    what = {"missing ]": "missing closing ]", "missing )": "missing closing )"}.get(what, what)
    return f"{what}: `{part}`" if colon else what


def upper(text: str) -> str:
    """Letter by letter, as Go does: letters whose capital is two letters stay."""
    return "".join(big if len(big := char.upper()) == 1 else char for char in text)


def lower(text: str) -> str:
    """Letter by letter, as Go does."""
    return "".join(char.lower()[:1] for char in text)


def match(pattern: str, text: str) -> bool:
    """Whether the expression is found anywhere in the text."""
    return regex(pattern).search(text) is not None


def replace_all(pattern: str, replacement: str, text: str) -> str:
    """Every match replaced; `$1` and `${name}` stand for groups."""
    try:
        compiled = regex(pattern)
    except FunctionError as error:
        raise FunctionError(f"regexp: Compile(`{pattern}`): {error}") from None
    parts = list(_parts(replacement, compiled))
    out: list[str] = []
    size = at = 0
    for found in compiled.finditer(text):
        if found.end() == at and found.start() == at and at > 0:
            continue  # an empty match right after a match is none in Go
        pieces = (part if isinstance(part, str) else found.group(part) or "" for part in parts)
        for piece in chain((text[at : found.start()],), pieces):
            size += len(piece)
            if size > MAX_TEXT:
                raise FunctionError(f"the text is longer than {MAX_TEXT:,} characters")
            out.append(piece)
        at = found.end()
    out.append(text[at:])
    return "".join(out)


def _parts(replacement: str, compiled: Any) -> Iterator[str | int]:
    """Texts and group numbers; a group that does not exist gives nothing."""
    at = 0
    for variable in _VARIABLE.finditer(replacement):
        yield replacement[at : variable.start()]
        at = variable.end()
        name = variable[1] or variable[2]
        if name is None:
            yield "$"
            continue
        short = name.isdecimal() and len(name) < 5
        number = int(name) if short else compiled.groupindex.get(name, -1)
        if 0 <= number <= compiled.groups:
            yield number
    yield replacement[at:]


def split_host_port(text: str) -> tuple[str, str] | None:
    """Host and port of `host:port` or `[v6]:port`; None where it is neither."""
    host, colon, port = text.rpartition(":")
    if not colon:
        return None
    if host.startswith("["):
        inside = host[1:-1]
        return (inside, port) if host.endswith("]") and not set(inside) & set("[]") else None
    return None if set(host) & set(":[]") or "]" in port else (host, port)


def strip_port(text: str) -> str:
    """The host of a `host:port`."""
    found = split_host_port(text)
    return text if found is None else found[0]


def strip_domain(text: str) -> str:
    """`web.example.org:80` is `web:80`; addresses stay whole."""
    found = split_host_port(text)
    host, port = found or (text, "")
    try:
        ipaddress.ip_address(host)
    except ValueError:
        short = host.partition(".")[0]
        if not port:
            return short
        return f"[{short}]:{port}" if ":" in short else f"{short}:{port}"
    return text


def graph_link(expression: str) -> str:
    """Path of the page that shows a graph of an expression."""
    return f"/graph?g0.expr={url_query(expression)}&g0.tab=0"


def table_link(expression: str) -> str:
    """Path of the page that shows an expression's value."""
    return f"/graph?g0.expr={url_query(expression)}&g0.tab=1"


FUNCTIONS: Functions = {
    "title": Function(title, ("string",)),
    "toUpper": Function(upper, ("string",)),
    "toLower": Function(lower, ("string",)),
    "match": Function(match, ("string", "string")),
    "reReplaceAll": Function(replace_all, ("string", "string", "string")),
    "stripPort": Function(strip_port, ("string",)),
    "stripDomain": Function(strip_domain, ("string",)),
    "graphLink": Function(graph_link, ("string",)),
    "tableLink": Function(table_link, ("string",)),
    "urlQueryEscape": Function(url_query, ("string",)),
    # Alerts are plain text: there is nothing that escapes, so nothing to hold back.
    "safeHtml": Function(str, ("string",)),
}
