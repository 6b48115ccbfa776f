"""The value of an instant-vector expression over all steps.

Vectors are never written to once they are made: results are shared between equal parts of
a query. What changes labels makes a new vector.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from promlab.model.histograms import HistogramColumn
from promlab.model.labels import LabelTable, Symbols
from promlab.model.samples import Values

Mask = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.int64]


class Vector(NamedTuple):
    """values f64[n, steps] of n series where `present`.

    `histograms` (index i64[n, steps], None for none) says where a value is a native histogram
    and no float: only at steps that are present. `unnamed` (bool[n], None for all False) marks
    series whose metric name is to be dropped at the end of the query: only with delayed name
    removal.
    """

    labels: LabelTable
    values: Values
    present: Mask
    unnamed: Mask | None = None
    histograms: HistogramColumn | None = None

    @property
    def n(self) -> int:
        """Number of series."""
        return len(self.values)

    def with_values(self, values: Values, present: Mask | None = None) -> Vector:
        """The same series with other values, all floats."""
        kept = self.present if present is None else present
        return Vector(self.labels, values, kept, self.unnamed)

    def with_histograms(self, column: HistogramColumn | None) -> Vector:
        """The same with histograms at those of the column's places that are present."""
        if column is None and self.histograms is None:
            return self
        if column is None or not (column.index >= 0).any():
            return self._replace(histograms=None)
        return self._replace(histograms=column)

    def where(self, present: Mask) -> Vector:
        """The same with values only there (a part of what is present now)."""
        if self.histograms is None:
            return self._replace(present=present)
        table, index = self.histograms.table, self.histograms.index
        kept = HistogramColumn(table, np.where(present, index, -1))
        return self._replace(present=present).with_histograms(kept)

    @property
    def is_histogram(self) -> Mask:
        """Where a value is a histogram, bool[n, steps]."""
        if self.histograms is None:
            return np.zeros(self.present.shape, np.bool_)
        found: Mask = self.histograms.index >= 0
        return found

    def floats(self) -> Vector:
        """The same without histograms; this very vector if it has none."""
        if self.histograms is None:
            return self
        return self.with_values(self.values, self.present & ~self.is_histogram)

    def take(self, rows: Rows) -> Vector:
        """Some of the series."""
        unnamed = None if self.unnamed is None else self.unnamed[rows]
        histograms = None if self.histograms is None else self.histograms.take(rows)
        labels = self.labels.take(rows)
        return Vector(labels, self.values[rows], self.present[rows], unnamed, histograms)

    def widened(self, count: int) -> Vector:
        """One step repeated."""
        values = np.repeat(self.values, count, axis=1)
        present = np.repeat(self.present, count, axis=1)
        histograms = None
        if self.histograms is not None:
            index = np.repeat(self.histograms.index, count, axis=1)
            histograms = HistogramColumn(self.histograms.table, index)
        return Vector(self.labels, values, present, self.unnamed, histograms)


def unnamed_mask(vector: Vector) -> Mask:
    """The mask of series whose names are to be dropped, made where there is none."""
    return np.zeros(vector.n, np.bool_) if vector.unnamed is None else vector.unnamed


def empty_vector(symbols: Symbols, steps: int) -> Vector:
    """No series."""
    return Vector(LabelTable(0, {}, symbols), np.zeros((0, steps)), np.zeros((0, steps), np.bool_))


def single_vector(values: Values, symbols: Symbols) -> Vector:
    """One series without labels; values f64[steps]."""
    return Vector(
        LabelTable(1, {}, symbols),
        np.ascontiguousarray(values, np.float64).reshape(1, -1),
        np.ones((1, len(values)), np.bool_),
    )


def stack_tables(a: LabelTable, b: LabelTable) -> LabelTable:
    """The rows of two tables whose codes belong together, one after the other."""
    # Of a table and an overlay over it, the overlay knows the codes of both.
    symbols = a.symbols if len(a.symbols) >= len(b.symbols) else b.symbols
    columns = {
        name: np.concatenate([a.column(name), b.column(name)])
        for name in dict.fromkeys([*a.columns, *b.columns])
    }
    return LabelTable(a.n + b.n, columns, symbols)
