"""Histograms for tests: made from keywords, compared field by field."""

from __future__ import annotations

import numpy as np

from promlab.model.histograms import Buckets, HistogramTable


def histogram(
    *,
    schema: int = 0,
    positive: dict[int, float] | None = None,
    negative: dict[int, float] | None = None,
    zero_count: float = 0.0,
    zero_threshold: float = 0.0,
    count: float | None = None,
    sum: float = 1.5,
    hint: int = 0,
    bounds: tuple[float, ...] = (),
) -> HistogramTable:
    """A table of one histogram; `count` is the sum of its buckets unless it is given."""
    sides = [_buckets(positive or {}), _buckets(negative or {})]
    total = zero_count + sides[0].counts.sum() + sides[1].counts.sum()
    return HistogramTable(
        np.array([schema], np.int8),
        np.array([zero_threshold], np.float64),
        np.array([zero_count], np.float64),
        np.array([total if count is None else count], np.float64),
        np.array([sum], np.float64),
        np.array([hint], np.int8),
        *sides,
        np.array([0 if bounds else -1], np.int32),
        (bounds,) if bounds else (),
    )


def _buckets(counts: dict[int, float]) -> Buckets:
    indices = np.array(sorted(counts), np.int32)
    values = np.array([counts[i] for i in sorted(counts)], np.float64)
    return Buckets(np.array([0, len(counts)]), indices, values)


def stack(tables: list[HistogramTable]) -> HistogramTable:
    return HistogramTable.stack(tables) if tables else HistogramTable.empty()


def plain(table: HistogramTable, row: int) -> tuple:
    """A histogram as what can be compared; its hint is not part of it."""
    sides = []
    for side in (table.positive, table.negative):
        part = slice(int(side.offsets[row]), int(side.offsets[row + 1]))
        sides.append(
            tuple(zip(side.indices[part].tolist(), side.counts[part].tolist(), strict=True))
        )
    code = int(table.custom[row])
    bits = [
        int(np.array([column[row]]).view(np.uint64)[0])
        for column in (table.zero_threshold, table.zero_count, table.count, table.sum)
    ]
    bounds = table.bounds[code] if code >= 0 else ()
    return int(table.schema[row]), *bits, *sides, bounds


def same_histogram(a: HistogramTable, i: int, b: HistogramTable, j: int) -> bool:
    return plain(a, i) == plain(b, j)
