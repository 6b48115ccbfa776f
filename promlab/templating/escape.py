"""Escaping for HTML, JavaScript and URLs, as Go's template functions do it."""

from __future__ import annotations

from urllib.parse import quote_plus

_HTML = str.maketrans(
    {"\0": "�", '"': "&#34;", "'": "&#39;", "&": "&amp;", "<": "&lt;", ">": "&gt;"}
)
_JS = {
    "\\": "\\\\", "'": "\\'", '"': '\\"', "<": "\\u003C", ">": "\\u003E",
    "&": "\\u0026", "=": "\\u003D",
}  # fmt: skip


def html(text: str) -> str:
    """Text that is safe between tags and in quoted attributes."""
    return text.translate(_HTML)


def js(text: str) -> str:
    """Text that is safe inside of a quoted JavaScript string."""
    return "".join(map(_js, text))


def _js(char: str) -> str:
    if char in _JS:
        return _JS[char]
    if char.isprintable():
        return char
    return f"\\u{ord(char):04X}"


def url_query(text: str) -> str:
    """Text as a value in the query of a URL; a blank is `+`."""
    return quote_plus(text, safe="~", errors="replace")
