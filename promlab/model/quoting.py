"""Text in quotes, as Go prints it with `%q`: in error messages, queries and selectors."""

from __future__ import annotations

import re

_QUOTED = {
    **{"\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"},
    **{"\v": "\\v", '"': '\\"', "\\": "\\\\"},
}
_PLAIN = re.compile(r"[ !#-\[\]-~]*")


def go_quote(text: str) -> str:
    """A string in double quotes, escaped as Go does."""
    if _PLAIN.fullmatch(text):
        return f'"{text}"'
    return f'"{"".join(map(_quoted_char, text))}"'


def _quoted_char(char: str) -> str:
    if char in _QUOTED:
        return _QUOTED[char]
    if char.isprintable():
        return char
    code = ord(char)
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
