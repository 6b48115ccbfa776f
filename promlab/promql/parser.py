"""Query text to tree: `parse("rate(x[5m])")`.

Lark's LALR parser runs over the tokens of `parser_lexer.py` and calls `parser_builder.py`;
`checks.py` then sees to the types. Whatever the text, the outcome is a tree or a
PromQLSyntaxError with place, hint and what would have been accepted; time and depth are
bounded. Trees are immutable and cached by text.
"""

from __future__ import annotations

import threading
from functools import lru_cache
from importlib.resources import files
from typing import NoReturn

from lark import Lark, UnexpectedToken

from promlab.errors import PromQLSyntaxError
from promlab.model.matchers import Matcher
from promlab.promql.ast import Expr, VectorSelector
from promlab.promql.checks import ALL_FEATURES, check
from promlab.promql.hints import hint_for
from promlab.promql.parser_builder import Builder
from promlab.promql.parser_errors import expected_words, unexpected
from promlab.promql.parser_lexer import PromQLLexer, finish_rules

MAX_LENGTH = 1_000_000
_QUERY, _SELECTOR = "start", "selector_only"  # what a text may be: rules of the grammar
_CACHED_LENGTH = 10_000  # longer texts are parsed anew, so that the cache stays small

_builder = Builder()
_lock = threading.Lock()  # the builder serves one query at a time


@lru_cache(maxsize=1)
def lark_parser() -> Lark:
    """The parser, made on first use."""
    grammar = files("promlab.promql").joinpath("grammar.lark").read_text(encoding="utf-8")
    # Lark resolves the grammar's one conflict by shifting: `group_left (` begins its labels.
    return Lark(
        grammar,
        parser="lalr",
        lexer=PromQLLexer,
        transformer=_builder,
        start=[_QUERY, _SELECTOR],
    )


def parse(text: str, features: frozenset[str] | None = None) -> Expr:
    """The tree of a query; raises PromQLSyntaxError, nothing else, for bad text.

    `features` are the experimental parts of the language that are allowed, by their names
    for `--enable-feature`; None allows all.
    """
    allowed = ALL_FEATURES if features is None else _known(features)
    if len(text) > _CACHED_LENGTH:
        return _parse(text, allowed)
    return _parse_cached(text, allowed)


@lru_cache(maxsize=16)
def _known(features: frozenset[str]) -> frozenset[str]:
    """Those of the language: the same object each time, so that its hash is known."""
    return features & ALL_FEATURES


def parse_selector(text: str) -> tuple[Matcher, ...]:
    """The matchers of a selector that stands alone, as `match[]` has it: no offset, no range.

    Raises PromQLSyntaxError. A selector that matches everything is allowed here.
    """
    return (_selector if len(text) > _CACHED_LENGTH else _selector_cached)(text)


def _selector(text: str) -> tuple[Matcher, ...]:
    try:
        _check_text(text)
        selector = _tree(text, _SELECTOR)
    except PromQLSyntaxError as error:
        _explain(error, text)
    assert isinstance(selector, VectorSelector)
    return selector.matchers


def _parse(text: str, features: frozenset[str]) -> Expr:
    try:
        _check_text(text)
        expr = _tree(text)
        check(expr, features)
    except PromQLSyntaxError as error:
        _explain(error, text)
    return expr


_parse_cached = lru_cache(maxsize=2048)(_parse)
_selector_cached = lru_cache(maxsize=512)(_selector)


def _check_text(text: str) -> None:
    if len(text) > MAX_LENGTH:
        raise PromQLSyntaxError(
            f"query is too long: {len(text):,} characters, the limit is {MAX_LENGTH:,}"
        )
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise PromQLSyntaxError(
            "query is not valid UTF-8", start=error.start, end=error.end
        ) from None


def _tree(text: str, start: str = _QUERY) -> Expr:
    parser = lark_parser()
    with _lock:
        _builder.begin()
        try:
            tree: Expr = parser.parse(text, start=start)  # type: ignore[assignment]  # the builder's result
        except UnexpectedToken as error:
            found = unexpected(
                text,
                error.token,
                _accepted(error),
                lambda end: _is_name(text, end, start),
                is_query=start == _QUERY,
            )
            if error.interactive_parser is not None:
                finish_rules(error.interactive_parser.parser_state)
            raise found from None
        finally:
            _builder.begin()
    return tree


def _is_name(text: str, end: int, start: str) -> bool:
    """Whether the last word before `end` is a metric's name, though it may be a keyword.

    It is one where the parser would take the brace that follows a name. What it has done when
    it meets a token that it does not take tells no more.
    """
    parser = lark_parser().parse_interactive(text, start=start)
    for token in parser.lexer_thread.lex(parser.parser_state):  # type: ignore[no-untyped-call]
        if (token.start_pos or 0) >= end:
            break
        parser.feed_token(token)
    return "LBRACE" in parser.accepts()  # type: ignore[no-untyped-call]


def _accepted(error: UnexpectedToken) -> tuple[str, ...]:
    return expected_words(error.accepts or error.expected or ())


def _explain(error: PromQLSyntaxError, text: str) -> NoReturn:
    """Raise the error again with the query and a hint."""
    raise PromQLSyntaxError(
        error.message,
        query=text,
        start=error.start,
        end=error.end,
        hint=error.hint or hint_for(text, error),
        expected=error.expected,
    ) from None
