"""From a table to families.

Columns of numbers are metrics, columns of text are labels. Booleans become 0 and 1, times
Unix seconds; what is missing is no sample. A metric whose name ends in `_total` is a counter,
any other a gauge. A long table may instead have a column with the names of the metrics.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from promlab.errors import ConfigError
from promlab.exporters.families import Family, Labels, plain_name

if TYPE_CHECKING:
    import polars as pl

MAX_ROWS = 100_000
_LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


@dataclass(frozen=True, slots=True)
class Shape:
    """Which columns mean what; empty: by their types."""

    prefix: str = ""
    values: Sequence[str] = ()
    labels: Sequence[str] = ()
    metric: str = ""  # a column with names, beside one column of values
    help: str = "From a table."


def to_polars(frame: Any) -> pl.DataFrame:
    """A Polars frame of a Polars, pandas or Arrow table. Raises ConfigError."""
    import polars as pl

    table: pl.DataFrame
    if isinstance(frame, pl.LazyFrame):
        frame = frame.collect()
    if isinstance(frame, pl.DataFrame):
        return frame
    if isinstance(frame, pl.Series):
        return frame.to_frame()
    module = type(frame).__module__.partition(".")[0]
    if module == "pandas":
        if hasattr(frame, "to_frame"):
            frame = frame.to_frame()
        named = any(name is not None for name in frame.index.names)
        table = pl.from_pandas(frame.reset_index() if named else frame)
        return table
    if hasattr(frame, "__arrow_c_stream__"):
        return pl.DataFrame(frame)
    raise ConfigError(f"{type(frame).__name__} is no table: give a Polars or pandas frame")


def families_of_frame(frame: Any, shape: Shape = Shape()) -> list[Family]:
    """The families of a table. Raises ConfigError where rows can't be told apart."""
    table = to_polars(frame)
    if table.height > MAX_ROWS:
        raise ConfigError(f"{table.height:,} rows are more than {MAX_ROWS:,}: aggregate them first")
    values, labels = _columns(table, shape)
    label_sets = _label_sets(table, labels)
    if shape.metric:
        families = _long(table, shape, values[0], label_sets)
    else:
        families = [_family(table, name, label_sets, shape) for name in values]
    for family in families:
        _refuse_twins(family)
    return families


def _columns(table: pl.DataFrame, shape: Shape) -> tuple[list[str], list[str]]:
    for name in (*shape.values, *shape.labels, *([shape.metric] if shape.metric else [])):
        if name not in table.columns:
            raise ConfigError(f"no column {name!r}: there are {', '.join(table.columns)}")
    spoken = {*shape.values, *shape.labels, shape.metric}
    rest = [name for name in table.columns if name not in spoken]
    values = list(shape.values) or [n for n in rest if _is_value(table.schema[n])]
    labels = list(shape.labels) or [n for n in rest if n not in values and _is_label(table, n)]
    if not values:
        raise ConfigError("no column of numbers: a metric needs one")
    if shape.metric and len(values) != 1:
        raise ConfigError(f"a long table has one column of values, not {', '.join(values)}")
    return values, labels


def _is_value(kind: pl.DataType) -> bool:
    return kind.is_numeric() or kind.is_temporal() or str(kind) == "Boolean"


def _is_label(table: pl.DataFrame, name: str) -> bool:
    import polars as pl

    return table.schema[name] in (pl.String, pl.Categorical, pl.Enum)


def _label_sets(table: pl.DataFrame, names: list[str]) -> list[Labels]:
    import polars as pl

    known = [_label_name(name) for name in names]
    if len(set(known)) < len(known):
        raise ConfigError(f"two columns would be one label: {', '.join(names)}")
    columns = [table[name].cast(pl.String).fill_null("").to_list() for name in names]
    rows = zip(*columns, strict=True) if columns else [()] * table.height
    return [dict(sorted((n, v) for n, v in zip(known, row, strict=True) if v)) for row in rows]


def _label_name(name: str) -> str:
    made = plain_name(name).replace(":", "_").lstrip("_")
    return made if _LABEL_NAME.fullmatch(made) else f"c_{made}"


def _numbers(table: pl.DataFrame, name: str) -> list[float | None]:
    import polars as pl

    column = table[name]
    if column.dtype.is_temporal():
        if column.dtype == pl.Duration:
            column = column.dt.total_microseconds() / 1e6
        elif column.dtype == pl.Time:
            column = column.cast(pl.Int64) / 1e9
        else:
            column = column.cast(pl.Datetime("us")).dt.epoch("us") / 1e6
    return column.cast(pl.Float64, strict=False).to_list()


def _family(table: pl.DataFrame, column: str, label_sets: list[Labels], shape: Shape) -> Family:
    family = _named(column, shape)
    for labels, value in zip(label_sets, _numbers(table, column), strict=True):
        if value is not None:
            family.add(value, labels)
    return family


def _long(table: pl.DataFrame, shape: Shape, column: str, label_sets: list[Labels]) -> list[Family]:
    families: dict[str, Family] = {}
    names = table[shape.metric].to_list()
    for name, labels, value in zip(names, label_sets, _numbers(table, column), strict=True):
        if name and value is not None:
            made = families.setdefault(str(name), _named(str(name), shape))
            made.add(value, labels)
    return list(families.values())


def _named(column: str, shape: Shape) -> Family:
    name = plain_name(f"{shape.prefix}{column}").lower()
    return Family(name, "counter" if name.endswith("_total") else "gauge", shape.help)


def _refuse_twins(family: Family) -> None:
    seen = set()
    for _, labels, _ in family.samples:
        key = tuple(labels.items())
        if key in seen:
            shown = ", ".join(f"{name}={value!r}" for name, value in key) or "no labels"
            raise ConfigError(
                f"two rows of {family.name} have the same labels ({shown}): "
                "make another column a label, or aggregate the rows"
            )
        seen.add(key)
