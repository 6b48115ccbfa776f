"""PromQL text as tokens, one at a time.

What a character means depends on where it stands: in braces any word is a label name, in
brackets words are functions of durations. Brackets must be closed, and stand no deeper than
`MAX_DEPTH`. Everything is linear in the length of the text; strings keep their quotes here,
`parser_literals.py` resolves them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NoReturn

from lark import Token
from lark.lexer import Lexer, LexerState

from promlab.errors import PromQLSyntaxError
from promlab.promql.ast import MAX_DEPTH
from promlab.promql.registry import AGGREGATIONS

MAX_TOKENS = 30_000

_GO_SPACE = r"[ \t\r\n]+|\#[^\r\n]*"
_STRING = r"""(?P<STRING>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`[^`]*`)"""
_NUMBER = r"""(?P<NUMBER_OR_DURATION>
      0[xX][0-9a-fA-F_]*
    | (?:[0-9]+(?:ms|[smhdwy]))+
    | (?:[0-9](?:_?[0-9])*\.?(?:[0-9](?:_?[0-9])*)?|\.[0-9](?:_?[0-9])*)
      (?:[eE][+-]?[0-9](?:_?[0-9])*)?
    )"""
_FLAGS = re.VERBOSE | re.ASCII | re.DOTALL
_NORMAL = re.compile(
    rf"""(?P<SKIP>{_GO_SPACE})
    | (?P<WORD>[A-Za-z_:][A-Za-z0-9_:]*)
    | {_NUMBER}
    | {_STRING}
    | (?P<OPERATOR></|>/|[=!<>]=|=(?!~)|[-+*/%^@<>,(){{}}\[\]])""",
    _FLAGS,
)
_BRACES = re.compile(
    rf"""(?P<SKIP>{_GO_SPACE})
    | (?P<WORD>[A-Za-z_][A-Za-z0-9_]*)
    | {_STRING}
    | (?P<OPERATOR>=~|!~|!=|=|,|}})""",
    _FLAGS,
)
_BRACKETS = re.compile(
    rf"""(?P<SKIP>{_GO_SPACE})
    | (?P<WORD>[A-Za-z_][A-Za-z0-9_]*)
    | {_NUMBER}
    | (?P<OPERATOR>[-+*/%^,():\]])""",
    _FLAGS,
)
_CALLED = re.compile(rf"(?:{_GO_SPACE})*\(", _FLAGS)
_UNITS = re.compile(r"(?:[0-9]*(?:ms|[smhdwy]))+(?![A-Za-z0-9_])", re.ASCII)
_JUNK = re.compile(r"[A-Za-z0-9_.]", re.ASCII)
_NUMBER_JUNK = re.compile(r"[eE][+-]?|_+|\.")

_OPERATORS = {
    **dict.fromkeys(("==", "!=", "<", "<=", ">", ">=", "</", ">/"), "COMPARE"),
    **dict.fromkeys(("+", "-"), "SIGN"),
    **dict.fromkeys(("*", "/", "%"), "MUL"),
    "^": "POW",
    "@": "AT",
    "=": "EQL",
    ",": "COMMA",
    ":": "COLON",
    "(": "LPAREN",
    ")": "RPAREN",
    "{": "LBRACE",
    "}": "RBRACE",
    "[": "LBRACKET",
    "]": "RBRACKET",
}
_IN_BRACES = {**_OPERATORS, "!=": "MATCH", "=~": "MATCH", "!~": "MATCH"}

KEYWORDS = {
    **dict.fromkeys(AGGREGATIONS, "AGGREGATION"),
    **dict.fromkeys(("on", "ignoring"), "MATCHING"),
    **dict.fromkeys(("group_left", "group_right"), "GROUP_SIDE"),
    **{
        word: word.upper()
        for word in (
            *("and", "or", "unless", "atan2", "bool", "by", "without", "offset"),
            *("start", "end", "step", "range", "min_of", "max_of", "anchored", "smoothed"),
        )
    },
    **dict.fromkeys(("inf", "nan"), "NUMBER"),
}
FILLS = frozenset({"fill", "fill_left", "fill_right"})
_DURATION_WORDS = frozenset({"step", "range", "min_of", "max_of"})


class PromQLLexer(Lexer):
    """The lexer as Lark wants it: one instance, no state between texts."""

    __future_interface__ = 2

    def __init__(self, _conf: object = None) -> None:
        pass

    def lex(self, lexer_state: LexerState, parser_state: object) -> Iterator[Token]:
        """Tokens of the text; PromQLSyntaxError (without the query) where there is none."""
        return tokens(lexer_state.text.text)


def tokens(text: str) -> Iterator[Token]:
    """Tokens of a query. Raises PromQLSyntaxError, without the query, at what is none."""
    position, depth, count, size = 0, 0, 0, len(text)
    kind: str | None = None
    outside = pattern = _NORMAL
    operators = _OPERATORS
    while position < size:
        found = pattern.match(text, position)
        if found is None:
            _refuse(text, position, pattern)
        kind, end = found.lastgroup, found.end()
        if kind == "SKIP":
            position = end
            continue
        word = found.group()
        if kind == "OPERATOR":
            kind = operators[word]
            if kind == "LPAREN":
                depth += 1
                if depth >= MAX_DEPTH:
                    raise too_deep(position, end)
            elif kind == "RPAREN":
                depth -= 1
                if depth < 0:
                    raise _error("unexpected right parenthesis ')'", position, end)
            elif kind == "LBRACE":
                pattern, operators = _BRACES, _IN_BRACES
            elif kind == "LBRACKET":
                pattern = _BRACKETS
            elif kind in ("RBRACE", "RBRACKET"):
                if pattern is outside:
                    _refuse(text, position, pattern)
                pattern, operators = outside, _OPERATORS
        elif kind == "WORD":
            kind = _word_kind(text, word, position, end, pattern)
        elif kind == "NUMBER_OR_DURATION":
            kind = _number_kind(text, word, position, end)
        yield Token(str(kind), word, position, None, None, None, None, end)
        count += 1
        if count > MAX_TOKENS:
            raise _error(f"query is too long: more than {MAX_TOKENS:,} tokens", position, end)
        position = end
    _check_closed(size, depth, pattern, kind)


def too_deep(start: int, end: int) -> PromQLSyntaxError:
    """The error for an expression of more than MAX_DEPTH levels."""
    return _error(f"expression is nested too deeply: more than {MAX_DEPTH} levels", start, end)


def _error(message: str, start: int, end: int) -> PromQLSyntaxError:
    return PromQLSyntaxError(message, start=start, end=end)


def _word_kind(text: str, word: str, start: int, end: int, pattern: re.Pattern[str]) -> str:
    if pattern is _BRACES:
        return "IDENTIFIER"
    lower = word.lower()
    if pattern is _BRACKETS:
        if lower not in _DURATION_WORDS and KEYWORDS.get(lower) != "NUMBER":
            raise _error(f"unexpected character in duration expression: '{word[0]}'", start, end)
        return KEYWORDS[lower]
    keyword = KEYWORDS.get(lower)
    if keyword is not None:
        return keyword
    if lower in FILLS and _CALLED.match(text, end):
        return "FILL"
    return "METRIC_IDENTIFIER" if ":" in word else "IDENTIFIER"


def _number_kind(text: str, word: str, start: int, end: int) -> str:
    after = text[end : end + 1]
    if not after or not _JUNK.match(after):
        return "DURATION" if word[-1] in "smhdwy" else "NUMBER"
    units = _UNITS.match(text, end)
    if units and word[-1] not in "smhdwy":
        whole = word + units.group()
        unit = re.match(r"[0-9]*([^0-9]+)", whole)
        shown = unit.group(1) if unit else ""
        raise _error(f'unknown unit "{shown}" in duration "{whole}"', start, units.end())
    junk = _NUMBER_JUNK.match(text, end)
    shown = word + (junk.group() if junk else after if word[-1] in "smhdwy" else "")
    raise _error(f'bad number or duration syntax: "{shown}"', start, end)


def _refuse(text: str, at: int, pattern: re.Pattern[str]) -> NoReturn:
    """Raise the error for a place where no token begins."""
    char = text[at]
    shown = quoted_char(char)
    if char in "\"'`" and pattern is not _BRACKETS:
        what = "unterminated raw string" if char == "`" else "unterminated quoted string"
        raise _error(what, at, len(text))
    if char == "!":
        place = " inside braces" if pattern is _BRACES else ""
        after = text[at + 1 : at + 2]
        if not after:
            raise _error(f"unexpected end of input after '!'{place}", at, at + 1)
        message = f"unexpected character after '!'{place}: {quoted_char(after)}"
        raise _error(message, at, at + 1)
    if char == "=" and pattern is _NORMAL:
        raise _error("unexpected character after '=': '~'", at, at + 2)
    if pattern is _BRACES:
        raise _error(f"unexpected character inside braces: {shown}", at, at + 1)
    if pattern is _BRACKETS:
        raise _error(f"unexpected character in duration expression: {shown}", at, at + 1)
    if char == "]":
        raise _error("unexpected right bracket ']'", at, at + 1)
    raise _error(f"unexpected character: {shown}", at, at + 1)


def quoted_char(char: str) -> str:
    """A character as error messages show it: `'é'`, `'\\x00'`."""
    if char.isprintable():
        return f"'{char}'"
    escaped = {"\n": "\\n", "\t": "\\t", "\r": "\\r", "\v": "\\v", "\f": "\\f"}.get(char)
    code = ord(char)
    plain = f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}"
    plain = plain if code <= 0xFFFF else f"\\U{code:08x}"
    return f"'{escaped or plain}'"


def _check_closed(end: int, depth: int, pattern: re.Pattern[str], last: str | None) -> None:
    if pattern is _BRACES:
        raise _error("unexpected end of input inside braces", end, end)
    if pattern is _BRACKETS and last == "LBRACKET":
        raise _error("unexpected end of input in duration expression", end, end)
    if pattern is _BRACKETS:
        raise _error("unclosed left bracket", end, end)
    if depth > 0:
        raise _error("unclosed left parenthesis", end, end)
