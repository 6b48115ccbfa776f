"""What to say about a token that does not fit: Prometheus's words.

`unexpected identifier "b" in label matching, expected string`: the token, where it stands,
and what belongs there. The place is found from the tokens before, by a small stack.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import takewhile

from lark import Token

from promlab.errors import PromQLSyntaxError
from promlab.model.quoting import go_quote
from promlab.promql.parser_lexer import tokens

_WORDS = {
    "NUMBER": "number",
    "DURATION": "duration",
    "STRING": "string",
    "IDENTIFIER": "identifier",
    "METRIC_IDENTIFIER": "metric name",
    "AGGREGATION": "aggregation",
    "MATCHING": "on, ignoring",
    "GROUP_SIDE": "group_left, group_right",
    "COMPARE": "comparison operator",
    "FILL": "fill",
    "LPAREN": '"("',
    "RPAREN": '")"',
    "LBRACE": '"{"',
    "RBRACE": '"}"',
    "LBRACKET": '"["',
    "RBRACKET": '"]"',
    "COMMA": '","',
    "COLON": '":"',
    "AT": '"@"',
    "EQL": '"="',
    "MATCH": "label matching operator",
    "SIGN": "+, -",
    "MUL": "*, /, %",
    "POW": '"^"',
    "$END": "end of input",
}
_DESCRIBED = {
    "NUMBER": "number",
    "DURATION": "duration",
    "STRING": "string",
    "IDENTIFIER": "identifier",
    "METRIC_IDENTIFIER": "metric identifier",
}
_LONGEST = 10  # characters of a literal that are shown
_OPERATORS = frozenset(
    {"COMPARE", "SIGN", "MUL", "POW", "ATAN2", "AND", "OR", "UNLESS", "MATCH", "AT"}
)
_PLAIN = frozenset(
    {"LPAREN", "RPAREN", "LBRACE", "RBRACE", "LBRACKET", "RBRACKET", "COMMA", "COLON", "EQL"}
    | {"START", "END", "STEP", "RANGE", "MIN_OF", "MAX_OF"}
)
_GROUPING = frozenset({"BY", "WITHOUT", "MATCHING", "GROUP_SIDE"})
_NAMES_TOO = frozenset({"BY", "WITHOUT", "OFFSET", "SIGN"})  # the sign of an offset
_CALLABLE = frozenset({"IDENTIFIER", "START", "END", "STEP", "RANGE", "MIN_OF", "MAX_OF"})
AGGREGATION_LABELS = "labels of an aggregation"


def expected_words(kinds: Iterable[str]) -> tuple[str, ...]:
    """Kinds of tokens, or terminals of the grammar, in words."""
    return tuple(sorted({_WORDS.get(kind, kind.lower()) for kind in kinds}))


def describe(token: Token) -> str:
    """A token as error messages call it: `identifier "foo"`, `<op:+>`, `<by>`."""
    kind = token.type
    if kind == "$END":
        return "end of input"
    text = "".join(token)
    if kind in _DESCRIBED:
        is_long = len(text) > _LONGEST and "IDENTIFIER" not in kind
        shown = f"{go_quote(text[:_LONGEST])}..." if is_long else go_quote(text)
        return f"{_DESCRIBED[kind]} {shown}"
    if kind in _PLAIN:
        return go_quote(text)
    if kind in _OPERATORS:
        return f"<op:{text}>"
    return f"<aggr:{text}>" if kind == "AGGREGATION" else f"<{text}>"


def unexpected(
    text: str,
    token: Token,
    expected: tuple[str, ...],
    is_name_before: Callable[[int], bool],
    *,
    is_query: bool = True,
) -> PromQLSyntaxError:
    """The error for a token of `text` that the grammar does not allow where it stands.

    `is_name_before(place)` tells whether the last word before is a metric's name, keyword or not.
    """
    at_end = token.type == "$END"
    start = len(text) if at_end else token.start_pos or 0
    end = len(text) if at_end else token.end_pos or start
    before = list(takewhile(lambda found: (found.start_pos or 0) < start, _until(text, start)))
    if not before and at_end and is_query:
        message = "no expression found in input"
        return PromQLSyntaxError(message, start=0, end=0, expected=expected)
    if before and before[-1].type == "COMMA" and _open(before) in ("call", "aggregation"):
        comma = before[-1].start_pos or 0
        message = "trailing commas not allowed in function call args"
        return PromQLSyntaxError(message, start=comma, end=comma + 1, expected=expected)
    keyword = bool(before) and before[-1].type in _NAMES_TOO and not is_name_before(start)
    message = f"unexpected {describe(token)}{_place(before, keyword=keyword)}"
    return PromQLSyntaxError(message, start=start, end=end, expected=expected)


def _until(text: str, start: int) -> Iterable[Token]:
    try:
        yield from tokens(text)
    except PromQLSyntaxError:
        return


def _place(before: list[Token], *, keyword: bool) -> str:
    """` in grouping opts, expected label` and its like; "" where there is no special place."""
    last = before[-1].type if before else ""
    opened, closed = open_brackets(before)
    where = opened[-1] if opened else ""
    if where == "braces":
        return f" in label matching, expected {_in_braces(before)}"
    if where in ("labels", AGGREGATION_LABELS):
        expected = '"," or ")"' if last not in ("LPAREN", "COMMA") else "label"
        return f" in grouping opts, expected {expected}"
    if last in ("MATCHING", "GROUP_SIDE") or (keyword and last in _GROUPING):
        return ' in grouping opts, expected "("'
    if where == "brackets":
        return _in_brackets(before, in_parens=opened.count(where) > 1)
    kinds = [token.type for token in before]
    if kinds[-1:] == ["AT"] or kinds[-2:] == ["AT", "SIGN"] or _in_bound(kinds):
        return " in @, expected timestamp"
    is_offset = keyword and (kinds[-1:] == ["OFFSET"] or kinds[-2:] == ["OFFSET", "SIGN"])
    if where == "offset" or is_offset:
        return " in offset, expected number or duration"
    after_labels = last == "RPAREN" and closed == AGGREGATION_LABELS
    return " in aggregation" if after_labels or "aggregation" in opened else ""


def _open(before: list[Token]) -> str:
    opened, _ = open_brackets(before)
    return opened[-1] if opened else ""


def _in_bound(kinds: list[str]) -> bool:
    for size in (2, 3):
        tail = kinds[-size:]
        if tail[:1] == ["AT"] and tail[1:2] in (["START"], ["END"]) and len(tail) == size:
            return True
    return False


def _in_braces(before: list[Token]) -> str:
    last = before[-1].type
    if last in ("LBRACE", "COMMA"):
        return 'identifier or "}"'
    if last == "IDENTIFIER":
        return "label matching operator"
    if last in ("EQL", "MATCH"):
        return "string"
    return '"," or "}"'


def _in_brackets(before: list[Token], *, in_parens: bool) -> str:
    if not in_parens and before[-1].type in ("NUMBER", "DURATION", "RPAREN"):
        opened = max(i for i, token in enumerate(before) if token.type == "LBRACKET")
        if any(token.type == "COLON" for token in before[opened:]):
            return ' in subquery selector, expected "]"'
        return ' in subquery or range, expected ":" or "]"'
    more = ' or "]"' if before[-1].type == "COLON" else ""
    return f" in subquery selector, expected number or duration{more}"


def open_brackets(before: list[Token]) -> tuple[list[str], str]:
    """What is open at the end of these tokens, outermost first, and what was closed last."""
    found: list[str] = []
    closed = ""
    for i, token in enumerate(before):
        if token.type in ("RPAREN", "RBRACE", "RBRACKET") and found:
            closed = found.pop()
        elif token.type == "LBRACE":
            found.append("braces")
        elif token.type == "LBRACKET":
            found.append("brackets")
        elif token.type == "LPAREN":
            last = [before_it.type for before_it in before[max(0, i - 2) : i]]
            found.append(_paren_kind(last, found, closed))
    return found, closed


def _paren_kind(last: list[str], inside: list[str], closed: str) -> str:
    """What a parenthesis after these two kinds of tokens holds."""
    previous = last[-1] if last else ""
    if previous in _GROUPING:
        return AGGREGATION_LABELS if last[0] == "AGGREGATION" else "labels"
    if inside and inside[-1] in ("brackets", "offset"):
        return inside[-1]
    if previous == "OFFSET" or last == ["OFFSET", "SIGN"]:
        return "offset"
    if previous == "AGGREGATION" or (previous == "RPAREN" and closed == AGGREGATION_LABELS):
        return "aggregation"
    return "call" if previous in _CALLABLE else "paren"
