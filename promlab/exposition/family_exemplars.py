"""Exemplars of a protobuf body, decoded one by one, when asked for."""

from __future__ import annotations

import numpy as np

from promlab.exposition.exemplars import Exemplar
from promlab.exposition.family_rows import PLAIN, Index, Metrics, Rows
from promlab.exposition.family_schema import COUNTER
from promlab.model.wire import Decoded


def read_exemplars(body: Decoded, metrics: Metrics, rows: Rows) -> list[Exemplar]:
    """Exemplars in the order of rows.

    Those of a native histogram's own list have a time; where it has none, those of its
    classic buckets stand for it.
    """
    found = [
        *_of(body, "counter", "counter.exemplar", _counter_rows(body, metrics, rows)),
        *_of(body, "bucket", "bucket.exemplar", _bucket_rows(body, rows)),
        *_native(body, rows),
    ]
    return sorted(found, key=lambda exemplar: exemplar.row)


def _counter_rows(body: Decoded, metrics: Metrics, rows: Rows) -> Index:
    """The row of each counter message."""
    row_of_metric = np.full(len(metrics.type), -1, np.int64)
    mine = (rows.kind == PLAIN) & (metrics.type[rows.metric] == COUNTER)
    row_of_metric[rows.metric[mine]] = np.flatnonzero(mine)
    return row_of_metric[body.field("metric.counter").owners]


def _bucket_rows(body: Decoded, rows: Rows) -> Index:
    """The row of each bucket message."""
    row = np.full(body.count("histogram.bucket"), -1, np.int64)
    mine = rows.bucket >= 0
    row[rows.bucket[mine]] = np.flatnonzero(mine)
    return row


def _native(body: Decoded, rows: Rows) -> list[Exemplar]:
    row = np.full(body.count("metric.histogram"), -1, np.int64)
    mine = rows.histogram >= 0
    row[rows.histogram[mine]] = np.flatnonzero(mine)
    own = body.has("histogram.exemplar", len(row))
    timed = [e for e in _of(body, "histogram", "histogram.exemplar", row) if e.t_ms is not None]
    borrowed = np.where(own, -1, row)[body.field("histogram.bucket").owners]
    return timed + _of(body, "bucket", "bucket.exemplar", borrowed)


def _of(body: Decoded, kind: str, field: str, row_of_owner: Index) -> list[Exemplar]:
    """The exemplars of one field; those whose owner has no row are left out."""
    name = f"{kind}_exemplar"
    owners = body.field(field).owners
    n = len(owners)
    if not n or not (row_of_owner >= 0).any():
        return []
    labels: list[dict[str, str]] = [{} for _ in range(n)]
    pairs = body.count(f"{name}.label")
    names = np.array([*body.texts(f"{name}_label.name"), ""], object)
    values = np.array([*body.texts(f"{name}_label.value"), ""], object)
    keys = names[body.inside(f"{name}_label.name", pairs)].tolist()
    texts = values[body.inside(f"{name}_label.value", pairs)].tolist()
    for owner, key, text in zip(body.field(f"{name}.label").owners, keys, texts, strict=True):
        labels[owner][key] = text
    times = body.count(f"{name}.time")
    seconds = body.integers(f"{name}_time.seconds", times)
    nanos = body.integers(f"{name}_time.nanos", times)
    t_ms = (seconds * 1000 + nanos // 1_000_000).tolist()
    time_of = body.inside(f"{name}.time", n).tolist()
    numbers = body.floats(f"{name}.value", n).tolist()
    rows = row_of_owner[owners].tolist()
    return [
        Exemplar(row, labels[i], numbers[i], t_ms[time_of[i]] if time_of[i] >= 0 else None)
        for i, row in enumerate(rows)
        if row >= 0
    ]
