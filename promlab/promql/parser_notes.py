"""What all rules of the grammar share when they become nodes: depth, places, literals."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TypeVar

from lark import Token

from promlab.errors import PromQLSyntaxError
from promlab.promql.ast import MAX_DEPTH, Binary, Node, NumberLiteral
from promlab.promql.parser_lexer import too_deep
from promlab.promql.parser_literals import duration_s, number, string

_N = TypeVar("_N", bound=Node)


class Notes:
    """Remembers how deep each node of the query at hand is. Not for two threads at once."""

    def begin(self) -> None:
        """Forget the query before."""
        self._depths: dict[int, int] = {}
        self._nodes: list[Node] = []  # keeps ids of noted nodes from being used again

    def note(self, node: _N, *below: Node | int | None) -> _N:
        """The node itself; raises PromQLSyntaxError where it is one too deep."""
        return self._noted(
            node, 1 + max((self._depths.get(id(part), 0) for part in below), default=0)
        )

    def note_chain(self, node: _N, chain: Node, operand: Node) -> _N:
        """An operator after `chain`, which is on the same level if it ends in an operator."""
        depths = self._depths
        before = depths.get(id(chain), 0) + (not isinstance(chain, Binary))
        return self._noted(node, max(before, 1 + depths.get(id(operand), 0)))

    def _noted(self, node: _N, depth: int) -> _N:
        if depth > MAX_DEPTH:
            raise too_deep(node.start, node.end)
        self._depths[id(node)] = depth
        self._nodes.append(node)
        return node


def error_at(message: str, start: int, end: int) -> PromQLSyntaxError:
    """The error at a place of the query; `parser.py` adds the query."""
    return PromQLSyntaxError(message, start=start, end=end)


def number_of(token: Token) -> float:
    """Value of a number or a duration, in seconds."""
    convert = duration_s if token.type == "DURATION" else number
    try:
        return convert(token)
    except ValueError as error:
        raise error_at(str(error), token.start_pos or 0, token.end_pos or 0) from None


def text_of(token: Token) -> str:
    """Value of a string."""
    try:
        return string("".join(token))
    except ValueError as error:
        raise error_at(str(error), token.start_pos or 0, token.end_pos or 0) from None


def with_sign(sign: Token, literal: NumberLiteral) -> NumberLiteral:
    """The number with one more sign before it."""
    value = -literal.value if sign == "-" else literal.value
    value = math.nan if value != value else value
    return replace(literal, value=value, start=sign.start_pos or 0)
