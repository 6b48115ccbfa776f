"""Exemplars of data points: few, so decoded one by one."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from promlab.model.wire import Decoded
from promlab.remote.otlp.any_value import any_text
from promlab.remote.otlp.points import Index

# Which row an exemplar of a point (by its place among those stored) and value belongs to.
RowOf = Callable[[int, float], int]


class PointExemplar(NamedTuple):
    """An example behind the sample of `row`."""

    row: int
    labels: dict[str, str]
    value: float
    t_ms: int


def read_exemplars(body: Decoded, kind: str, at: Index, row_of: RowOf) -> list[PointExemplar]:
    """Exemplars of the points `at` of one kind. Raises BadMessage."""
    if kind == "summary" or not body.count(f"{kind}_point.exemplar"):
        return []
    name = f"{kind}_point_exemplar"
    place = np.full(body.count(f"{kind}.point"), -1, np.int64)
    place[at] = np.arange(len(at))
    point = place[body.field(f"{kind}_point.exemplar").owners].tolist()
    n = len(point)
    t_ms = (body.words(f"{name}.t_ns", n) // np.uint64(1_000_000)).astype(np.int64).tolist()
    whole = body.integers(f"{name}.int", n).astype(np.float64)
    values = np.where(body.has(f"{name}.int", n), whole, body.floats(f"{name}.double", n)).tolist()
    labels = _labels(body, name, n)
    return [
        PointExemplar(row_of(point[i], values[i]), labels[i], values[i], t_ms[i])
        for i in range(n)
        if point[i] >= 0
    ]


def _labels(body: Decoded, name: str, n: int) -> list[dict[str, str]]:
    labels: list[dict[str, str]] = [{} for _ in range(n)]
    raw = body.body.tobytes()
    pairs = body.count(f"{name}.attribute")
    field = f"{name}_attribute"
    keys = np.array([*body.texts(f"{field}.key"), ""], object)
    keys = keys[body.inside(f"{field}.key", pairs)]
    values = body.field(f"{field}.value")
    texts = [""] * pairs
    bounds = zip(values.owners.tolist(), values.starts.tolist(), values.ends.tolist(), strict=True)
    for owner, start, end in bounds:
        texts[owner] = any_text(raw[start:end])
    owners = body.field(f"{name}.attribute").owners.tolist()
    for owner, key, text in zip(owners, keys.tolist(), texts, strict=True):
        labels[owner][key] = text
    for part in ("trace_id", "span_id"):
        ids = body.field(f"{name}.{part}")
        bounds = zip(ids.owners.tolist(), ids.starts.tolist(), ids.ends.tolist(), strict=True)
        for owner, start, end in bounds:
            if end > start:
                labels[owner][part] = raw[start:end].hex()
    return labels
