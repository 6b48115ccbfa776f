"""`promlab.scan("data/", 'up{job="node"}')`: stored samples as a Polars LazyFrame.

Columns that are not asked for are not made; conditions on `timestamp` and equalities of labels
reach storage, so that blocks and rows outside are not read; frames come a stretch of time at a
time, so that whatever aggregates them needs no more memory than that.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
from polars.io.plugins import register_io_source

from promlab.model.matchers import Matcher, MatchType
from promlab.stored.opening import DataFrames, Moment, milliseconds
from promlab.stored.selectors import matchers_of

_STRETCH_MS = 6 * 3_600_000
_OWN = {"timestamp": pl.Datetime("ms", "UTC"), "value": pl.Float64()}
_A_SECOND = {"Milliseconds": 1_000, "Microseconds": 1_000_000, "Nanoseconds": 1_000_000_000}


class _Narrow(NamedTuple):
    """What a predicate says that storage understands."""

    start_ms: int
    end_ms: int
    matchers: tuple[Matcher, ...]


def scan(
    path: str | Path, selector: str = "", start: Moment = None, end: Moment = None
) -> pl.LazyFrame:
    """Stored samples as a lazy frame: timestamp (ms, UTC), value, a column a label.

    Staleness markers and native histograms are left out. Raises StorageError if `path` is no
    data directory, PromQLSyntaxError if `selector` is none.
    """
    reader = DataFrames(path)
    matchers = matchers_of(selector)
    times = reader.time_range() or (0, -1)
    whole = _Narrow(milliseconds(start, times[0]), milliseconds(end, times[1]), matchers)
    names = reader.label_names(matchers, whole.start_ms, whole.end_ms)
    titles = {name if name not in _OWN else f"label_{name}": name for name in names}
    schema = pl.Schema({**_OWN, **dict.fromkeys(titles, pl.String())})

    def source(
        columns: list[str] | None, predicate: pl.Expr | None, rows: int | None, _batch: int | None
    ) -> Iterator[pl.DataFrame]:
        narrow = _narrowed(whole, predicate, titles)
        left = rows
        for frame in _frames(reader, narrow, schema):
            part = frame if predicate is None else frame.filter(predicate)
            if left is not None:
                part = part.head(left)
                left -= len(part)
            yield part if columns is None else part.select(columns)
            if left is not None and left <= 0:
                return

    return register_io_source(source, schema=schema)


def _frames(reader: DataFrames, narrow: _Narrow, schema: pl.Schema) -> Iterator[pl.DataFrame]:
    at = narrow.start_ms
    yield pl.DataFrame(schema=schema)
    while at <= narrow.end_ms:
        last = min(narrow.end_ms, (at // _STRETCH_MS + 1) * _STRETCH_MS - 1)
        frame = reader.frame(narrow.matchers, at, last)
        if len(frame):
            missing = [pl.lit(None, pl.String).alias(c) for c in schema if c not in frame.columns]
            yield frame.with_columns(missing).select(schema.names())
        at = last + 1


def _narrowed(whole: _Narrow, predicate: pl.Expr | None, titles: dict[str, str]) -> _Narrow:
    """The range and matchers that a predicate leaves; it is applied to the rows all the same."""
    if predicate is None:
        return whole
    try:
        tree = json.loads(predicate.meta.serialize(format="json"))
    except (ValueError, TypeError, pl.exceptions.PolarsError):
        return whole
    for left, op, right in _conditions(tree):
        if left == "timestamp" and isinstance(right, int):
            if op in ("GtEq", "Gt", "Eq"):
                whole = whole._replace(start_ms=max(whole.start_ms, right))
            if op in ("LtEq", "Lt", "Eq"):
                whole = whole._replace(end_ms=min(whole.end_ms, right))
        elif left in titles and op == "Eq" and isinstance(right, str) and right:
            matcher = Matcher(titles[left], MatchType.EQUAL, right)
            whole = whole._replace(matchers=(*whole.matchers, matcher))
    return whole


def _conditions(tree: Any) -> Iterator[tuple[str, str, int | str]]:
    """Comparisons of a column with a literal that must all hold."""
    if not isinstance(tree, dict):
        return
    if "BinaryExpr" in tree:
        parts = tree["BinaryExpr"]
        left, op, right = parts["left"], parts["op"], parts["right"]
        if op in ("And", "LogicalAnd"):
            yield from _conditions(left)
            yield from _conditions(right)
        elif "Column" in left:
            yield from ((left["Column"], op, v) for v in _literal(right))
        elif "Column" in right:
            turned = {"GtEq": "LtEq", "Gt": "Lt", "LtEq": "GtEq", "Lt": "Gt"}.get(op, op)
            yield from ((right["Column"], turned, v) for v in _literal(left))
    elif "Function" in tree:
        parts = tree["Function"]
        kind = parts.get("function", {})
        if isinstance(kind, dict) and "IsBetween" in (kind.get("Boolean") or {}):
            what, low, high = parts["input"]
            if "Column" in what:
                yield from ((what["Column"], "GtEq", v) for v in _literal(low))
                yield from ((what["Column"], "LtEq", v) for v in _literal(high))


def _literal(tree: Any) -> Iterator[int | str]:
    """A text, or a date in ms; nothing for what is neither."""
    scalar = tree.get("Literal", {}).get("Scalar") if isinstance(tree, dict) else None
    if not isinstance(scalar, dict):
        return
    if isinstance(scalar.get("String"), str):
        yield scalar["String"]
    elif "Datetime" in scalar:
        number, unit, _ = scalar["Datetime"]
        yield int(number * 1000 // _A_SECOND[unit])
