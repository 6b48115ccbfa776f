"""Which column of a frame is what: time, values, labels.

Whatever is not said is found out from names and types. Where that is ambiguous the answer is
an error that says which argument decides it, never a guess that may be wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from promlab.errors import FrameError
from promlab.model.labels import METRIC_NAME

if TYPE_CHECKING:
    import polars as pl

TIME_NAMES = ("timestamp", "time", "datetime", "date", "ts", "t", "@timestamp")
VALUE_NAMES = ("value", "val", "v")
UNITS = ("s", "ms", "us", "ns")


@dataclass(frozen=True, slots=True)
class Columns:
    """What the user says about a frame; None where it is to be found out.

    `timestamp` is the column of times, `unit` what numbers in it count; `value` one column of
    values or several, which become one metric each; `labels` the columns that are labels;
    `name` the metric's name for all rows, where no column `__name__` gives it.
    """

    timestamp: str | None = None
    value: str | Sequence[str] | None = None
    labels: Sequence[str] | None = None
    name: str | None = None
    unit: str | None = None


@dataclass(frozen=True, slots=True)
class Layout:
    """Columns of a frame by what they are. With several `values`, each is one metric."""

    timestamp: str
    values: tuple[str, ...]
    labels: tuple[str, ...]
    name: str  # of the metric, "" where a column or the values' names say it
    unit: str  # of numeric times, "" where it is to be told from their size


def find_layout(schema: pl.Schema, columns: Columns) -> Layout:
    """The layout of a frame with these columns. Raises FrameError."""
    if columns.unit is not None and columns.unit not in UNITS:
        raise FrameError(f"unit {columns.unit!r}: write one of {', '.join(UNITS)}")
    given = [columns.timestamp, *_listed(columns.value), *(columns.labels or ())]
    for name in given:
        if name is not None and name not in schema:
            raise FrameError(f"there is no column {name!r}; the frame has {_shown(schema)}")
    time = columns.timestamp or _time_column(schema)
    values = _listed(columns.value) or _value_columns(schema, time, columns)
    if columns.labels is None:
        labels = _label_columns(schema, time, values, named=columns.value is not None)
    else:
        labels = tuple(name for name in columns.labels if name != time and name not in values)
    name = columns.name or ""
    if len(values) > 1 and METRIC_NAME in labels:
        raise FrameError(
            f"columns {_shown(values)} would each be a metric, but {METRIC_NAME!r} gives names "
            "too: say which column holds the values with value=..."
        )
    if len(values) > 1 and name:
        raise FrameError(
            f"name={name!r} can't be the name of {len(values)} metrics: leave it out, "
            "or choose one column with value=..."
        )
    if len(values) == 1 and not name and METRIC_NAME not in labels:
        name = values[0]
    return Layout(time, values, labels, name, columns.unit or "")


def _listed(value: str | Sequence[str] | None) -> tuple[str, ...]:
    return () if value is None else (value,) if isinstance(value, str) else tuple(value)


def _time_column(schema: pl.Schema) -> str:
    lower = {name.lower(): name for name in reversed(list(schema))}
    for wanted in TIME_NAMES:
        if wanted in lower:
            return lower[wanted]
    temporal = [name for name, kind in schema.items() if kind.is_temporal()]
    if len(temporal) == 1:
        return temporal[0]
    found = f"several columns are times: {_shown(temporal)}" if temporal else "no column is a time"
    raise FrameError(f"{found}; say which with timestamp=... The frame has {_shown(schema)}")


def _value_columns(schema: pl.Schema, time: str, columns: Columns) -> tuple[str, ...]:
    lower = {name.lower(): name for name in reversed(list(schema))}
    for wanted in VALUE_NAMES:
        if wanted in lower and lower[wanted] != time:
            return (lower[wanted],)
    taken = {time, *(columns.labels or ())}
    numeric = tuple(
        name for name, kind in schema.items() if kind.is_numeric() and name not in taken
    )
    if not numeric:
        raise FrameError(
            f"no column holds numbers; say which holds the values with value=... "
            f"The frame has {_shown(schema)}"
        )
    return numeric


def _label_columns(
    schema: pl.Schema, time: str, values: tuple[str, ...], *, named: bool
) -> tuple[str, ...]:
    labels = []
    for name, kind in schema.items():
        if name == time or name in values:
            continue
        if kind.is_float() or kind.is_nested() or kind.is_temporal():
            if named and kind.is_float():
                continue  # the values were chosen: other numbers are none of them
            raise FrameError(
                f"column {name!r} is {kind}, which is no label: say which columns are labels "
                "with labels=[...]"
            )
        labels.append(name)
    return tuple(labels)


def _shown(names: Sequence[str] | pl.Schema) -> str:
    shown = [repr(name) for name in names]
    more = f" and {len(shown) - 20} more" if len(shown) > 20 else ""
    return (", ".join(shown[:20]) or "no columns") + more
