"""The value of an instant-vector expression over all steps.

Vectors are never written to once they are made: results are shared between equal parts of
a query. What changes labels makes a new vector.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from promlab.model.labels import LabelTable, Symbols
from promlab.model.samples import Values

Mask = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Vector:
    """values f64[n, steps] of n series where `present`; histograms will be columns beside.

    `unnamed` (bool[n], None for all False) marks series whose metric name is to be dropped
    at the end of the query: only with delayed name removal.
    """

    labels: LabelTable
    values: Values
    present: Mask
    unnamed: Mask | None = None

    @property
    def n(self) -> int:
        """Number of series."""
        return len(self.values)

    def with_values(self, values: Values, present: Mask | None = None) -> Vector:
        """The same series with other values."""
        kept = self.present if present is None else present
        return Vector(self.labels, values, kept, self.unnamed)

    def take(self, rows: Rows) -> Vector:
        """Some of the series."""
        unnamed = None if self.unnamed is None else self.unnamed[rows]
        return Vector(self.labels.take(rows), self.values[rows], self.present[rows], unnamed)

    def widened(self, count: int) -> Vector:
        """One step repeated."""
        values = np.repeat(self.values, count, axis=1)
        return Vector(self.labels, values, np.repeat(self.present, count, axis=1), self.unnamed)


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
