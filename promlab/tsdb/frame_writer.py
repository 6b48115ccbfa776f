"""`promlab.tsdb.write_frame`: the rows of a Polars or pandas frame, stored as blocks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from promlab.errors import StorageError
from promlab.model.labels import METRIC_NAME, LabelTable
from promlab.tsdb.blocks.importing import BlockImporter

if TYPE_CHECKING:
    import polars as pl


def write_frame(
    directory: str | Path,
    frame: Any,
    *,
    name: str = "",
    timestamp: str = "timestamp",
    value: str = "value",
    labels: Sequence[str] | None = None,
) -> int:
    """Store a frame with one row a sample in a data directory; how many samples were new.

    `timestamp` names a column of dates, or of integers in ms; `value` one of numbers. All other
    columns are labels, or those of `labels`; null and "" mean no label. `name` is the metric
    of rows that have no column __name__. Raises StorageError if the frame does not fit.
    """
    import polars as pl

    data: pl.DataFrame = frame if isinstance(frame, pl.DataFrame) else _as_polars(frame)
    for column in (timestamp, value, *(labels or ())):
        if column not in data.columns:
            raise StorageError(f"the frame has no column {column!r}: it has {data.columns}")
    names = [c for c in data.columns if c not in (timestamp, value)] if labels is None else labels
    data = data.drop_nulls([timestamp, value])
    try:
        t_ms = _times(data[timestamp])
        values = data[value].cast(pl.Float64).to_numpy()
    except (pl.exceptions.PolarsError, ValueError) as error:
        raise StorageError(f"the frame can't be stored: {error}") from None
    importer = BlockImporter(Path(directory))
    columns = {label: _codes(data[label], importer) for label in names}
    if METRIC_NAME not in columns:
        if not name:
            raise StorageError("the frame has no column __name__: say name='my_metric'")
        columns[METRIC_NAME] = np.full(len(data), importer.symbols.code(name), np.uint32)
    if not (columns[METRIC_NAME] > 0).all():
        raise StorageError("some rows of the frame have no __name__")
    importer.add(LabelTable(len(data), columns, importer.symbols), t_ms, values)
    importer.finish()
    return importer.samples


def _as_polars(frame: Any) -> pl.DataFrame:
    import polars as pl

    if hasattr(frame, "collect"):
        found = frame.collect()
    elif hasattr(frame, "columns") and hasattr(frame, "index"):
        found = pl.from_pandas(frame)
    else:
        found = pl.DataFrame(frame)
    if not isinstance(found, pl.DataFrame):
        raise StorageError(f"{type(frame).__name__} is no frame")
    return found


def _times(column: pl.Series) -> Any:
    import polars as pl

    if column.dtype.is_temporal():
        return column.dt.timestamp("ms").to_numpy()
    if column.dtype.is_integer():
        return column.cast(pl.Int64).to_numpy()
    raise StorageError(f"column {column.name!r} is {column.dtype}: dates or integers in ms fit")


def _codes(column: pl.Series, importer: BlockImporter) -> Any:
    import polars as pl

    texts = column.cast(pl.String).fill_null("")
    distinct = texts.unique()
    codes = importer.symbols.codes(distinct.to_list())
    return texts.replace_strict(distinct, pl.Series(codes), return_dtype=pl.UInt32).to_numpy(
        writable=True
    )
