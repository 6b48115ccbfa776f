"""The samples of a protobuf body: which there are, in which order, and their numbers.

A metric of the body becomes one row, or as many as a summary or a classic histogram has
series in the text format. A native histogram is one row, whose value is in a table.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from promlab.exposition.family_schema import (
    COUNTER,
    GAUGE,
    GAUGE_HISTOGRAM,
    HISTOGRAM,
    SUMMARY,
    TYPES,
    UNTYPED,
)
from promlab.exposition.line_kernels import NO_TIME
from promlab.model.wire import BadMessage, Decoded

Index = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

PLAIN, BUCKET, SUM, COUNT, QUANTILE = range(5)  # what a row is of its metric
SUFFIXES = ("", "_bucket", "_sum", "_count", "")
_SIMPLE = ((COUNTER, "counter"), (GAUGE, "gauge"), (UNTYPED, "untyped"))


class Rows(NamedTuple):
    """Columns of all rows; `bound` is the le or quantile of a row that has one."""

    metric: Index
    kind: Index
    bound: Floats
    values: Floats
    histogram: Index  # ordinal of the histogram message whose native form this row is, or -1
    bucket: Index  # ordinal of the bucket message, or -1
    start_ms: Index  # 0 where it is not known

    @property
    def n(self) -> int:
        """Number of rows."""
        return len(self.metric)


class Metrics(NamedTuple):
    """What holds for whole metrics: family, type, timestamp (NO_TIME for none)."""

    family: Index
    type: Index
    t_ms: Index


def read_metrics(body: Decoded) -> Metrics:
    """The metrics of a body. Raises BadMessage for a type that is not one."""
    families, metrics = body.count("body.family"), body.count("family.metric")
    types = body.integers("family.type", families)
    if ((types < 0) | (types >= len(TYPES))).any():
        raise BadMessage("a metric family has an unknown type")
    family = body.field("family.metric").owners.astype(np.int64)
    t_ms = body.integers("metric.t_ms", metrics)
    return Metrics(family, types[family], np.where(t_ms == 0, NO_TIME, t_ms))


def read_rows(body: Decoded, metrics: Metrics, *, native: bool, classic: bool) -> Rows:
    """All rows of a body.

    Without `native` a native histogram's own form is left out; with `classic` the classic
    form is read of one that has both.
    """
    parts = [_simple(body, metrics, type_, name) for type_, name in _SIMPLE]
    parts += _summaries(body, metrics)
    parts += _histograms(body, metrics, native, classic)
    joined = [np.concatenate(columns) for columns in zip(*parts, strict=True)]
    order = np.argsort(joined[0], kind="stable")
    return Rows._make(column[order] for column in joined)


def is_native(body: Decoded) -> Flags:
    """Which histogram messages have a native form: spans, or a zero bucket."""
    n = body.count("metric.histogram")
    spans = body.has("histogram.negative_span", n) | body.has("histogram.positive_span", n)
    zeros = body.words("histogram.zero_count", n) > 0
    zeros |= body.floats("histogram.zero_count_float", n) > 0
    return spans | zeros | (body.floats("histogram.zero_threshold", n) > 0)


def created_ms(body: Decoded, message: str, n: int) -> Index:
    """When each of n messages began to count, 0 where it does not say."""
    name = f"{message}_created"
    times = body.count(f"{message}.created")
    seconds = body.integers(f"{name}.seconds", times)
    nanos = body.integers(f"{name}.nanos", times)
    inside = body.inside(f"{message}.created", n)
    each = np.concatenate([seconds * 1000 + nanos // 1_000_000, [0]]).astype(np.int64)
    return each[inside]


def histogram_counts(body: Decoded) -> Floats:
    """The number of observations of each histogram message."""
    n = body.count("metric.histogram")
    fractional = body.floats("histogram.count_float", n)
    whole = body.words("histogram.count", n).astype(np.float64)
    return np.where(fractional > 0, fractional, whole)


def _rows(metric: Index, kind: int, values: Floats, **given: Any) -> Rows:
    n = len(metric)
    none, zeros = np.full(n, -1, np.int64), np.zeros(n, np.int64)
    return Rows(
        metric,
        np.full(n, kind, np.int64),
        given.get("bound", np.zeros(n)),
        values,
        given.get("histogram", none),
        given.get("bucket", none),
        given.get("start_ms", zeros),
    )


def _simple(body: Decoded, metrics: Metrics, type_: int, name: str) -> Rows:
    metric = np.flatnonzero(metrics.type == type_)
    n = body.count(f"metric.{name}")
    inside = body.inside(f"metric.{name}", len(metrics.type))[metric]
    values = np.concatenate([body.floats(f"{name}.value", n), [0.0]])[inside]
    if type_ != COUNTER:
        return _rows(metric, PLAIN, values)
    start_ms = np.concatenate([created_ms(body, name, n), [0]])[inside]
    return _rows(metric, PLAIN, values, start_ms=start_ms)


def _chosen(body: Decoded, metrics: Metrics, name: str, *types: int) -> tuple[Index, Index]:
    """Metrics of these types that have this message, and its ordinal."""
    inside = body.inside(f"metric.{name}", len(metrics.type))
    metric = np.flatnonzero(np.isin(metrics.type, types) & (inside >= 0))
    return metric, inside[metric]


def _summaries(body: Decoded, metrics: Metrics) -> list[Rows]:
    metric, at = _chosen(body, metrics, "summary", SUMMARY)
    n = body.count("metric.summary")
    start = created_ms(body, "summary", n)
    counts = body.words("summary.count", n).astype(np.float64)
    sums = body.floats("summary.sum", n)
    around, quantile = _members(body, "summary.quantile", metric, at, n)
    total = body.count("summary.quantile")
    return [
        _rows(metric, COUNT, counts[at], start_ms=start[at]),
        _rows(metric, SUM, sums[at], start_ms=start[at]),
        _rows(
            around,
            QUANTILE,
            body.floats("quantile.value", total)[quantile],
            bound=body.floats("quantile.quantile", total)[quantile],
            start_ms=start[body.field("summary.quantile").owners[quantile]],
        ),
    ]


def _members(body: Decoded, name: str, metric: Index, at: Index, n: int) -> tuple[Index, Index]:
    """The messages `name` inside the chosen ones (ordinals `at` of n), with their metric."""
    metric_of = np.full(n, -1, np.int64)
    metric_of[at] = metric
    around = metric_of[body.field(name).owners]
    member = np.flatnonzero(around >= 0)
    return around[member], member


def _histograms(body: Decoded, metrics: Metrics, native: bool, classic: bool) -> list[Rows]:
    metric, at = _chosen(body, metrics, "histogram", HISTOGRAM, GAUGE_HISTOGRAM)
    n = body.count("metric.histogram")
    start = created_ms(body, "histogram", n)
    own = is_native(body) if native else np.zeros(n, np.bool_)
    split = ~own
    if classic:
        split |= body.has("histogram.bucket", n)
    mine = own[at]
    rows = [
        _rows(
            metric[mine],
            PLAIN,
            np.zeros(int(mine.sum())),
            histogram=at[mine],
            start_ms=start[at[mine]],
        )
    ]
    metric, at = metric[split[at]], at[split[at]]
    counts = histogram_counts(body)
    rows.append(_rows(metric, COUNT, counts[at], start_ms=start[at]))
    sums = body.floats("histogram.sum", n)
    rows.append(_rows(metric, SUM, sums[at], start_ms=start[at]))
    around, bucket = _members(body, "histogram.bucket", metric, at, n)
    total = body.count("histogram.bucket")
    bounds = body.floats("bucket.bound", total)
    fractional = body.floats("bucket.count_float", total)
    whole = body.words("bucket.count", total).astype(np.float64)
    owners = body.field("histogram.bucket").owners
    rows.append(
        _rows(
            around,
            BUCKET,
            np.where(fractional > 0, fractional, whole)[bucket],
            bound=bounds[bucket],
            bucket=bucket,
            start_ms=start[owners[bucket]],
        )
    )
    # The last bucket may be left out: it says what the count says.
    open_ended = np.zeros(n, np.bool_)
    open_ended[owners[np.isposinf(bounds)]] = True
    lacking = ~open_ended[at]
    infinite = np.full(int(lacking.sum()), np.inf)
    at = at[lacking]
    rows.append(_rows(metric[lacking], BUCKET, counts[at], bound=infinite, start_ms=start[at]))
    return rows
