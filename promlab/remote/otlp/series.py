"""Samples of data points: a row for each sample, as many for a histogram as it has series."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from promlab.config.otlp import OTLPConfig
from promlab.model.float_text import format_plain
from promlab.model.histograms import HistogramTable
from promlab.model.labels import METRIC_NAME, Codes, Symbols
from promlab.model.samples import STALE_BITS, Values
from promlab.model.wire import Decoded, decode
from promlab.remote.otlp.exemplars import PointExemplar, RowOf, read_exemplars
from promlab.remote.otlp.histograms import explicit_table, exponential_table, read_classic
from promlab.remote.otlp.names import Style
from promlab.remote.otlp.points import (
    KINDS,
    LEFT_OUT,
    Index,
    Metrics,
    Points,
    read_metrics,
    read_points,
)
from promlab.remote.otlp.rows import OtlpSamples, Rows
from promlab.remote.otlp.schema import REQUEST

_MOST_PARTS = 1 << 22  # fields of one request: 84 MB of columns
_INFO_EVERY_MS = 150_000  # half of the default lookback: target_info is never missing


def read_request(
    body: bytes, config: OTLPConfig, *, delta: int = LEFT_OUT, typed: bool = False
) -> OtlpSamples:
    """The samples of a protobuf request. Raises BadMessage.

    Unless `delta` is LEFT_OUT points that are differences are among them, and marked. With `typed`
    there are the labels `__type__` and `__unit__`.
    """
    found = decode(body, REQUEST, most=_MOST_PARTS)
    symbols = Symbols()
    metrics = read_metrics(found, config, symbols, typed=typed)
    rows, skipped, exemplars = Rows(symbols), list[str](), list[PointExemplar]()
    times = []
    for kind in KINDS:
        points = read_points(found, kind, metrics, config, symbols, delta=delta)
        lost = found.count(f"{kind}.point") - points.n
        if lost:
            skipped.append(f"{lost} points of {kind} metrics: no name, or not cumulative")
        times.append((metrics.resource[points.metric], points.t_ms))
        before = rows.n
        row_of = _ADDERS[kind](rows, found, metrics, points, config)
        if kind == "exponential" and rows.n - before < points.n:
            skipped.append("exponential histograms with a scale below -4")
        exemplars += read_exemplars(found, kind, points.at, row_of)
    _add_target_info(rows, metrics, config, times)
    return rows.done([e for e in exemplars if e.row >= 0], skipped)


def _names(rows: Rows, metrics: Metrics, metric: Index, suffix: str = "") -> Codes:
    distinct, which = np.unique(metric, return_inverse=True)
    codes = rows.symbols.codes(metrics.names[i] + suffix for i in distinct.tolist())
    return codes[which] if len(metric) else np.zeros(0, np.uint32)


def _ended(values: Values, points: Points) -> Values:
    """The values, a staleness marker where a point says that there is none."""
    return np.where(points.ended, np.uint64(STALE_BITS), values.view(np.uint64)).view(np.float64)


def _row_of(rows: Index) -> RowOf:
    return lambda point, _value: int(rows[point])


def _add_numbers(
    rows: Rows, body: Decoded, metrics: Metrics, points: Points, _config: OTLPConfig
) -> RowOf:
    n = body.count(f"{points.kind}.point")
    doubles = body.floats(f"{points.kind}_point.double", n)
    whole = body.integers(f"{points.kind}_point.int", n).astype(np.float64)
    given = body.has(f"{points.kind}_point.int", n)
    values = np.where(given, whole, doubles)[points.at]
    names = _names(rows, metrics, points.metric)
    values = _ended(values, points)
    return _row_of(
        rows.add(points.labels, names, points.t_ms, values, points.start_ms, points.delta)
    )


def _add_summaries(
    rows: Rows, body: Decoded, metrics: Metrics, points: Points, _config: OTLPConfig
) -> RowOf:
    n = body.count("summary.point")
    counts = body.words("summary_point.count", n).astype(np.float64)[points.at]
    sums = body.floats("summary_point.sum", n)[points.at]
    _add_suffixed(rows, metrics, points, "_sum", sums)
    row_of = _add_suffixed(rows, metrics, points, "_count", counts)
    total = body.count("summary_point.quantile")
    which = np.full(n, -1, np.int64)
    which[points.at] = np.arange(points.n)
    owner = which[body.field("summary_point.quantile").owners]
    mine = np.flatnonzero(owner >= 0)
    bounds = body.floats("quantile.quantile", total)[mine]
    values = body.floats("quantile.value", total)[mine]
    _add_bounded(rows, metrics, points, owner[mine], "", "quantile", bounds, values)
    return _row_of(row_of)


def _add_suffixed(
    rows: Rows, metrics: Metrics, points: Points, suffix: str, values: Values
) -> Index:
    names = _names(rows, metrics, points.metric, suffix)
    values = _ended(values, points)
    return rows.add(points.labels, names, points.t_ms, values, points.start_ms, points.delta)


def _add_bounded(
    rows: Rows,
    metrics: Metrics,
    points: Points,
    owner: Index,
    suffix: str,
    label: str,
    bounds: Values,
    values: Values,
) -> Index:
    """Rows with a bound in a label: buckets and quantiles."""
    labels = {name: codes[owner] for name, codes in points.labels.items()}
    distinct, which = np.unique(bounds, return_inverse=True)
    codes = rows.symbols.codes(map(format_plain, distinct.tolist()))
    labels[label] = codes[which] if len(bounds) else np.zeros(0, np.uint32)
    stale = points.ended[owner]
    bits = np.where(stale, np.uint64(STALE_BITS), values.view(np.uint64)).view(np.float64)
    names = _names(rows, metrics, points.metric[owner], suffix)
    return rows.add(
        labels, names, points.t_ms[owner], bits, points.start_ms[owner], points.delta[owner]
    )


def _add_explicit(
    rows: Rows, body: Decoded, metrics: Metrics, points: Points, config: OTLPConfig
) -> RowOf:
    classic = read_classic(body, points)
    if config.convert_histograms_to_nhcb:
        return _row_of(_add_native(rows, metrics, points, explicit_table(classic, points)))
    part = _part(points, classic.has_sum)
    _add_suffixed(rows, metrics, part, "_sum", classic.sums[classic.has_sum])
    _add_suffixed(rows, metrics, points, "_count", classic.counts)
    owner, bounds, counts = classic.owner, classic.bounds, classic.cumulative()
    buckets = _add_bounded(rows, metrics, points, owner, "_bucket", "le", bounds, counts)

    def bucket_of(point: int, value: float) -> int:
        start, end = int(classic.offsets[point]), int(classic.offsets[point + 1])
        place = int(np.searchsorted(bounds[start:end], value))
        return int(buckets[min(start + place, end - 1)])

    return bucket_of


def _part(points: Points, which: npt.NDArray[np.bool_]) -> Points:
    labels = {name: codes[which] for name, codes in points.labels.items()}
    return Points(
        points.kind,
        points.at[which],
        points.metric[which],
        points.t_ms[which],
        points.start_ms[which],
        points.ended[which],
        points.delta[which],
        labels,
    )


def _add_native(rows: Rows, metrics: Metrics, points: Points, table: HistogramTable) -> Index:
    names = _names(rows, metrics, points.metric)
    values = _ended(np.zeros(points.n), points)
    row_of = rows.add(points.labels, names, points.t_ms, values, points.start_ms, points.delta)
    if points.n:
        index = np.where(points.ended, -1, np.arange(points.n))
        rows.add_histograms(int(row_of[0]), table, index)
    return row_of


def _add_exponential(
    rows: Rows, body: Decoded, metrics: Metrics, points: Points, _config: OTLPConfig
) -> RowOf:
    table, fits = exponential_table(body, points)
    row_of = np.full(points.n, -1, np.int64)
    row_of[fits] = _add_native(rows, metrics, _part(points, fits), table)
    return _row_of(row_of)


def _add_target_info(
    rows: Rows, metrics: Metrics, config: OTLPConfig, times: list[tuple[Index, Index]]
) -> None:
    """What else is known of each resource, for as long as its points reach."""
    resources = metrics.resources
    n = len(resources.job)
    oldest, newest = np.full(n, np.iinfo(np.int64).max), np.full(n, np.iinfo(np.int64).min)
    for resource, t_ms in times:
        np.minimum.at(oldest, resource, t_ms)
        np.maximum.at(newest, resource, t_ms)
    known = (resources.job != 0) | (resources.instance != 0)
    chosen = np.flatnonzero(resources.informative & known & (oldest <= newest))
    if not len(chosen):
        return
    # Times that are far apart come from a backlog; more than this is a mistake.
    steps = np.minimum(-((oldest - newest)[chosen] // _INFO_EVERY_MS), 1000)  # rounded up
    resource = np.repeat(chosen, steps + 1)
    step = np.arange(len(resource)) - np.repeat(np.cumsum(steps + 1) - (steps + 1), steps + 1)
    last = step == np.repeat(steps, steps + 1)
    t_ms = np.where(last, newest[resource], oldest[resource] + step * _INFO_EVERY_MS)
    labels = resources.info_labels(config, Style.of(config), rows.symbols)
    taken = {name: codes[resource] for name, codes in labels.items()}
    names = taken.pop(METRIC_NAME)
    n = len(t_ms)
    rows.add(taken, names, t_ms, np.ones(n), np.zeros(n, np.int64), np.zeros(n, np.bool_))


_ADDERS = {
    "gauge": _add_numbers,
    "sum": _add_numbers,
    "histogram": _add_explicit,
    "exponential": _add_exponential,
    "summary": _add_summaries,
}
