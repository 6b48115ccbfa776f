"""What may be typed at the cursor of a query, and what the word there means.

`complete(text, offset)` asks the grammar which tokens are legal; metric names, label names
and label values are for the caller to fetch from a server, the answer says of which kind and
for which metric. Words of the language come with the answer. Text behind the cursor may be
anything; text before it may be unfinished but must not be wrong.
"""

from __future__ import annotations

import re
from copy import copy
from enum import Enum
from typing import NamedTuple

from lark import Token, UnexpectedToken

from promlab.promql.complete_context import (
    call_around,
    label_of_value,
    metric_of_braces,
    nearest_metric,
    tokens_of,
    wanted_type,
)
from promlab.promql.parser import lark_parser
from promlab.promql.parser_errors import AGGREGATION_LABELS, open_brackets
from promlab.promql.registry import AGGREGATIONS, FUNCTIONS
from promlab.promql.registry_docs import markdown_of
from promlab.promql.valuetype import ValueType

UNITS = ("ms", "s", "m", "h", "d", "w", "y")


class Kind(Enum):
    """What can stand at the cursor."""

    METRIC = "metric"
    LABEL_NAME = "label name"
    LABEL_VALUE = "label value"
    FUNCTION = "function"
    AGGREGATION = "aggregation"
    KEYWORD = "keyword"
    DURATION_UNIT = "duration unit"


class Candidate(NamedTuple):
    """A word of the language that fits."""

    text: str
    kind: Kind


class Completion(NamedTuple):
    """What is legal at the cursor.

    `text[start:end]` is to be replaced; `prefix` is what of it stands before the cursor, for
    label values and quoted names without the quote. `metric` is the one whose labels are
    asked for ("" where unknown), `label` the one whose values are. `quote` is the quote that
    is open ("" if none is: a value then needs both).
    """

    kinds: frozenset[Kind] = frozenset()
    start: int = 0
    end: int = 0
    prefix: str = ""
    metric: str = ""
    label: str = ""
    quote: str = ""
    words: tuple[Candidate, ...] = ()


_KEYWORDS = {
    "AND": ("and",),
    "OR": ("or",),
    "UNLESS": ("unless",),
    "ATAN2": ("atan2",),
    "OFFSET": ("offset",),
    "BY": ("by",),
    "WITHOUT": ("without",),
    "MATCHING": ("on", "ignoring"),
    "GROUP_SIDE": ("group_left", "group_right"),
    "FILL": ("fill", "fill_left", "fill_right"),
    "ANCHORED": ("anchored",),
    "SMOOTHED": ("smoothed",),
    "BOOL": ("bool",),
}
_AFTER_OPERATOR = frozenset({"BOOL", "MATCHING", "GROUP_SIDE", "FILL"})
_AFTER_SELECTOR = frozenset({"OFFSET", "ANCHORED", "SMOOTHED"})
_NO_BOOL = frozenset({"</", ">/"})
_DURATIONS = (
    *(Candidate(text, Kind.DURATION_UNIT) for text in ("1m", "5m", "15m", "1h", "6h", "1d", "7d")),
    *(Candidate(text, Kind.KEYWORD) for text in ("step()", "range()", "min_of", "max_of")),
)


def complete(text: str, offset: int) -> Completion:
    """What may stand at character `offset` of `text`; no kinds where nothing may."""
    offset = max(0, min(offset, len(text)))
    so_far = tokens_of(text[:offset])
    if so_far.quoted_at is not None:
        return _in_quotes(text, offset, so_far.tokens, so_far.quoted_at)
    opened, _ = open_brackets(so_far.tokens)
    letters = r"[A-Za-z0-9_]*" if "brackets" in opened else r"[A-Za-z0-9_:]*"
    typed = re.search(rf"{letters}\Z", text[:offset], re.ASCII)
    start = typed.start() if typed else offset
    head = tokens_of(text[:start])
    if head.wrong or _in_comment(text[:offset], head.tokens):
        return Completion()
    accepted = _accepted(head.tokens)
    if not accepted:
        return Completion()
    behind = re.match(letters, text[offset:], re.ASCII)
    end = offset + len(behind[0]) if behind else offset
    where = Completion(start=start, end=end, prefix=text[start:offset])
    if where.prefix[:1].isdigit():
        return _unit(where, accepted)
    return _filtered(_at(text, head.tokens, accepted, where))


def docs_at(text: str, offset: int) -> str:
    """Markdown about the word at `offset`, else about the function around it; "" for none."""
    found = tokens_of(text).tokens
    for i, token in enumerate(found):
        if (token.start_pos or 0) <= offset <= (token.end_pos or 0):
            opened, _ = open_brackets(found[:i])
            if opened and opened[-1] in ("braces", "labels", AGGREGATION_LABELS):
                return ""
            called = found[i + 1 : i + 2] and found[i + 1].type == "LPAREN"
            known = markdown_of(str(token), called=bool(called))
            if known:
                return known
    around = call_around([t for t in found if (t.end_pos or 0) <= offset])
    return markdown_of(around[0], called=True) if around else ""


def _in_comment(text: str, before: list[Token]) -> bool:
    rest = text[before[-1].end_pos or 0 :] if before else text
    return "#" in rest.rpartition("\n")[2]


def _accepted(before: list[Token]) -> frozenset[str]:
    """Terminals that may follow these tokens; none if the tokens themselves don't fit."""
    parser = lark_parser().parse_interactive("", start="start")
    # The parser's own callbacks would build a tree, and complain.
    parser.parser_state.parse_conf = copy(parser.parser_state.parse_conf)
    parser.parser_state.parse_conf.callbacks = {}
    try:
        for token in before:
            parser.feed_token(token)
    except UnexpectedToken:
        return frozenset()
    accepts: set[str] = parser.accepts()  # type: ignore[no-untyped-call]  # Lark has no types here
    return frozenset(accepts)


