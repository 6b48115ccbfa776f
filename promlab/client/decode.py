"""Answers of the query API as columns, from JSON or from an Arrow stream.

JSON points are `[1435781451.781,"0.5"]` pairs, in lists a series. They are never turned into
Python objects: brackets and quotes are deleted from the bytes, and numpy reads what is left
as one long list of numbers.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from promlab.client.arrow import stream_metadata
from promlab.errors import ClientError
from promlab.model.labels import LabelTable, Symbols
from promlab.model.samples import SeriesBatch

_PUNCTUATION = b'[]" \t\r\n'
_MAX_TIME_MS = 2.0**53
_HISTOGRAM_COLUMNS = ("histogram", "histogram_count", "histogram_sum", "histogram_buckets")
_NO_POINTS = msgspec.Raw(b"[]")


@dataclass(frozen=True, slots=True)
class HistogramSample:
    """One sample of a native histogram, as the API gives it.

    `buckets` are (boundary rule 0-3, lower, upper, count) rows.
    """

    labels: dict[str, str]
    t_ms: int
    count: float
    sum: float
    buckets: tuple[tuple[int, float, float, float], ...]


class Decoded(NamedTuple):
    """A query's answer: `batch` for vectors and matrices, `single` for scalar and string."""

    kind: str  # vector, matrix, scalar or string
    batch: SeriesBatch
    histograms: tuple[HistogramSample, ...]
    single: tuple[int, str] | None
    warnings: tuple[str, ...]
    infos: tuple[str, ...]


class _Series(msgspec.Struct):
    metric: dict[str, str]
    value: msgspec.Raw = _NO_POINTS
    values: msgspec.Raw = _NO_POINTS
    histogram: msgspec.Raw = _NO_POINTS
    histograms: msgspec.Raw = _NO_POINTS


class _Result(msgspec.Struct):
    resultType: str  # noqa: N815 - the API's own name
    result: msgspec.Raw


class _Envelope(msgspec.Struct):
    status: str
    data: msgspec.Raw = _NO_POINTS
    warnings: list[str] = []
    infos: list[str] = []


def envelope(body: bytes, url: str = "") -> _Envelope:
    """The outer object of any JSON answer. Raises ClientError."""
    try:
        return msgspec.json.decode(body, type=_Envelope)
    except (msgspec.DecodeError, UnicodeDecodeError):
        start = body[:80].decode("utf-8", "replace")
        raise ClientError(
            f"{url or 'the server'} does not answer like Prometheus: {start!r}", url=url
        ) from None


def query_json(body: bytes, url: str = "") -> Decoded:
    """The columns of a JSON answer to a query. Raises ClientError."""
    outer = envelope(body, url)
    try:
        found = msgspec.json.decode(outer.data, type=_Result)
        notes = tuple(outer.warnings), tuple(outer.infos)
        if found.resultType in ("scalar", "string"):
            seconds, text = msgspec.json.decode(found.result, type=tuple[float, str])
            empty = SeriesBatch.empty(Symbols())
            return Decoded(found.resultType, empty, (), (round(seconds * 1000), text), *notes)
        series = msgspec.json.decode(found.result, type=list[_Series])
        batch, histograms = _columns(series)
        return Decoded(found.resultType, batch, histograms, None, *notes)
    except (msgspec.DecodeError, ValueError, OverflowError) as error:
        raise ClientError(f"the answer of {url or 'the server'} is damaged: {error}") from None


def query_arrow(body: bytes, url: str = "") -> Decoded:
    """The columns of an Arrow stream: a long frame sorted by series, times ascending."""
    import polars as pl

    try:
        metadata = stream_metadata(body)
        frame = pl.read_ipc_stream(io.BytesIO(body))
        notes = [
            tuple(msgspec.json.decode(metadata.get(name) or "[]", type=list[str]))
            for name in ("warnings", "infos")
        ]
        kind = metadata.get("resultType") or "matrix"
        names = msgspec.json.decode(metadata.get("labels") or "[]", type=list[str])
        with_histograms = "histograms" in metadata
        batch = _batch_of_frame(frame, names, with_histograms)
        batch, samples = _apart(batch, frame) if with_histograms else (batch, ())
    except (pl.exceptions.PolarsError, msgspec.DecodeError, ValueError, OSError) as error:
        raise ClientError(f"the answer of {url or 'the server'} is damaged: {error}") from None
    single = None
    if kind == "scalar":
        single = int(batch.t_ms[0]), repr(float(batch.values[0]))
    return Decoded(kind, batch, samples, single, *notes)


