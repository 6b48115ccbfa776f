"""Durations in brackets and behind `offset`, as the grammar's rules become nodes."""

# ruff: noqa: D102 - each method is named for a rule of grammar.lark, which says what it is
from __future__ import annotations

from typing import Any

from lark import Token

from promlab.promql.ast import (
    DurationBinary,
    DurationCall,
    DurationExpr,
    DurationParen,
    DurationUnary,
    NumberLiteral,
)
from promlab.promql.durations import MAX_S
from promlab.promql.parser_notes import Notes, error_at, with_sign


class DurationRules(Notes):
    """Callbacks for the rules named `duration_...`."""

    def duration_number(self, parts: list[Any]) -> NumberLiteral:
        literal: NumberLiteral = parts[0]
        if not abs(literal.value) <= MAX_S:
            raise error_at("duration out of range", literal.start, literal.end)
        return literal

    def duration_unary(self, parts: list[Any]) -> DurationExpr:
        sign, expr = parts
        if isinstance(expr, NumberLiteral):
            return self.note(with_sign(sign, expr))
        node = DurationUnary(str(sign), expr, start=sign.start_pos, end=expr.end)
        return self.note(node, expr)

    def duration_binary(self, parts: list[Any]) -> DurationBinary:
        lhs, op, rhs = parts
        if op in ("/", "%") and isinstance(rhs, NumberLiteral) and rhs.value == 0:
            what = "division" if op == "/" else "modulo"
            raise error_at(f"{what} by zero", rhs.start, rhs.end)
        node = DurationBinary(str(op), lhs, rhs, start=lhs.start, end=rhs.end)
        return self.note(node, lhs, rhs)

    def duration_call(self, parts: list[Any]) -> DurationCall:
        name, *rest = parts
        args = tuple(part for part in rest if not isinstance(part, Token))
        node = DurationCall(name.lower(), args, start=name.start_pos, end=rest[-1].end_pos)
        return self.note(node, *args)

    def duration_paren(self, parts: list[Any]) -> DurationExpr:
        opening, expr, closing = parts
        if isinstance(expr, (NumberLiteral, DurationParen)):
            return expr
        node = DurationParen(expr, start=opening.start_pos, end=closing.end_pos)
        return self.note(node, expr)
