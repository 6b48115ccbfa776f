"""Makes the nodes of the tree while the LALR parser reduces the grammar's rules.

One method a rule (or alias) of grammar.lark; each takes the list of what its parts became.
Expressions are here, selectors and durations in modules of their own. Mistakes that need no
types are found here; they are raised without the query's text, which `parser.py` adds.
"""

# ruff: noqa: D102 - each method is named for a rule of grammar.lark, which says what it is
from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

from lark import Token

from promlab.model.quoting import go_quote
from promlab.promql.ast import (
    SET_OPERATORS,
    Aggregation,
    Binary,
    Call,
    Card,
    Expr,
    NumberLiteral,
    Paren,
    StringLiteral,
    Unary,
    VectorMatching,
)
from promlab.promql.parser_durations import DurationRules
from promlab.promql.parser_literals import is_text
from promlab.promql.parser_notes import error_at, number_of, text_of, with_sign
from promlab.promql.parser_selectors import SelectorRules
from promlab.promql.registry import AGGREGATIONS, FUNCTIONS
from promlab.promql.valuetype import ValueType

_PLAIN = VectorMatching()


class Arguments(NamedTuple):
    """What stands in the parentheses of a call."""

    args: tuple[Expr, ...]
    end: int


class Labels(NamedTuple):
    """A list of label names in parentheses."""

    names: tuple[str, ...]
    end: int


class Grouping(NamedTuple):
    """`by (...)` or `without (...)`."""

    without: bool
    names: tuple[str, ...]
    end: int


class Modifiers(NamedTuple):
    """What stands between an operator and its right side."""

    returns_bool: bool
    matching: VectorMatching | None


class Builder(SelectorRules, DurationRules):
    """All callbacks. `begin()` before each query; not for two threads at once."""

    def start(self, parts: list[Any]) -> Expr:
        expr: Expr = parts[0]
        return expr

    selector_only = start

    def binary(self, parts: list[Any]) -> Binary:
        lhs, op, modifiers, rhs = parts
        name = op.lower()
        node = Binary(
            name,
            lhs,
            rhs,
            modifiers.returns_bool,
            _matching_of(name, lhs, rhs, modifiers.matching),
            start=lhs.start,
            end=rhs.end,
            op_start=op.start_pos,
        )
        return self.note_chain(node, lhs, rhs)

    def modifiers(self, parts: list[Any]) -> Modifiers:
        returns_bool, matching, fills = False, None, {}
        for part in parts:
            if isinstance(part, Token):
                returns_bool = True
            elif isinstance(part, VectorMatching):
                matching = part
            else:
                name, value, at = part
                for side in ("fill_left", "fill_right") if name == "fill" else (name,):
                    if side in fills:
                        raise error_at("fill modifier set twice for the same side", at, at)
                    fills[side] = value
        if fills:
            matching = replace(matching or _PLAIN, **fills)
        return Modifiers(returns_bool, matching)

    def matching(self, parts: list[Any]) -> VectorMatching:
        kind, labels, *group = parts
        card, include = Card.ONE_TO_ONE, ()
        if group:
            left = group[0].lower() == "group_left"
            card = Card.MANY_TO_ONE if left else Card.ONE_TO_MANY
            include = group[1].names if len(group) > 1 else ()
        return VectorMatching(card, labels.names, kind.lower() == "on", include)

    def fill(self, parts: list[Any]) -> tuple[str, float, int]:
        name, _, value, _ = parts
        return name.lower(), value.value, name.start_pos

    def unary(self, parts: list[Any]) -> Expr:
        sign, expr = parts
        if isinstance(expr, NumberLiteral):
            return self.note(with_sign(sign, expr))
        return self.note(Unary(str(sign), expr, start=sign.start_pos, end=expr.end), expr)

    def paren(self, parts: list[Any]) -> Paren:
        opening, expr, closing = parts
        return self.note(Paren(expr, start=opening.start_pos, end=closing.end_pos), expr)

    def number(self, parts: list[Any]) -> NumberLiteral:
        (token,) = parts
        is_duration = token.type == "DURATION"
        return self.note(
            NumberLiteral(number_of(token), is_duration, start=token.start_pos, end=token.end_pos)
        )

    def string(self, parts: list[Any]) -> StringLiteral:
        (token,) = parts
        where = {"start": token.start_pos, "end": token.end_pos}
        node = StringLiteral(text_of(token), is_text(token), **where)
        return self.note(node)

    def call(self, parts: list[Any]) -> Call:
        name, arguments = parts
        if name not in FUNCTIONS:
            message = f"unknown function with name {go_quote(name)}"
            raise error_at(message, name.start_pos, name.end_pos)
        node = Call(str(name), arguments.args, start=name.start_pos, end=arguments.end)
        return self.note(node, *arguments.args)

    def arguments(self, parts: list[Any]) -> Arguments:
        args = tuple(part for part in parts if not isinstance(part, Token))
        return Arguments(args, parts[-1].end_pos)

    def aggregation(self, parts: list[Any]) -> Aggregation:
        token, *rest = parts
        op, start, end = token.lower(), token.start_pos, rest[-1].end
        (args,) = (part.args for part in rest if isinstance(part, Arguments))
        grouping = next((part for part in rest if isinstance(part, Grouping)), None)
        if not args:
            raise error_at("no arguments for aggregate expression provided", start, end)
        expected = 2 if AGGREGATIONS[op].param else 1
        if len(args) != expected:
            raise error_at(
                "wrong number of arguments for aggregate expression provided, "
                f"expected {expected}, got {len(args)}",
                start,
                end,
            )
        node = Aggregation(
            op,
            args[-1],
            args[0] if expected == 2 else None,
            grouping.names if grouping else (),
            grouping.without if grouping else False,
            start=start,
            end=end,
        )
        return self.note(node, *args)

    def grouping(self, parts: list[Any]) -> Grouping:
        kind, labels = parts
        return Grouping(kind.type == "WITHOUT", labels.names, labels.end)

    def labels(self, parts: list[Any]) -> Labels:
        names = tuple(part for part in parts if not isinstance(part, Token))
        return Labels(names, parts[-1].end_pos)

    def label(self, parts: list[Any]) -> str:
        (token,) = parts
        if token.type != "STRING":
            # Not str(token): that would still be a Token, and no name.
            return "".join(token)
        name = text_of(token)
        if not name or not is_text(token):
            message = f"invalid label name for grouping: {token}"
            raise error_at(message, token.start_pos, token.end_pos)
        return name


def _matching_of(
    op: str, lhs: Expr, rhs: Expr, given: VectorMatching | None
) -> VectorMatching | None:
    vector = ValueType.VECTOR
    if lhs.value_type is vector and rhs.value_type is vector:
        matching = given or _PLAIN
        if op in SET_OPERATORS and matching.card is Card.ONE_TO_ONE:
            return replace(matching, card=Card.MANY_TO_MANY)
        return matching
    # Kept where it means something, for the checks to refuse.
    means = given is not None and (
        given.labels or given.fill_left is not None or given.fill_right is not None
    )
    return given if means else None
