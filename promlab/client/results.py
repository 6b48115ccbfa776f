"""What a query answers, in a notebook: four classes, each of them readable as it stands.

    InstantVector   one sample a series
    RangeVector     samples of each series over a stretch of time
    Scalar          a number
    StringResult    a text

`.polars()` gives a long frame: `timestamp` (Datetime ms, UTC), `value` (Float64) and one
String column a label, empty where a series lacks it. A label that is itself called
`timestamp` or `value` becomes `label_timestamp` or `label_value`. Results are no frames and
never will be; labels are untrusted text and are escaped wherever they are shown as HTML.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple, Self, overload

import numpy as np
import numpy.typing as npt

from promlab.client import charts, frames, tables
from promlab.client.decode import Decoded, HistogramSample
from promlab.client.times import TimeLike, show_time, to_datetime, to_ms
from promlab.errors import ClientError
from promlab.model.labels import METRIC_NAME, LabelTable
from promlab.model.samples import SeriesBatch

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl


class Series(NamedTuple):
    """One series of a result: labels, times in ms UTC, values."""

    labels: dict[str, str]
    t_ms: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]

    @property
    def name(self) -> str:
        """The series as PromQL writes it: `up{job="node"}`."""
        return tables.series_text(self.labels)

    def __repr__(self) -> str:
        last = tables.number(float(self.values[-1])) if len(self.values) else "no samples"
        return f"<Series {self.name}: {len(self.values)} samples, last {last}>"


class SeriesList(Sequence[Series]):
    """The series of a result, made when they are asked for."""

    def __init__(self, batch: SeriesBatch) -> None:
        self._batch = batch

    def __len__(self) -> int:
        return self._batch.n

    @overload
    def __getitem__(self, i: int) -> Series: ...
    @overload
    def __getitem__(self, i: slice) -> list[Series]: ...
    def __getitem__(self, i: int | slice) -> Series | list[Series]:
        if isinstance(i, slice):
            return [self[j] for j in range(*i.indices(len(self)))]
        at = i + len(self) if i < 0 else i
        if not 0 <= at < len(self):
            raise IndexError(f"there are {len(self)} series: no series {i}")
        times, values = self._batch.series(at)
        return Series(self._batch.labels.row(at), times, values)

    def __iter__(self) -> Iterator[Series]:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        shown = [repr(series) for series in self[:10]]
        return "\n".join([*shown, *(["…"] if len(self) > 10 else [])]) or "no series"


class _Answer:
    """What all results have: the query, and what the server remarked about it."""

    kind = ""

    def __init__(
        self, query: str = "", warnings: tuple[str, ...] = (), infos: tuple[str, ...] = ()
    ) -> None:
        self.query, self.warnings, self.infos = query, warnings, infos

    def _notes(self) -> list[str]:
        return [*(f"warning: {text}" for text in self.warnings), *self.infos]


class Vector(_Answer, ABC):
    """Series with samples, as one batch of columns: what both kinds of vector share."""

    step_ms = 0  # between two samples, where all are so far apart

    def __init__(
        self,
        batch: SeriesBatch,
        *,
        query: str = "",
        warnings: tuple[str, ...] = (),
        infos: tuple[str, ...] = (),
        histograms: tuple[HistogramSample, ...] = (),
        why_empty: str = "",
    ) -> None:
        super().__init__(query, warnings, infos)
        self.batch, self.histograms, self.why_empty = batch, histograms, why_empty

    @property
    def series(self) -> SeriesList:
        """The series, one by one: `.series[0].labels`, `.t_ms`, `.values`."""
        return SeriesList(self.batch)

    def __len__(self) -> int:
        return self.batch.n

    def __bool__(self) -> bool:
        return self.batch.n > 0 or bool(self.histograms)

    def polars(self) -> pl.DataFrame:
        """Long Polars frame: timestamp, value, one column a label."""
        return frames.long_frame(self.batch)

    def pandas(self) -> pd.DataFrame:
        """The same frame in pandas; timestamps know their time zone (UTC)."""
        return frames.to_pandas(self.polars())

    def wide(self) -> pl.DataFrame:
        """Wide Polars frame: timestamp, and one column a series, named as PromQL writes it."""
        return frames.wide_frame(self.batch)

    def top(self, n: int) -> Self:
        """The n series with the largest last values (NaN comes last)."""
        return self._with(frames.take_series(self.batch, frames.by_last_value(self.batch)[:n]))

    def between(self, start: TimeLike | tuple[TimeLike, TimeLike], end: TimeLike = None) -> Self:
        """Only samples with start <= t <= end; also takes one pair, as a selection is."""
        first, last = start if isinstance(start, tuple) else (start, end)
        return self._with(frames.between(self.batch, to_ms(first), to_ms(last)))

    def chart(self) -> Any:
        """An Altair chart, to be extended with `+` and `.properties(...)`."""
        return charts.altair_chart(self)

    def _with(self, batch: SeriesBatch) -> Self:
        return type(self)(
            batch, query=self.query, warnings=self.warnings, infos=self.infos,
            histograms=self.histograms,
        )  # fmt: skip

    @abstractmethod
    def _heading(self) -> str:
        """One line that says what this is."""

    def __repr__(self) -> str:
        return tables.text_table(self, self._heading(), self._notes())

    def _repr_html_(self) -> str:
        return tables.html_table(self, self._heading(), self._notes())


class InstantVector(Vector):
    """One sample a series, all of about the same time."""

    kind = "vector"

    @property
    def values(self) -> npt.NDArray[np.float64]:
        """Value of each series, f64[n]."""
        return self.batch.values

    def _heading(self) -> str:
        when = show_time(int(self.batch.t_ms[0])) + " UTC" if len(self.batch.t_ms) else ""
        return _heading("instant vector", self, when)


class RangeVector(Vector):
    """Samples of each series over a stretch of time."""

    kind = "matrix"

    def __init__(self, batch: SeriesBatch, *, step_ms: int = 0, **options: Any) -> None:
        super().__init__(batch, **options)
        self.step_ms = step_ms

    def last(self) -> InstantVector:
        """The newest sample of each series."""
        batch = frames.last_samples(self.batch)
        return InstantVector(batch, query=self.query, warnings=self.warnings, infos=self.infos)

    def _with(self, batch: SeriesBatch) -> Self:
        made = super()._with(batch)
        made.step_ms = self.step_ms
        return made

    def _heading(self) -> str:
        times = self.batch.t_ms
        when = ""
        if len(times):
            first, last = int(times.min()), int(times.max())
            same_day = first // 86_400_000 == last // 86_400_000
            when = f"{show_time(first)} … {show_time(last, day=not same_day)} UTC"
        return _heading("range vector", self, f"{self.batch.sample_count:,} samples", when)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        bundle = {"text/plain": repr(self)}
        drawn = charts.svg(charts.chart_spec(self)) if len(self) else None
        if drawn is None:
            bundle["text/html"] = self._repr_html_()
        else:
            bundle["image/svg+xml"] = drawn
        return bundle


class Scalar(_Answer):
    """A number at a time. `float(scalar)` is the number."""

    kind = "scalar"

    def __init__(self, t_ms: int, value: float, **options: Any) -> None:
        super().__init__(**options)
        self.t_ms, self.value = t_ms, value

    @property
    def timestamp(self) -> datetime:
        """When, UTC."""
        return to_datetime(self.t_ms)

    def __float__(self) -> float:
        return self.value

    def polars(self) -> pl.DataFrame:
        """A frame of one row: timestamp, value."""
        return frames.long_frame(frames.single(self.t_ms, self.value))

    def pandas(self) -> pd.DataFrame:
        """The same frame in pandas."""
        return frames.to_pandas(self.polars())

    def __repr__(self) -> str:
        shown = f"scalar at {show_time(self.t_ms)} UTC: {tables.number(self.value)}"
        return "\n".join([shown, *self._notes()])


class StringResult(_Answer):
    """A text at a time. `str(result)` is the text."""

    kind = "string"

    def __init__(self, t_ms: int, value: str, **options: Any) -> None:
        super().__init__(**options)
        self.t_ms, self.value = t_ms, value

    def __str__(self) -> str:
        return self.value

    def __repr__(self) -> str:
        return f"string at {show_time(self.t_ms)} UTC: {self.value!r}"


Result = InstantVector | RangeVector | Scalar | StringResult


def to_result(decoded: Decoded, query: str, step_ms: int = 0) -> Result:
    """The result object of a decoded answer. Raises ClientError for an unknown kind."""
    notes: dict[str, Any] = {
        "query": query, "warnings": decoded.warnings, "infos": decoded.infos
    }  # fmt: skip
    if decoded.kind == "vector":
        return InstantVector(decoded.batch, histograms=decoded.histograms, **notes)
    if decoded.kind == "matrix":
        return RangeVector(decoded.batch, step_ms=step_ms, histograms=decoded.histograms, **notes)
    if decoded.kind in ("scalar", "string") and decoded.single is not None:
        t_ms, text = decoded.single
        if decoded.kind == "string":
            return StringResult(t_ms, text, **notes)
        return Scalar(t_ms, float(text), **notes)
    raise ClientError(f"the server answers with {decoded.kind!r}, which is no kind of result")


def metric_names(labels: LabelTable) -> list[str]:
    """Distinct metric names of a result, sorted."""
    return sorted(set(labels.symbols.texts(np.unique(labels.column(METRIC_NAME)))) - {""})


def _heading(kind: str, result: Vector, *parts: str) -> str:
    n = len(result)
    counted = f"{n:,} series" if n else "no series"
    extra = f"{len(result.histograms)} histogram samples" if result.histograms else ""
    return " · ".join(part for part in (kind, counted, *parts, extra) if part)
