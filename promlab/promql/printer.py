"""Trees as text: one line that parses back to the same tree, or Prometheus's pretty form.

`to_text` is what `str(node)` gives; `pretty` is the layout of the HTTP API's `format_query`
and of `promtool promql format`: what is longer than 100 characters is split.
Parentheses are added where a tree made by hand needs them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from decimal import Decimal
from itertools import accumulate

from promlab.model.durations import format_duration_ms
from promlab.model.matchers import Matcher
from promlab.model.quoting import go_quote
from promlab.promql.ast import (
    SET_OPERATORS,
    Aggregation,
    At,
    AtBound,
    Binary,
    Call,
    Card,
    Duration,
    DurationBinary,
    DurationCall,
    DurationExpr,
    DurationParen,
    DurationUnary,
    MatrixSelector,
    Node,
    NumberLiteral,
    Paren,
    StringLiteral,
    Subquery,
    Unary,
    VectorMatching,
    VectorSelector,
)

MAX_LINE = 100
_INDENT = "  "
_DEEPEST = 256  # levels that are indented: text of a long chain must not grow with its square
_NAME = re.compile(r"[A-Za-z_:][A-Za-z0-9_:]*", re.ASCII)
_LABEL = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_NO_METRIC = frozenset({"bool", "on", "ignoring", "group_left", "group_right", "atan2"})
_NUMBERS = frozenset({"inf", "nan"})

# How tightly operators bind: an operand that binds less tightly needs parentheses.
_LEVELS = {
    **{"or": 1, "and": 2, "unless": 2},
    **dict.fromkeys(("==", "!=", "<", "<=", ">", ">=", "</", ">/"), 3),
    **{"+": 4, "-": 4, "*": 5, "/": 5, "%": 5, "atan2": 5},
}
_SIGN, _POWER, _POSTFIX = 6, 7, 8


def to_text(node: Node) -> str:
    """The node as one line of PromQL."""
    match node:
        case NumberLiteral():
            return number_text(node)
        case StringLiteral():
            return go_quote(node.value)
        case VectorSelector():
            return _selector(node) + _extended(node) + _modifiers(node.offset, node.at)
        case MatrixSelector():
            inner = node.selector
            modifiers = _extended(inner) + _modifiers(inner.offset, inner.at)
            return f"{_selector(inner)}[{duration_text(node.range)}]{modifiers}"
        case Subquery():
            return _operand(node.expr, _POSTFIX) + _subquery_suffix(node)
        case Call():
            return f"{node.function}({', '.join(map(to_text, node.args))})"
        case Aggregation():
            args = [node.expr] if node.param is None else [node.param, node.expr]
            return f"{_aggregation_head(node)}({', '.join(map(to_text, args))})"
        case Binary():
            return "".join(_chain_texts(node))
        case Unary():
            return node.op + _operand(node.expr, _SIGN)
        case Paren():
            return f"({to_text(node.expr)})"
    return _duration_node(node, 0)


def _chain_texts(node: Binary) -> list[str]:
    """A chain of operators as texts, its first operand and then each operator with the next."""
    links = []
    chain: Node = node
    while isinstance(chain, Binary):
        left, right = _sides(chain)
        links.append(f" {_operator(chain)} {_operand(chain.rhs, right)}")
        chain = chain.lhs
        if _level(chain) < left:
            break
    links.append(_operand(chain, left))
    return links[::-1]


def pretty(node: Node) -> str:
    """The node over several lines where it is long, as Prometheus formats queries."""
    return _pretty(node, 0)


def _pretty(node: Node, level: int) -> str:
    indent = _INDENT * level
    text = to_text(node)
    if len(text) <= MAX_LINE:
        return indent + text
    match node:
        case Call():
            return _split_call(node.function, node.args, level)
        case Aggregation():
            args = [node.expr] if node.param is None else [node.param, node.expr]
            return _split_call(_aggregation_head(node), args, level)
        case Binary():
            return _pretty_chain(node, level)
        case Unary():
            return indent + node.op + _pretty_operand(node.expr, _SIGN, level).lstrip(" ")
        case Paren():
            return f"{indent}(\n{_pretty(node.expr, level + 1)}\n{indent})"
        case Subquery():
            return _pretty_operand(node.expr, _POSTFIX, level) + _subquery_suffix(node)
    return indent + text


def _pretty_chain(node: Binary, level: int) -> str:
    """Each operator on a line between its sides, the left one deeper, until what is left fits."""
    lines = []
    sizes = list(accumulate(map(len, _chain_texts(node))))
    chain: Node = node
    while isinstance(chain, Binary) and sizes and sizes[-1] > MAX_LINE:
        left, right = _sides(chain)
        lines.append(_pretty_operand(chain.rhs, right, level + 1))
        lines.append(_INDENT * level + _operator(chain))
        chain = chain.lhs
        sizes.pop()
        level = min(level + 1, _DEEPEST)
        if _level(chain) < left:
            break
    if isinstance(chain, Binary) and _level(chain) >= left:
        lines.append(_INDENT * level + to_text(chain))
    else:
        lines.append(_pretty_operand(chain, left, level))
    return "\n".join(lines[::-1])


def _split_call(head: str, args: Sequence[Node], level: int) -> str:
    indent = _INDENT * level
    inside = ",\n".join(_pretty(arg, level + 1) for arg in args)
    return f"{indent}{head}(\n{inside}\n{indent})"


# ---------------------------------------------------------------------- operators


def _level(node: Node) -> int:
    match node:
        case Binary() | DurationBinary():
            return _LEVELS.get(node.op, _POWER)
        case Unary() | DurationUnary():
            return _SIGN
        case NumberLiteral():
            return _SIGN if number_text(node)[0] in "+-" else _POSTFIX
    return _POSTFIX


def _sides(node: Binary | DurationBinary) -> tuple[int, int]:
    """How tightly the left and the right operand have to bind."""
    if node.op == "^":
        return _POSTFIX, _SIGN
    return _LEVELS[node.op], _LEVELS[node.op] + 1


def _operand(node: Node, level: int) -> str:
    text = to_text(node)
    if _level(node) >= level:
        return text
    # A sign would take the power with it, and infinity needs none.
    return "Inf" if text == "+Inf" else f"({text})"


def _pretty_operand(node: Node, level: int, indent: int) -> str:
    if _level(node) >= level:
        return _pretty(node, indent)
    return _INDENT * indent + _operand(node, level)


def _operator(node: Binary) -> str:
    text = f"{node.op} bool" if node.returns_bool else node.op
    return text + _matching(node.op, node.matching)


def _matching(op: str, matching: VectorMatching | None) -> str:
    if matching is None:
        return ""
    text = ""
    grouped = matching.card in (Card.MANY_TO_ONE, Card.ONE_TO_MANY) and op not in SET_OPERATORS
    if matching.on or matching.labels or grouped:
        text = f" {'on' if matching.on else 'ignoring'} ({_labels(matching.labels)})"
    if grouped:
        side = "left" if matching.card is Card.MANY_TO_ONE else "right"
        text += f" group_{side} ({_labels(matching.include)})"
    left, right = matching.fill_left, matching.fill_right
    if left is not None and right is not None and repr(left) == repr(right):
        return f"{text} fill ({float_text(left)})"
    for side, value in (("left", left), ("right", right)):
        if value is not None:
            text += f" fill_{side} ({float_text(value)})"
    return text


def _aggregation_head(node: Aggregation) -> str:
    if node.without:
        return f"{node.op} without ({_labels(node.grouping)}) "
    return f"{node.op} by ({_labels(node.grouping)}) " if node.grouping else node.op


def _labels(names: tuple[str, ...]) -> str:
    return ", ".join(
        name if _NAME.fullmatch(name) and name.lower() not in _NUMBERS else go_quote(name)
        for name in names
    )


# ---------------------------------------------------------------------- selectors


def _selector(node: VectorSelector) -> str:
    plain = _NAME.fullmatch(node.name) and node.name.lower() not in _NO_METRIC | _NUMBERS
    matchers = node.label_matchers if plain else node.matchers
    inside = ",".join(sorted(map(matcher_text, matchers)))
    name = node.name if plain else ""
    return f"{name}{{{inside}}}" if inside or not name else name


def matcher_text(matcher: Matcher) -> str:
    """`job=~"api.*"`; names that are no plain words are quoted."""
    name = matcher.name if _LABEL.fullmatch(matcher.name) else go_quote(matcher.name)
    return f"{name}{matcher.type.value}{go_quote(matcher.value)}"


def _extended(node: VectorSelector) -> str:
    return (" anchored" if node.anchored else "") + (" smoothed" if node.smoothed else "")


def _modifiers(offset: Duration, at: At) -> str:
    text = ""
    if isinstance(at, AtBound):
        text = f" @ {at.value}()"
    elif at is not None:
        sign, whole, rest = "-" if at < 0 else "", *divmod(abs(at), 1000)
        text = f" @ {sign}{whole}.{rest:03d}"
    return text if offset == 0 else f"{text} offset {offset_text(offset)}"


def _subquery_suffix(node: Subquery) -> str:
    step = "" if node.step is None else duration_text(node.step)
    return f"[{duration_text(node.range)}:{step}]{_modifiers(node.offset, node.at)}"


# ---------------------------------------------------------------------- durations


def duration_text(duration: Duration) -> str:
    """What stands in the brackets of a range."""
    if isinstance(duration, int):
        # Less than a millisecond was asked for: the shortest text that is more than nothing.
        return format_duration_ms(duration) if duration else "0.0001"
    return _duration_node(duration, 0)


def offset_text(offset: Duration) -> str:
    """What follows the word `offset`."""
    if isinstance(offset, int):
        return format_duration_ms(offset)
    inner: DurationExpr = offset
    while isinstance(inner, DurationUnary):
        inner = inner.expr
    text = _duration_node(offset, 0)
    return f"({text})" if isinstance(inner, DurationBinary) else text


def _duration_node(node: Node, level: int) -> str:
    match node:
        case NumberLiteral():
            text = number_text(node)
        case DurationCall():
            text = f"{node.function}({', '.join(_duration_node(a, 0) for a in node.args)})"
        case DurationParen():
            text = f"({_duration_node(node.expr, 0)})"
        case DurationUnary():
            text = node.op + _duration_node(node.expr, _SIGN)
        case DurationBinary():
            left, right = _sides(node)
            lhs, rhs = _duration_node(node.lhs, left), _duration_node(node.rhs, right)
            text = f"{lhs} {node.op} {rhs}"
        case _:
            raise TypeError(f"{type(node).__name__} is no node of a PromQL tree")
    return text if _level(node) >= level else f"({text})"


# ---------------------------------------------------------------------- literals


def number_text(node: NumberLiteral) -> str:
    """`1h30m` for a duration, else all digits of the number."""
    if node.duration and math.isfinite(node.value):
        milliseconds = round(node.value * 1000)
        if milliseconds or math.copysign(1, node.value) > 0:
            return format_duration_ms(milliseconds)
        return "-0s"
    return float_text(node.value)


def float_text(value: float) -> str:
    """All digits of a float, no exponent: `0.00001`, `+Inf`, `NaN`."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    if value.is_integer() and abs(value) < 1e15:
        return "-0" if value == 0 and math.copysign(1, value) < 0 else str(int(value))
    text = format(Decimal(repr(value)), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
