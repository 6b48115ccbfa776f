"""Anything that holds samples to one `SeriesBatch`: frames, files, results, several of them.

A row without a value is no sample; a row without a time is an error, and so are two samples
of one series at one time that differ. Times are kept to the millisecond, naive ones are UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from promlab.client.results import Vector
from promlab.client.times import show_time
from promlab.errors import FrameError, PromQLSyntaxError
from promlab.frames.columns import Columns, Layout, find_layout
from promlab.model.labels import METRIC_NAME, LabelTable, Symbols
from promlab.model.matchers import MatchType
from promlab.model.samples import SeriesBatch

if TYPE_CHECKING:
    import polars as pl

Longs = npt.NDArray[np.int64]
_TIME, _VALUE = "\0time", "\0value"
_MS = {"s": 1000.0, "ms": 1.0, "us": 1e-3, "ns": 1e-6}
_MAX_MS = 2**53


def to_batch(data: Any, columns: Columns) -> SeriesBatch:
    """The samples of `data`, each series sorted by time. Raises FrameError."""
    if isinstance(data, SeriesBatch):
        return data
    if isinstance(data, Vector):
        return data.batch
    if isinstance(data, Mapping):
        return _joined(data, columns)
    frame = lazy_frame(data)
    layout = find_layout(frame.collect_schema(), columns)
    return _series(_read(frame, layout), layout)


def lazy_frame(data: Any) -> pl.LazyFrame:
    """A lazy Polars frame of a frame of any kind, or of a file. Raises FrameError."""
    import polars as pl

    if isinstance(data, pl.LazyFrame):
        return data
    if isinstance(data, pl.DataFrame):
        return data.lazy()
    if isinstance(data, str | Path):
        return _file(Path(data))
    kind = type(data)
    if kind.__module__.partition(".")[0] == "pandas":
        return _of_pandas(data)
    if kind.__module__.partition(".")[0] == "pyarrow" or hasattr(data, "__arrow_c_stream__"):
        found = pl.DataFrame(data)
        return found.lazy()
    raise FrameError(
        f"a {kind.__name__} is nothing to query: give a Polars or pandas frame, the path of a "
        "Parquet file, a result of a query, or a dict of them by metric name"
    )


def _file(path: Path) -> pl.LazyFrame:
    import polars as pl

    if not any(mark in str(path) for mark in "*?[") and not path.exists():
        raise FrameError(f"there is no file {path}")
    kinds = {".csv": pl.scan_csv, ".arrow": pl.scan_ipc, ".feather": pl.scan_ipc}
    kinds[".ipc"] = pl.scan_ipc
    scan: Any = kinds.get(path.suffix.lower(), pl.scan_parquet)
    try:
        frame: pl.LazyFrame = scan(path)
        frame.collect_schema()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise FrameError(f"{path} can't be read: {str(error).splitlines()[0]}") from None
    return frame


def _of_pandas(data: Any) -> pl.LazyFrame:
    import polars as pl

    frame = data.to_frame(data.name or "value") if data.ndim == 1 else data
    if type(frame.index).__name__ != "RangeIndex":
        names = [name if name is not None else f"level_{i}" for i, name in
                 enumerate(frame.index.names)]  # fmt: skip
        if type(frame.index).__name__ == "DatetimeIndex" and frame.index.name is None:
            names = ["timestamp"]
        if frame.index.names == [None] and names != ["timestamp"]:
            frame = frame.reset_index(drop=True)  # numbers of rows that were chosen or sorted
        else:
            frame = frame.rename_axis(index=names).reset_index()
    found: pl.DataFrame = pl.from_pandas(frame.rename(columns=str))
    return found.lazy()


def _read(frame: pl.LazyFrame, layout: Layout) -> pl.DataFrame:
    """Time in ms, value, and labels as text: one row a sample."""
    import polars as pl

    index = [layout.timestamp, *layout.labels]
    if len(layout.values) > 1:
        # One type for all: integers and floats don't go into one column by themselves.
        frame = frame.with_columns(pl.col(layout.values).cast(pl.Float64)).unpivot(
            list(layout.values), index=index, variable_name=METRIC_NAME, value_name=_VALUE
        )
        labels = [*layout.labels, METRIC_NAME]
    else:
        frame = frame.with_columns(pl.col(layout.values[0]).alias(_VALUE))
        labels = list(layout.labels)
    schema = frame.collect_schema()
    try:
        return (
            frame.filter(pl.col(_VALUE).is_not_null())
            .select(
                _time(schema[layout.timestamp], layout).alias(_TIME),
                pl.col(_VALUE).cast(pl.Float64),
                *(pl.col(name).cast(pl.String).fill_null("") for name in labels),
            )
            .collect()
        )
    except pl.exceptions.PolarsError as error:
        raise FrameError(f"the frame can't be read: {str(error).splitlines()[0]}") from None


def _time(kind: pl.DataType, layout: Layout) -> pl.Expr:
    """Times: ms as integers, or numbers of a unit that is still to be told from their size."""
    import polars as pl

    column = pl.col(layout.timestamp)
    if kind == pl.String:
        column = column.str.to_datetime(time_unit="us", time_zone="UTC")
    elif kind.is_numeric():
        return column.cast(pl.Float64)
    elif not kind.is_temporal() or kind in (pl.Time, pl.Duration):
        raise FrameError(
            f"column {layout.timestamp!r} is {kind}, which is no time: say which column is with "
            "timestamp=..."
        )
    return column.cast(pl.Datetime("ms")).to_physical()


def _times_ms(times: pl.Series, layout: Layout) -> Longs:
    if times.null_count():
        raise FrameError(
            f"{times.null_count()} rows with a value have no time in {layout.timestamp!r}: "
            "filter them out"
        )
    if times.dtype.is_integer():
        return np.array(times.to_numpy(), np.int64)
    numbers = times.to_numpy()
    if not np.isfinite(numbers).all():
        raise FrameError(f"column {layout.timestamp!r} holds numbers that are no times")
    unit = layout.unit or _unit_of(float(np.abs(numbers).max(initial=0.0)))
    ms = np.floor(numbers * _MS[unit] + 1e-6)
    if len(ms) and np.abs(ms).max() > _MAX_MS:
        raise FrameError(f"times in {layout.timestamp!r} are out of range: say unit=...")
    return ms.astype(np.int64)


def _unit_of(largest: float) -> str:
    """Seconds, ms, µs or ns since 1970, whichever puts the times before the year 5138."""
    return "s" if largest < 1e11 else "ms" if largest < 1e14 else "us" if largest < 1e17 else "ns"


def _series(rows: pl.DataFrame, layout: Layout) -> SeriesBatch:
    times, values = _times_ms(rows[_TIME], layout), np.array(rows[_VALUE].to_numpy(), np.float64)
    symbols = Symbols()
    codes = {
        name: _codes(rows[name], symbols) for name in rows.columns if name not in (_TIME, _VALUE)
    }
    ids = _ids(len(times), codes)
    later = (ids[1:] > ids[:-1]) | ((ids[1:] == ids[:-1]) & (times[1:] > times[:-1]))
    if not later.all():
        order = np.lexsort((times, ids))
        ids, times, values = ids[order], times[order], values[order]
        codes = {name: column[order] for name, column in codes.items()}
    first = np.flatnonzero(np.diff(ids, prepend=-1))
    columns = {name: column[first] for name, column in codes.items()}
    if layout.name:
        columns[METRIC_NAME] = np.full(len(first), symbols.code(layout.name), np.uint32)
    labels = LabelTable(len(first), columns, symbols)
    if len(layout.values) > 1:
        labels = _with_written_labels(labels)
    kept = _distinct(ids, times, values, labels)
    offsets = np.searchsorted(ids[kept], np.arange(len(first) + 1)).astype(np.int64)
    return SeriesBatch(labels, offsets, offsets[:-1].copy(), times[kept], values[kept])


def _codes(texts: pl.Series, symbols: Symbols) -> npt.NDArray[np.uint32]:
    import polars as pl

    numbers = texts.cast(pl.Categorical).to_physical().to_numpy()
    _, first, inverse = np.unique(numbers, return_index=True, return_inverse=True)
    return symbols.codes(texts.gather(first).to_list())[inverse]


def _ids(n: int, codes: Mapping[str, npt.NDArray[np.uint32]]) -> Longs:
    """A number for each row: that of its label set."""
    ids = np.zeros(n, np.int64)
    for column in codes.values():
        key = ids * (int(column.max(initial=0)) + 1) + column
        _, inverse = np.unique(key, return_inverse=True)
        ids = inverse.astype(np.int64)
    return ids


def _distinct(
    ids: Longs, times: Longs, values: npt.NDArray[np.float64], labels: LabelTable
) -> npt.NDArray[np.bool_]:
    """Rows but those that say again what the one before says. Raises FrameError."""
    again = np.zeros(len(ids), np.bool_)
    again[1:] = (ids[1:] == ids[:-1]) & (times[1:] == times[:-1])
    bits = values.view(np.int64)
    differ = np.flatnonzero(again[1:] & (bits[1:] != bits[:-1])) + 1
    if len(differ):
        from promlab.client.tables import series_text

        at = int(differ[0])
        raise FrameError(
            f"{series_text(labels.row(int(ids[at])))} has two values at "
            f"{show_time(int(times[at]))} UTC: {values[at - 1]} and {values[at]}. Name the column "
            "that tells them apart in labels=[...], or aggregate the frame first"
        )
    return ~again


def _with_written_labels(labels: LabelTable) -> LabelTable:
    """Columns of a wide frame may be called as PromQL writes a series: `up{job="a"}`."""
    texts = labels.symbols.texts(labels.column(METRIC_NAME))
    if not any("{" in text for text in texts):
        return labels
    rows = [{**labels.row(i), **_written(text)} for i, text in enumerate(texts)]
    return LabelTable.from_dicts(rows, labels.symbols)


def _written(text: str) -> dict[str, str]:
    from promlab.promql import parse
    from promlab.promql.ast import VectorSelector

    try:
        found = parse(text)
    except PromQLSyntaxError:
        return {}
    if not isinstance(found, VectorSelector):
        return {}
    if any(matcher.type is not MatchType.EQUAL for matcher in found.matchers):
        return {}
    return {METRIC_NAME: "", **{matcher.name: matcher.value for matcher in found.matchers}}


def _joined(parts: Mapping[str, Any], columns: Columns) -> SeriesBatch:
    """Several frames, each a metric."""
    from dataclasses import replace

    symbols, rows, times, values = Symbols(), [], [], []
    for name, data in parts.items():
        batch = to_batch(data, replace(columns, name=columns.name or name))
        for s in range(batch.n):
            at, found = batch.series(s)
            rows.append({**batch.labels.row(s), METRIC_NAME: name})
            times.append(at)
            values.append(found)
    return SeriesBatch.from_series(LabelTable.from_dicts(rows, symbols), times, values)
