"""Answers beside what a script expects, and what is different."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from promlab.model.histograms import HistogramColumn
from promlab.promql.result import Matrix
from promlab.promqltest.histograms import Plain, plain_row
from promlab.promqltest.script import Eval
from promlab.promqltest.series import Labels

Rows = list[tuple[Labels, dict[int, float | Plain]]]


class Mismatch(Exception):
    """An answer that is not the expected one."""


def expect(found: bool, message: str) -> None:
    """Raise Mismatch unless it is so."""
    if not found:
        raise Mismatch(message)


def on_grid(case: Eval, grid: range) -> Rows:
    """Expected series as rows, their values at the times of a grid."""
    rows: Rows = []
    for series in case.series:
        expect(
            len(series.values) <= len(grid),
            f"{len(series.values)} values expected of {series.labels}, at {len(grid)} steps",
        )
        pairs = zip(grid, series.values, strict=False)
        rows.append((series.labels, {t: x for t, x in pairs if x is not None}))
    return rows


def matrix_rows(value: Matrix) -> Rows:
    """The rows of a range result."""
    rows: Rows = []
    for i in range(value.labels.n):
        steps = np.flatnonzero(value.present[i])
        expect(len(steps) > 0, "a series without values")
        times = value.t_ms[steps].tolist()
        column = value.histograms
        if column is not None:
            column = replace(column, index=column.index[i, steps])
        values = with_histograms(value.values[i, steps], column)
        rows.append((value.labels.row(i), dict(zip(times, values, strict=True))))
    return rows


def with_histograms(values: Any, column: HistogramColumn | None) -> list[float | Plain]:
    """Values as plain floats and histograms."""
    if column is None:
        return list(values.tolist())
    pairs = zip(values.tolist(), column.index.tolist(), strict=True)
    return [x if row < 0 else plain_row(column.table, row) for x, row in pairs]


def same(a: float | Plain, b: float | Plain) -> bool:
    """Whether a found value is the wanted one."""
    if isinstance(a, Plain) or isinstance(b, Plain):
        if not isinstance(a, Plain) or not isinstance(b, Plain):
            return False
        numbers = [(a.count, b.count), (a.sum, b.sum), (a.zero_count, b.zero_count)]
        numbers.append((a.zero_threshold, b.zero_threshold))
        for x, y in ((a.positive, b.positive), (a.negative, b.negative)):
            numbers += [(x.get(i, 0.0), y.get(i, 0.0)) for i in {*x, *y}]
        hinted = b.hint is None or a.hint == b.hint
        equal = a.schema == b.schema and a.bounds == b.bounds and hinted
        return equal and all(same(x, y) for x, y in numbers)
    if math.isnan(a) or math.isnan(b):
        return math.isnan(a) and math.isnan(b)
    return a == b or abs(a - b) < 1e-6 * (abs(a) + abs(b))


def compare(found: Rows, wanted: Rows, *, ordered: bool) -> None:
    """Raise Mismatch unless both have the same series, times and values."""

    def by_labels(row: tuple[Labels, dict[int, float | Plain]]) -> list[tuple[str, str]]:
        return sorted(row[0].items())

    if not ordered:
        found, wanted = sorted(found, key=by_labels), sorted(wanted, key=by_labels)
    equal = len(found) == len(wanted) and all(
        a == b and x.keys() == y.keys() and all(same(x[t], y[t]) for t in x)
        for (a, x), (b, y) in zip(found, wanted, strict=True)
    )
    if not equal:
        raise Mismatch(f"{found} instead of {wanted}")
