"""Selectors with their matchers, ranges, subqueries, offset and `@`, as rules become nodes."""

# ruff: noqa: D102 - each method is named for a rule of grammar.lark, which says what it is
from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, NamedTuple

from lark import Token

from promlab.model.labels import METRIC_NAME
from promlab.model.matchers import BadRegex, Matcher, MatchType
from promlab.promql.ast import (
    At,
    AtBound,
    Duration,
    DurationExpr,
    Expr,
    MatrixSelector,
    NumberLiteral,
    Subquery,
    VectorSelector,
)
from promlab.promql.durations import to_ms
from promlab.promql.parser_notes import Notes, error_at, number_of, text_of

_OPERATORS = {kind.value: kind for kind in MatchType}
# What Go's regular expressions call what C++'s call otherwise.
_GO_REGEX_ERRORS = {
    "missing )": "missing closing )",
    "missing ]": "missing closing ]",
    "no argument for repetition operator": "missing argument to repetition operator",
    "invalid repetition size": "invalid repeat count",
    "bad repetition operator": "invalid nested repetition operator",
    "invalid perl operator": "invalid or unsupported Perl syntax",
    "trailing \\": "trailing backslash at end of expression",
}


class Braces(NamedTuple):
    """Matchers of a selector."""

    matchers: tuple[Matcher, ...]
    start: int
    end: int


class Signed(NamedTuple):
    """A number with its sign, and where it stands."""

    value: float
    start: int
    end: int


class SelectorRules(Notes):
    """Callbacks for the rules about selectors."""

    def metric(self, parts: list[Any]) -> Token:
        token: Token = parts[0]
        return token

    def named_selector(self, parts: list[Any]) -> VectorSelector:
        token, *rest = parts
        name = "".join(token)
        matchers = rest[0].matchers if rest else ()
        end = rest[0].end if rest else token.end_pos
        named = Matcher(METRIC_NAME, MatchType.EQUAL, name)
        return self.note(VectorSelector(name, (named, *matchers), start=token.start_pos, end=end))

    def bare_selector(self, parts: list[Any]) -> VectorSelector:
        (braces,) = parts
        return self.note(VectorSelector("", braces.matchers, start=braces.start, end=braces.end))

    def braces(self, parts: list[Any]) -> Braces:
        found = tuple(part for part in parts if isinstance(part, Matcher))
        return Braces(found, parts[0].start_pos, parts[-1].end_pos)

    def matcher(self, parts: list[Any]) -> Matcher:
        name, op, value = parts
        label = text_of(name) if name.type == "STRING" else "".join(name)
        try:
            return Matcher(label, _OPERATORS[op], text_of(value))
        except BadRegex as error:
            raise error_at(_regex_error(str(error)), name.start_pos, value.end_pos) from None

    def name_matcher(self, parts: list[Any]) -> Matcher:
        (value,) = parts
        return Matcher(METRIC_NAME, MatchType.EQUAL, text_of(value))

    def matrix(self, parts: list[Any]) -> MatrixSelector:
        expr, bracket, length, closing = parts
        at = bracket.start_pos
        if not isinstance(expr, VectorSelector):
            raise error_at("ranges only allowed for vector selectors", at, closing.end_pos)
        for what, given in (
            ("offset", expr.offset != 0),
            ("@", expr.at is not None),
            ("anchored or smoothed", expr.anchored or expr.smoothed),
        ):
            if given:
                message = f"no {what} modifiers allowed before range"
                raise error_at(message, at, closing.end_pos)
        node = MatrixSelector(expr, _positive(length), start=expr.start, end=closing.end_pos)
        return self.note(node, expr, length)

    def subquery(self, parts: list[Any]) -> Subquery:
        expr, _, length, _, *step, closing = parts
        interval = _positive(step[0]) if step else None
        node = Subquery(expr, _positive(length), interval, start=expr.start, end=closing.end_pos)
        return self.note(node, expr, length, *step)

    def offset(self, parts: list[Any]) -> Expr:
        expr, _, length = parts
        selector = _modified(expr, "offset")
        if selector.offset != 0:
            raise error_at("offset may not be set multiple times", expr.start, length.end)
        value = to_ms(length.value) if isinstance(length, NumberLiteral) else length
        changed = replace(selector, offset=value)
        return self.note(_with_selector(expr, changed, length.end), expr, length)

    def at(self, parts: list[Any]) -> Any:
        if len(parts) == 1:  # the rule `at: signed`
            return parts[0]
        expr, _, moment = parts
        at = _at_ms(moment, expr)
        selector = _modified(expr, "@")
        if selector.at is not None:
            raise error_at("@ <timestamp> may not be set multiple times", expr.start, moment[-1])
        changed = replace(selector, at=at)
        return self.note(_with_selector(expr, changed, moment[-1]), expr)

    def at_bound(self, parts: list[Any]) -> tuple[AtBound, int]:
        word, _, closing = parts
        return AtBound(word.lower()), closing.end_pos

    def signed(self, parts: list[Any]) -> Signed:
        value = number_of(parts[-1])
        negative = len(parts) == 2 and parts[0] == "-"
        return Signed(-value if negative else value, parts[0].start_pos, parts[-1].end_pos)

    def extended(self, parts: list[Any]) -> Expr:
        expr, token = parts
        word, end = token.lower(), token.end_pos
        selector = expr.selector if isinstance(expr, MatrixSelector) else expr
        if not isinstance(selector, VectorSelector):
            raise error_at(
                f"{word} modifier must be preceded by an instant vector selector or "
                "range vector selector",
                expr.start,
                end,
            )
        if selector.anchored or selector.smoothed:
            raise error_at(
                "anchored and smoothed modifiers cannot be used together, nor twice",
                expr.start,
                end,
            )
        changed = replace(selector, anchored=word == "anchored", smoothed=word == "smoothed")
        return self.note(_with_selector(expr, changed, end), expr)


