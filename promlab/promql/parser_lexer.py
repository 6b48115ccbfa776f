"""PromQL text as tokens, one at a time.

What a character means depends on where it stands: in braces any word is a label name, in
brackets words are functions of durations. Brackets must be closed, and stand no deeper than
`MAX_DEPTH`. Everything is linear in the length of the text; strings keep their quotes here,
`parser_literals.py` resolves them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import NoReturn

from lark import Token
from lark.lexer import Lexer, LexerState
from lark.parsers.lalr_analysis import Shift
from lark.parsers.lalr_parser_state import ParserState

from promlab.errors import PromQLSyntaxError
from promlab.model.quoting import go_quote
from promlab.promql.ast import MAX_DEPTH
from promlab.promql.parser_literals import check_escapes
from promlab.promql.parser_numbers import number_or_duration
from promlab.promql.registry import AGGREGATIONS

MAX_TOKENS = 30_000

_SPACE = r"[ \t\r\n]+"
_SKIP = rf"(?P<SKIP>{_SPACE}|\#[^\r\n]*)"
_STRING = r"""(?P<STRING>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`[^`]*`)"""
_NUMBER = r"(?P<NUMBER>\.?[0-9])"  # where one begins: parser_numbers.py knows its end
_OPERATOR = r"(?P<OPERATOR></|>/|[=!<>]=|=(?!~)|[-+*/%^@<>,(){}\[\]]"
_WORD = r"(?P<WORD>[A-Za-z_][A-Za-z0-9_]*)"
_FLAGS = re.ASCII | re.DOTALL
_NORMAL = re.compile(
    rf"{_SKIP}|(?P<WORD>[A-Za-z_:][A-Za-z0-9_:]*)|{_NUMBER}|{_STRING}|{_OPERATOR})", _FLAGS
)
_BRACES = re.compile(rf"{_SKIP}|{_WORD}|{_STRING}|(?P<OPERATOR>=~|!~|!=|=|,|}})", _FLAGS)
# In brackets: up to the first number, and behind it, where anything may stand.
_BRACKETS = re.compile(
    rf"(?P<SKIP>{_SPACE})|{_WORD}|{_NUMBER}|(?P<OPERATOR>[-+*/%^,():\]])", _FLAGS
)
_BEHIND = re.compile(rf"{_SKIP}|{_WORD}|{_NUMBER}|{_STRING}|{_OPERATOR}|:)", _FLAGS)
_CALLED = re.compile(rf"(?:{_SPACE})?\(")

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

    def lex(self, lexer_state: LexerState, parser_state: ParserState[int]) -> Iterator[Token]:
        """Tokens of the text; PromQLSyntaxError (without the query) where there is none."""
        try:
            yield from tokens(lexer_state.text.text)
        except PromQLSyntaxError:
            finish_rules(parser_state, only_sure=True)
            raise


def finish_rules(state: ParserState[int], *, only_sure: bool = False) -> None:
    """Apply the rules that are complete where a query went wrong, for the errors they raise.

    Like every parser that yacc makes, Prometheus's does so before it looks at the token that does
    not fit, and reports what it finds first. Where the next token can't change what the rule is
    (`only_sure`), that token is not even read.
    """
    conf = state.parse_conf
    while True:
        actions = conf.states[state.position]
        rules = Counter(rule for action, rule in actions.values() if action is not Shift)
        if not rules or (only_sure and (rules.total() < len(actions) or len(rules) > 1)):
            return
        rule = rules.most_common(1)[0][0]
        kept = len(state.value_stack) - len(rule.expansion)
        value = conf.callbacks[rule](state.value_stack[kept:])
        del state.value_stack[kept:], state.state_stack[kept + 1 :]
        _, following = conf.states[state.position][rule.origin.name]
        state.value_stack.append(value)
        state.state_stack.append(following)
        if following == conf.end_state:
            return


def tokens(text: str) -> Iterator[Token]:
    """Tokens of a query. Raises PromQLSyntaxError, without the query, at what is none."""
    position, count, size, place = 0, 0, len(text), _Place()
    while position < size:
        pattern = place.pattern
        found = pattern.match(text, position)
        if found is None:
            _refuse(text, position, pattern)
        kind, end, word = str(found.lastgroup), found.end(), found.group()
        if kind == "SKIP":
            position = end
            continue
        if kind == "OPERATOR":
            kind = place.operator(word, position, end)
        elif kind == "WORD":
            kind = _word_kind(text, word, position, end, pattern)
            place.word()
        elif kind == "NUMBER":
            kind, end = number_or_duration(text, position)
            word = text[position:end]
            place.number()
        else:
            check_escapes(word, position)
        yield Token(kind, word, position, None, None, None, None, end)
        count += 1
        if count > MAX_TOKENS:
            raise _error(f"query is too long: more than {MAX_TOKENS:,} tokens", position, end)
        position = end
    place.end(size)


class _Place:
    """What is open where the lexer stands, and so which tokens there may be."""

    def __init__(self) -> None:
        self.pattern = _NORMAL
        self._depth = 0
        self._in_brackets = self._colon = self._duration = False

    def number(self) -> None:
        """A number or a duration."""
        self.word()
        if self.pattern is _BRACKETS:
            self.pattern = _BEHIND

    def word(self) -> None:
        """A word; in brackets, it calls a function of durations."""
        self._duration = self._duration or self.pattern is _BRACKETS

    def operator(self, word: str, start: int, end: int) -> str:
        """The kind of an operator or a bracket, and what it opens or closes."""
        kind = (_IN_BRACES if self.pattern is _BRACES else _OPERATORS)[word]
        if kind in ("LPAREN", "RPAREN"):
            self._paren(1 if kind == "LPAREN" else -1, start, end)
        elif kind == "LBRACE":
            self.pattern = _BRACES
        elif kind == "RBRACE":
            if self.pattern is not _BRACES:
                raise _error("unexpected character: '}'", start, end)
            self.pattern = _BEHIND if self._in_brackets else _NORMAL
        elif kind in ("LBRACKET", "RBRACKET"):
            opens = kind == "LBRACKET"
            if self._in_brackets is opens:
                side = "left" if opens else "right"
                raise _error(f"unexpected {side} bracket '{word}'", start, end)
            self._in_brackets, self._colon = opens, False
            self.pattern = _BRACKETS if opens else _NORMAL
        elif kind == "COLON":
            self._step(start, end)
        return kind

    def _paren(self, change: int, start: int, end: int) -> None:
        self._depth += change
        if self._depth >= MAX_DEPTH:
            raise too_deep(start, end)
        if self._depth < 0:  # Prometheus points behind it
            raise _error("unexpected right parenthesis ')'", end, end)

    def _step(self, start: int, end: int) -> None:
        """The colon of a subquery."""
        if self.pattern is _BRACKETS:
            if not self._duration:
                message = "unexpected colon before duration in duration expression"
                raise _error(message, end, end)
            if self._colon:
                raise _error("unexpected repeated colon in duration expression", end, end)
        elif self._colon:
            raise _error("unexpected colon ':'", start, end)
        self._colon = True

    def end(self, at: int) -> None:
        """The end of the query: raises PromQLSyntaxError if something is still open."""
        if self.pattern is _BRACES:
            raise _error("unexpected end of input inside braces", at, at)
        if self.pattern is _BRACKETS:
            raise _error("unexpected end of input in duration expression", at, at)
        if self._depth > 0:
            raise _error("unclosed left parenthesis", at, at)
        if self._in_brackets:
            raise _error("unclosed left bracket", at, at)


def too_deep(start: int, end: int) -> PromQLSyntaxError:
    """The error for an expression of more than MAX_DEPTH levels."""
    return _error(f"expression is nested too deeply: more than {MAX_DEPTH} levels", start, end)


def _error(message: str, start: int, end: int) -> PromQLSyntaxError:
    return PromQLSyntaxError(message, start=start, end=end)


def _word_kind(text: str, word: str, start: int, end: int, pattern: re.Pattern[str]) -> str:
    if pattern is _BRACES:
        return "IDENTIFIER"
    lower = word.lower()
    if pattern is _BRACKETS or pattern is _BEHIND:
        if lower in _DURATION_WORDS:
            return KEYWORDS[lower]
        if pattern is _BRACKETS:
            raise _error(f"unexpected character in duration expression: '{word[0]}'", start, end)
        raise _error(f"unexpected character: '{word[0]}', expected ':'", start, end)
    keyword = KEYWORDS.get(lower)
    if keyword is not None:
        return keyword
    if lower in FILLS and _CALLED.match(text, end):
        return "FILL"
    return "METRIC_IDENTIFIER" if ":" in word else "IDENTIFIER"


def _refuse(text: str, at: int, pattern: re.Pattern[str]) -> NoReturn:
    """Raise the error for a place where no token begins."""
    char = text[at]
    shown = quoted_char(char)
    if pattern is _BRACKETS:
        raise _error(f"unexpected character in duration expression: {shown}", at, at + 1)
    if char in "\"'`":
        check_escapes(text[at : text.find("\n", at) + 1 or len(text)], at)
        what = "unterminated raw string" if char == "`" else "unterminated quoted string"
        raise _error(what, at, len(text))
    if char == "!":
        place = " inside braces" if pattern is _BRACES else ""
        after = quoted_char(text[at + 1 : at + 2] or "\ufffd")  # Prometheus's end of input
        raise _error(f"unexpected character after '!'{place}: {after}", at, at + 1)
    if pattern is _BRACES:
        if char == "{":
            raise _error("unexpected left brace '{'", at, at + 1)
        raise _error(f"unexpected character inside braces: {shown}", at, at + 1)
    if char == "=":
        raise _error("unexpected character after '=': '~'", at, at + 2)
    raise _error(f"unexpected character: {shown}", at, at + 1)


def quoted_char(char: str) -> str:
    """A character as error messages show it: `'é'`, `'\\x00'`."""
    shown = {"'": "\\'", '"': '"'}.get(char) or go_quote(char)[1:-1]
    return f"'{shown}'"