def _columns(series: list[_Series]) -> tuple[SeriesBatch, tuple[HistogramSample, ...]]:
    floats = [s for s in series if len(s.value) > 2 or len(s.values) > 2]
    raws = [bytes(s.values if len(s.values) > 2 else s.value) for s in floats]
    counts = [max(raw.count(b"[") - raw.startswith((b"[[", b"[ [")), 1) for raw in raws]
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    times, values = _points(b",".join(raws), int(offsets[-1]))
    labels = LabelTable.from_dicts([s.metric for s in floats], Symbols())
    batch = SeriesBatch(labels, offsets, offsets[:-1].copy(), times, values)
    return batch, tuple(sample for s in series for sample in _histograms(s))


def _points(raw: bytes, count: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    if not count:
        return np.zeros(0, np.int64), np.zeros(0)
    text = raw.translate(None, _PUNCTUATION).decode("ascii")
    numbers: npt.NDArray[np.float64] = np.fromstring(text, np.float64, sep=",")
    if len(numbers) != 2 * count:
        raise ValueError(f"{count} points have {len(numbers)} numbers")
    times = np.rint(numbers[0::2] * 1000)
    if not np.all(np.abs(times) < _MAX_TIME_MS):
        raise ValueError("a time is out of range")
    return times.astype(np.int64), np.ascontiguousarray(numbers[1::2])


def _histograms(series: _Series) -> list[HistogramSample]:
    if len(series.histogram) > 2:
        points = [msgspec.json.decode(series.histogram)]
    elif len(series.histograms) > 2:
        points = msgspec.json.decode(series.histograms)
    else:
        return []
    return [_histogram(series.metric, *point) for point in points]


def _histogram(labels: dict[str, str], seconds: float, parts: dict[str, Any]) -> HistogramSample:
    buckets = tuple(
        (int(rule), float(low), float(high), float(count))
        for rule, low, high, count in parts.get("buckets", ())
    )
    t_ms = round(seconds * 1000)
    return HistogramSample(labels, t_ms, float(parts["count"]), float(parts["sum"]), buckets)


def _apart(batch: SeriesBatch, frame: Any) -> tuple[SeriesBatch, tuple[HistogramSample, ...]]:
    """A batch of floats, and the histograms that were among them."""
    kinds, counts, sums, buckets = (frame[name] for name in _HISTOGRAM_COLUMNS)
    is_histogram = kinds.to_numpy() == 1
    sizes = np.diff(batch.offsets)
    series = np.repeat(np.arange(batch.n), sizes)
    samples = []
    for i in np.flatnonzero(is_histogram).tolist():
        parts = buckets[i].to_list()
        rows = zip(*(parts[k::4] for k in range(4)), strict=True)
        made = tuple((int(rule), low, high, count) for rule, low, high, count in rows)
        labels = batch.labels.row(int(series[i]))
        samples.append(HistogramSample(labels, int(batch.t_ms[i]), counts[i], sums[i], made))
    left = np.bincount(series[~is_histogram], minlength=batch.n)
    kept = np.flatnonzero(left)
    offsets = np.concatenate([[0], np.cumsum(left[kept])]).astype(np.int64)
    floats = SeriesBatch(
        batch.labels.take(kept),
        offsets,
        offsets[:-1].copy(),
        batch.t_ms[~is_histogram],
        batch.values[~is_histogram],
    )
    return floats, tuple(samples)


def _batch_of_frame(frame: Any, labels: list[str], with_histograms: bool) -> SeriesBatch:
    """`labels` are the labels' own names: a column may have to be called otherwise."""
    import polars as pl

    own_columns = {"timestamp", "value", *(_HISTOGRAM_COLUMNS if with_histograms else ())}
    names = [name for name in frame.columns if name not in own_columns]
    own = dict(zip(names, labels or names, strict=True))
    times = frame["timestamp"].cast(pl.Datetime("ms")).to_physical().to_numpy()
    values = frame["value"].cast(pl.Float64).to_numpy()
    if not names:
        starts = np.zeros(min(1, frame.height), np.int64)
    else:
        ids = frame.select(pl.struct(names).rle_id()).to_series().to_numpy().astype(np.int64)
        steps = np.flatnonzero(np.diff(ids))
        starts = np.concatenate([[0], steps + 1]).astype(np.int64)[: frame.height]
    symbols = Symbols()
    rows = frame[starts.tolist()]
    columns = {
        own[name]: symbols.codes(rows[name].cast(pl.String).fill_null("").to_list())
        for name in names
    }
    table = LabelTable(len(starts), columns, symbols)
    offsets = np.append(starts, frame.height).astype(np.int64)
    return SeriesBatch(table, offsets, offsets[:-1].copy(), np.array(times), np.array(values))