def _regex_error(text: str) -> str:
    """RE2's message in the words of Go's regular expressions."""
    prefix = "error parsing regexp: "
    what, _, part = text.removeprefix(prefix).partition(": ")
    return f"{prefix}{_GO_REGEX_ERRORS.get(what, what)}: `{part}`"


def _positive(length: DurationExpr) -> Duration:
    if not isinstance(length, NumberLiteral):
        return length
    if not length.value > 0:
        raise error_at("duration must be greater than 0", length.start, length.end)
    return to_ms(length.value)


def _modified(expr: Expr, what: str) -> VectorSelector | Subquery:
    """The node that carries the modifiers of `expr`."""
    if isinstance(expr, MatrixSelector):
        return expr.selector
    if isinstance(expr, VectorSelector | Subquery):
        return expr
    raise error_at(
        f"{what} modifier must be preceded by an instant vector selector or "
        "range vector selector or a subquery",
        expr.start,
        expr.end,
    )


def _with_selector(expr: Expr, selector: VectorSelector | Subquery, end: int) -> Expr:
    if isinstance(expr, MatrixSelector) and isinstance(selector, VectorSelector):
        return replace(expr, selector=selector, end=end)
    return replace(selector, end=end)


def _at_ms(moment: Signed | tuple[AtBound, int], expr: Expr) -> At:
    if not isinstance(moment, Signed):
        return moment[0]
    milliseconds = moment.value * 1000
    if not abs(milliseconds) < 2**63:
        value = moment.value
        shown = (
            f"{value:f}"
            if math.isfinite(value)
            else {"inf": "+Inf", "-inf": "-Inf"}.get(str(value), "NaN")
        )
        message = f"timestamp out of bounds for @ modifier: {shown}"
        raise error_at(message, expr.start, moment.end)
    return math.floor(milliseconds + 0.5) if milliseconds >= 0 else math.ceil(milliseconds - 0.5)
