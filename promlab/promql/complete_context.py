"""What is around the cursor of an unfinished query: which call, which metric, which label."""

from __future__ import annotations

from typing import NamedTuple

from lark import Token

from promlab.errors import PromQLSyntaxError
from promlab.promql.parser_errors import AGGREGATION_LABELS, open_brackets
from promlab.promql.parser_lexer import tokens
from promlab.promql.parser_literals import string
from promlab.promql.registry import AGGREGATIONS, FUNCTIONS
from promlab.promql.valuetype import ValueType


class Start(NamedTuple):
    """The tokens of a text as far as they go."""

    tokens: list[Token]
    quoted_at: int | None = None  # where the quote opens that is still open at the end
    wrong: bool = False  # something is no token: more follows than the tokens show


def tokens_of(text: str) -> Start:
    """Tokens of what may be unfinished: open brackets and quotes are no mistakes here."""
    found: list[Token] = []
    try:
        found.extend(tokens(text))  # keeps what came before an error
    except PromQLSyntaxError as error:
        if error.message.startswith("unterminated"):
            return Start(found, error.start)
        return Start(found, None, error.start < len(text))
    return Start(found)


def call_around(before: list[Token]) -> tuple[str, int] | None:
    """Name of the innermost call or aggregation that is open, and which argument this is."""
    depth = argument = 0
    for i in range(len(before) - 1, -1, -1):
        kind = before[i].type
        if kind in ("RPAREN", "RBRACE", "RBRACKET"):
            depth += 1
        elif kind in ("LPAREN", "LBRACE", "LBRACKET"):
            if depth == 0:
                name = _called_name(before[:i]) if kind == "LPAREN" else ""
                return (name, argument) if name else None
            depth -= 1
        elif kind == "COMMA" and depth == 0:
            argument += 1
    return None


def _called_name(before: list[Token]) -> str:
    """Name of what a parenthesis after these tokens calls."""
    if not before:
        return ""
    last = str(before[-1])
    if last in FUNCTIONS or last.lower() in AGGREGATIONS:
        return last
    _, closed = open_brackets(before)
    if before[-1].type == "RPAREN" and closed == AGGREGATION_LABELS:
        names = [token for token in before if token.type == "AGGREGATION"]
        return str(names[-1])
    return ""


def wanted_type(before: list[Token]) -> ValueType | None:
    """Type of the argument that begins here; None where any may."""
    if not before or before[-1].type not in ("LPAREN", "COMMA"):
        return None
    around = call_around(before)
    if around is None:
        return None
    name, argument = around
    if name.lower() in AGGREGATIONS:
        param = AGGREGATIONS[name.lower()].param
        return param.type if param and argument == 0 else ValueType.VECTOR
    spec = FUNCTIONS.get(name)
    if spec is None:
        return None
    if spec.max_args is not None and argument >= spec.max_args:
        return ValueType.STRING  # one too many: nothing is known to fit, as with a string
    return spec.argument(argument).type


def metric_of_braces(before: list[Token]) -> str:
    """The name before the open brace; "" if there is none."""
    opened = max(i for i, token in enumerate(before) if token.type == "LBRACE")
    name = before[opened - 1] if opened else None
    adjacent = name is not None and name.type in ("IDENTIFIER", "METRIC_IDENTIFIER")
    return str(name) if adjacent else ""


def label_of_value(before: list[Token]) -> str:
    """The label whose value begins after these tokens."""
    name = before[-2]
    try:
        return string(str(name)) if name.type == "STRING" else str(name)
    except ValueError:
        return ""


def nearest_metric(text: str, offset: int) -> str:
    """The metric that a label list most likely belongs to: the next one, else the last."""
    found = tokens_of(text).tokens
    names: list[tuple[int, str]] = []
    for i, token in enumerate(found):
        called = i + 1 < len(found) and found[i + 1].type == "LPAREN"
        opened, _ = open_brackets(found[:i])
        free = not opened or opened[-1] not in ("braces", "labels", AGGREGATION_LABELS)
        if token.type in ("IDENTIFIER", "METRIC_IDENTIFIER") and free and not called:
            names.append((token.start_pos or 0, str(token)))
    behind = [name for at, name in names if at >= offset]
    ahead = [name for at, name in names if at < offset]
    return behind[0] if behind else ahead[-1] if ahead else ""