def _at(text: str, before: list[Token], accepted: frozenset[str], where: Completion) -> Completion:
    opened, _ = open_brackets(before)
    inside = opened[-1] if opened else ""
    if inside == "braces":
        return _in_braces(before, accepted, where)
    if inside in ("labels", AGGREGATION_LABELS):
        if "IDENTIFIER" not in accepted:
            return Completion()
        metric = nearest_metric(text, where.start)
        return where._replace(kinds=frozenset({Kind.LABEL_NAME}), metric=metric)
    if inside in ("brackets", "offset") or (before and before[-1].type == "OFFSET"):
        return where._replace(words=_DURATIONS if "STEP" in accepted else ())
    if before and before[-1].type == "AT":
        bounds = (Candidate("start()", Kind.KEYWORD), Candidate("end()", Kind.KEYWORD))
        return where._replace(words=bounds)
    words = _keywords(before, accepted)
    if "NUMBER" not in accepted:  # no operand may begin here
        return where._replace(words=words)
    return _operand(before, where, words)


def _in_braces(before: list[Token], accepted: frozenset[str], where: Completion) -> Completion:
    metric = metric_of_braces(before)
    if "IDENTIFIER" in accepted:
        return where._replace(kinds=frozenset({Kind.LABEL_NAME}), metric=metric)
    if "STRING" in accepted:
        label = label_of_value(before)
        return where._replace(kinds=frozenset({Kind.LABEL_VALUE}), metric=metric, label=label)
    return Completion()


def _in_quotes(text: str, offset: int, before: list[Token], quoted_at: int) -> Completion:
    """Inside a string: a label's value, or a quoted name."""
    quote = text[quoted_at]
    closing = re.match(r"[^\n\"'`]*", text[offset:])
    behind = closing[0] if closing else ""
    closed = text[offset + len(behind) : offset + len(behind) + 1] == quote
    where = Completion(
        start=quoted_at + 1,
        end=offset + len(behind) if closed else offset,
        prefix=text[quoted_at + 1 : offset],
        quote=quote,
    )
    if "STRING" not in _accepted(before):
        return Completion()
    opened, _ = open_brackets(before)
    inside = opened[-1] if opened else ""
    if inside == "braces":
        metric = metric_of_braces(before)
        if before[-1].type in ("EQL", "MATCH"):
            label = label_of_value(before)
            return where._replace(kinds=frozenset({Kind.LABEL_VALUE}), metric=metric, label=label)
        return where._replace(kinds=frozenset({Kind.LABEL_NAME, Kind.METRIC}), metric=metric)
    if inside in ("labels", AGGREGATION_LABELS):
        metric = nearest_metric(text, quoted_at)
        return where._replace(kinds=frozenset({Kind.LABEL_NAME}), metric=metric)
    return Completion()


def _unit(where: Completion, accepted: frozenset[str]) -> Completion:
    """Behind digits: the unit of a duration."""
    found = re.fullmatch(r"((?:[0-9]+(?:ms|[smhdwy]))*[0-9]+)([a-z]*)", where.prefix)
    if found is None or "DURATION" not in accepted:
        return Completion()
    typed = found[2]
    words = tuple(Candidate(u, Kind.DURATION_UNIT) for u in UNITS if u.startswith(typed))
    start = where.start + len(found[1])
    kinds = frozenset({Kind.DURATION_UNIT}) if words else frozenset()
    return where._replace(start=start, prefix=typed, words=words, kinds=kinds)


def _keywords(before: list[Token], accepted: frozenset[str]) -> tuple[Candidate, ...]:
    last = before[-1] if before else None
    operand = "NUMBER" in accepted
    found: list[str] = []
    selected = _after_selector(before)
    for kind, words in _KEYWORDS.items():
        if kind not in accepted or (operand and kind not in _AFTER_OPERATOR):
            continue
        compares = last is not None and last.type == "COMPARE" and last not in _NO_BOOL
        if kind == "BOOL" and not compares:
            continue
        if kind in _AFTER_SELECTOR and not selected:
            continue
        found += words
    return tuple(Candidate(word, Kind.KEYWORD) for word in found)


def _after_selector(before: list[Token]) -> bool:
    """Whether a selector, with its modifiers, has just ended."""
    kinds = [token.type for token in before[-4:]]
    if not kinds or kinds[-1] in ("STRING", "NUMBER", "DURATION", "RPAREN"):
        return "AT" in kinds or "OFFSET" in kinds
    return True


def _operand(before: list[Token], where: Completion, keywords: tuple[Candidate, ...]) -> Completion:
    """Where an expression may begin; the argument's type rules some kinds out."""
    wanted = wanted_type(before)
    if wanted is ValueType.STRING:
        return where._replace(words=keywords)
    functions = [spec for spec in FUNCTIONS.values() if wanted in (None, spec.returns)]
    words = [Candidate(spec.name, Kind.FUNCTION) for spec in functions]
    kinds = set()
    if wanted in (None, ValueType.VECTOR):
        words += [Candidate(name, Kind.AGGREGATION) for name in AGGREGATIONS]
    if wanted is not ValueType.SCALAR:
        kinds.add(Kind.METRIC)
    return where._replace(kinds=frozenset(kinds), words=(*words, *keywords))


def _filtered(found: Completion) -> Completion:
    """Only the words that begin with the prefix; their kinds added to the others."""
    prefix = found.prefix.lower()
    words = tuple(word for word in found.words if word.text.startswith(prefix))
    return found._replace(words=words, kinds=found.kinds | {word.kind for word in words})
