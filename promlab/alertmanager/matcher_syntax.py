"""The UTF-8 syntax of matchers: `{foo=bar, "föö bar"=~"b.z"}`, braces optional.

Names and values are bare words without reserved characters, or quoted with Go's escapes.
Errors name the columns (0-based, `from:to`) and what was expected.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from promlab.errors import PromlabError

_TOKEN = re.compile(
    r"""(?P<space>\s+)|(?P<open>\{)|(?P<close>\})|(?P<comma>,)|(?P<op>=~|!=|!~|=)"""
    r"""|(?P<quoted>"(?:[^"\\\n]|\\.)*")|(?P<bare>[^{}!=~,\\"'`\s]+)""",
    re.DOTALL,
)
_ESCAPE = re.compile(
    r"\\(?:([abfnrtv\\\"])|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})|(.?))",
    re.DOTALL,
)
_SIMPLE = {"a": 7, "b": 8, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11, "\\": 92, '"': 34}


class MatcherSyntaxError(PromlabError):
    """A text that is no matcher."""


class _Token(NamedTuple):
    kind: str
    text: str
    start: int
    end: int

    @property
    def place(self) -> str:
        return f"{self.start}:{self.end}"


def _tokens(text: str) -> list[_Token]:
    found, at = [], 0
    while at < len(text):
        token = _TOKEN.match(text, at)
        if token is None:
            if text[at] == '"':
                raise MatcherSyntaxError(f'{at}:{len(text)}: {text[at:]}: missing end "')
            raise MatcherSyntaxError(f"{at}:{at + 1}: {text[at]}: invalid input")
        if token.lastgroup != "space":
            found.append(_Token(str(token.lastgroup), token[0], at, token.end()))
        at = token.end()
    found.append(_Token("end", "end of input", len(text), len(text)))
    return found


def _fail(token: _Token, expected: str) -> MatcherSyntaxError:
    shown = "end of input" if token.kind == "end" else f"unexpected {token.text}"
    return MatcherSyntaxError(f"{token.place}: {shown}: expected {expected}")


def parse_utf8(text: str) -> list[tuple[str, str, str]]:
    """Name, operator and value of each matcher. Raises MatcherSyntaxError."""
    tokens = _tokens(text)
    at = 1 if tokens[0].kind == "open" else 0
    braced = at == 1
    found: list[tuple[str, str, str]] = []
    while tokens[at].kind in ("bare", "quoted"):
        name, operator, value = tokens[at], tokens[at + 1], None
        if operator.kind != "op":
            raise _fail(operator, "an operator such as '=', '!=', '=~' or '!~'")
        value = tokens[at + 2]
        if value.kind not in ("bare", "quoted"):
            raise _fail(value, "label value")
        found.append((_text(name), operator.text, _text(value)))
        at += 3
        if tokens[at].kind != "comma":
            break
        at += 1
    _end(tokens[at:], braced, bool(found))
    return found


def _end(rest: list[_Token], braced: bool, some: bool) -> None:
    if braced:
        if rest[0].kind != "close":
            raise _fail(rest[0], "close brace" if some else "label name")
        rest = rest[1:]
    if rest[0].kind == "close":
        raise MatcherSyntaxError(f"{rest[0].place}: }}: expected opening brace")
    if rest[0].kind != "end":
        raise _fail(rest[0], "a comma or the end" if some else "label name")


def _text(token: _Token) -> str:
    if token.kind == "bare":
        return token.text
    raw = token.text[1:-1]
    if "\\" not in raw:
        return raw
    try:
        pieces = b"".join(_unescaped(raw, token))
        return pieces.decode()
    except UnicodeDecodeError:
        raise MatcherSyntaxError(f"{token.place}: {token.text}: invalid UTF-8") from None


def _unescaped(raw: str, token: _Token) -> list[bytes]:
    pieces, at = [], 0
    for found in _ESCAPE.finditer(raw):
        pieces.append(raw[at : found.start()].encode())
        at = found.end()
        simple, byte, short, long, octal, _bad = found.groups()
        if simple:
            pieces.append(bytes([_SIMPLE[simple]]))
        elif byte:
            pieces.append(bytes([int(byte, 16)]))
        elif short or long:
            pieces.append(_code_point(int(short or long, 16), token))
        elif octal and int(octal, 8) < 256:
            pieces.append(bytes([int(octal, 8)]))
        else:
            raise MatcherSyntaxError(f"{token.place}: {token.text}: invalid escape {found[0]}")
    pieces.append(raw[at:].encode())
    return pieces


def _code_point(number: int, token: _Token) -> bytes:
    if number > 0x10FFFF or 0xD800 <= number <= 0xDFFF:
        raise MatcherSyntaxError(f"{token.place}: {token.text}: invalid code point")
    return chr(number).encode()
