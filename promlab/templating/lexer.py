"""Text of a template cut into tokens.

Outside of `{{ }}` there is text; inside, spaces are tokens too, because `.a .b` is two values
and `.a.b` is one. Comments vanish here, and so do the blanks that trim markers (`{{-`, `-}}`)
eat. Rules and wording of errors are those of Go's text/template.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum, auto
from typing import NamedTuple

from promlab.templating.errors import TemplateSyntaxError, quote

MAX_TEXT = 1 << 20
_BLANKS = " \t\r\n"


class Kind(Enum):
    """What a token is."""

    TEXT = auto()
    LEFT = auto()
    RIGHT = auto()
    SPACE = auto()
    ASSIGN = auto()
    DECLARE = auto()
    PIPE = auto()
    COMMA = auto()
    LEFT_PAREN = auto()
    RIGHT_PAREN = auto()
    DOT = auto()
    FIELD = auto()
    VARIABLE = auto()
    IDENTIFIER = auto()
    KEYWORD = auto()
    NIL = auto()
    BOOL = auto()
    NUMBER = auto()
    RUNE = auto()
    STRING = auto()
    RAW_STRING = auto()
    OTHER = auto()
    END = auto()


class Token(NamedTuple):
    """A token, and its offset in the text in characters."""

    kind: Kind
    text: str
    at: int

    def __str__(self) -> str:
        if self.kind is Kind.END:
            return "EOF"
        if self.kind in (Kind.KEYWORD, Kind.NIL, Kind.DOT):
            return f"<{self.text}>"
        return f"{quote(self.text[:10])}..." if len(self.text) > 10 else quote(self.text)


KEYWORDS = frozenset(
    ("block", "break", "continue", "define", "else", "end", "if", "range", "template", "with")
)
_PUNCTUATION = {"|": Kind.PIPE, ",": Kind.COMMA, "=": Kind.ASSIGN}
_NUMBER = re.compile(
    r"[+-]?(?:0[xX][0-9a-fA-F_]+(?:\.[0-9a-fA-F_]*)?(?:[pP][+-]?[0-9_]+)?"
    r"|0[oO][0-7_]+|0[bB][01_]+"
    r"|(?:[0-9][0-9_]*\.?[0-9_]*|\.[0-9][0-9_]*)(?:[eE][+-]?[0-9_]+)?)"
)
_WORD = re.compile(r"\w+")
_STRING = re.compile(r'"(?:\\.|[^"\\\n])*"')
_RUNE = re.compile(r"'(?:\\.|[^'\\\n])*'")
_LEFT = re.compile(r"\{\{(-(?=[ \t\r\n]))?")
_COMMENT_END = re.compile(r"\*/(?:[ \t\r\n]+(-)\}\}|\}\})")


class Lexer:
    """Cuts one template into tokens."""

    def __init__(self, name: str, text: str) -> None:
        self.name, self.text = name, text
        self._at = 0
        self._trim = False
        self._parens = 0

    def fail(self, message: str, at: int) -> TemplateSyntaxError:
        """The error for something at this offset."""
        line = self.text.count("\n", 0, at) + 1
        return TemplateSyntaxError(message, name=self.name, line=line)

    def tokens(self) -> Iterator[Token]:
        """All tokens, the last of kind END. Raises TemplateSyntaxError."""
        if len(self.text) > MAX_TEXT:
            raise self.fail(f"the template is longer than {MAX_TEXT:,} characters", 0)
        while True:
            found = _LEFT.search(self.text, self._at)
            end = found.start() if found else len(self.text)
            yield from self._plain(end, found is not None and found[1] is not None)
            if found is None:
                yield Token(Kind.END, "", len(self.text))
                return
            self._at = found.end()
            if found[1]:
                self._at = self._after_blanks(self._at)
            if self.text.startswith("/*", self._at):
                self._comment()
            else:
                yield Token(Kind.LEFT, "{{", found.start())
                yield from self._action()

    def _plain(self, end: int, trim_right: bool) -> Iterator[Token]:
        start = self._after_blanks(self._at) if self._trim else self._at
        self._trim = False
        text = self.text[min(start, end) : end]
        if trim_right:
            text = text.rstrip(_BLANKS)
        if text:
            yield Token(Kind.TEXT, text, start)

    def _after_blanks(self, at: int) -> int:
        while at < len(self.text) and self.text[at] in _BLANKS:
            at += 1
        return at

    def _comment(self) -> None:
        start = self._at
        close = self.text.find("*/", start + 2)
        if close < 0:
            raise self.fail("unclosed comment", start)
        found = _COMMENT_END.match(self.text, close)
        if found is None:
            raise self.fail("comment ends before closing delimiter", close)
        self._at, self._trim = found.end(), found[1] is not None

    def _action(self) -> Iterator[Token]:
        started = self._at
        self._parens = 0
        while True:
            if self._at >= len(self.text):
                raise self.fail("unclosed action", started)
            token = self._closing() or self._next()
            self._at = max(self._at, token.at + len(token.text))
            yield token
            if token.kind is Kind.RIGHT:
                return

    def _closing(self) -> Token | None:
        at, text = self._at, self.text
        trimmed = text[at] in _BLANKS and text.startswith("-}}", at + 1)
        if not trimmed and not text.startswith("}}", at):
            return None
        if self._parens:
            raise self.fail("unclosed left paren", at)
        self._trim = trimmed
        self._at = at + 4 if trimmed else at + 2
        return Token(Kind.RIGHT, "}}", self._at - 2)

    def _next(self) -> Token:
        at, text = self._at, self.text
        char = text[at]
        if char in _BLANKS:
            return self._space(at)
        if char == ":":
            if not text.startswith(":=", at):
                raise self.fail("expected :=", at)
            return Token(Kind.DECLARE, ":=", at)
        if char in _PUNCTUATION:
            return Token(_PUNCTUATION[char], char, at)
        if char in "()":
            return self._paren(char, at)
        if char in "\"'`":
            return self._quoted(char, at)
        if char == "$" or (char == "." and not text[at + 1 : at + 2].isdigit()):
            return self._variable_or_field(char, at)
        if char in "+-." or "0" <= char <= "9":
            return self._number(at)
        if char == "_" or char.isalpha():
            return self._word(at)
        if char.isascii() and char.isprintable():
            return Token(Kind.OTHER, char, at)
        raise self.fail(f"unrecognized character in action: {_code_point(char)}", at)

    def _space(self, at: int) -> Token:
        end = self._after_blanks(at)
        # The blank before "-}}" belongs to the closing delimiter.
        if self.text.startswith("-}}", end):
            end -= 1
        return Token(Kind.SPACE, self.text[at:end], at)

    def _paren(self, char: str, at: int) -> Token:
        self._parens += 1 if char == "(" else -1
        if self._parens < 0:
            raise self.fail("unexpected right paren", at)
        return Token(Kind.LEFT_PAREN if char == "(" else Kind.RIGHT_PAREN, char, at)

    def _quoted(self, char: str, at: int) -> Token:
        if char == "`":
            end = self.text.find("`", at + 1)
            if end < 0:
                raise self.fail("unterminated raw quoted string", at)
            return Token(Kind.RAW_STRING, self.text[at : end + 1], at)
        found = (_STRING if char == '"' else _RUNE).match(self.text, at)
        if found is None:
            what = "quoted string" if char == '"' else "character constant"
            raise self.fail(f"unterminated {what}", at)
        return Token(Kind.STRING if char == '"' else Kind.RUNE, found[0], at)

    def _variable_or_field(self, char: str, at: int) -> Token:
        found = _WORD.match(self.text, at + 1)
        kind = Kind.VARIABLE if char == "$" else Kind.FIELD
        if found is None:
            return Token(Kind.VARIABLE if char == "$" else Kind.DOT, char, at)
        return self._ended(Token(kind, char + found[0], at))

    def _number(self, at: int) -> Token:
        found = _NUMBER.match(self.text, at)
        end = found.end() if found else at + 1
        rest = _WORD.match(self.text, end)
        if found is None or rest is not None:
            shown = self.text[at : rest.end() if rest else end]
            raise self.fail(f"bad number syntax: {quote(shown)}", at)
        return Token(Kind.NUMBER, found[0], at)

    def _word(self, at: int) -> Token:
        found = _WORD.match(self.text, at)
        assert found is not None
        word = found[0]
        kind = Kind.IDENTIFIER
        if word in KEYWORDS:
            kind = Kind.KEYWORD
        elif word == "nil":
            kind = Kind.NIL
        elif word in ("true", "false"):
            kind = Kind.BOOL
        return self._ended(Token(kind, word, at))

    def _ended(self, token: Token) -> Token:
        """A name must be followed by something that can't be part of it."""
        end = token.at + len(token.text)
        char = self.text[end : end + 1]
        if char and char not in " \t\r\n.,|:=()" and not self.text.startswith("}}", end):
            raise self.fail(f"bad character {_code_point(char)}", end)
        return token


def _code_point(char: str) -> str:
    shown = f" '{char}'" if char.isprintable() else ""
    return f"U+{ord(char):04X}{shown}"
