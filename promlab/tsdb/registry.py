"""Label sets to series numbers, in batches, without a Python object per series.

Keeps 128-bit keyed fingerprints, not labels: those are in the series log. The registry only
ever grows; numbers are dense.
"""

from __future__ import annotations

import os

import numpy as np
import numpy.typing as npt

from promlab.model.labels import LabelTable, Symbols
from promlab.tsdb import registry_kernels as kernels

U64 = npt.NDArray[np.uint64]
U32 = npt.NDArray[np.uint32]
Rows = npt.NDArray[np.int64]


class Registry:
    """All label sets that the head knows. Not thread-safe."""

    def __init__(self, symbols: Symbols) -> None:
        self.symbols = symbols
        self.count = 0
        self._keys = np.frombuffer(os.urandom(32), np.uint64).copy()
        self._high: U64 = np.zeros(1024, np.uint64)
        self._low: U64 = np.zeros(1024, np.uint64)
        self._table = np.zeros(4096, np.int32)

    def add(self, labels: LabelTable) -> tuple[U32, Rows]:
        """Series of each label set, and the rows that hold label sets new to the registry.

        The i-th of those rows has the number `count + i` (count before the call).
        """
        named = {self.symbols.code(name): codes for name, codes in labels.columns.items()}
        return self.add_columns(labels.n, named)

    def add_columns(self, n: int, columns: dict[int, U32]) -> tuple[U32, Rows]:
        """As `add`, from columns by the code of their label's name."""
        high, low = np.zeros(n, np.uint64), np.zeros(n, np.uint64)
        for name, codes in columns.items():
            dense = np.ascontiguousarray(codes, np.uint32)
            kernels.add_label(dense, name, self._keys, high, low)
        self._make_room(n)
        series, new_rows = np.empty(n, np.uint32), np.empty(n, np.int64)
        new = kernels.find_or_add(
            high, low, self._table, self._high, self._low, self.count, series, new_rows
        )
        self.count += new
        return series, new_rows[:new]

    def reserve(self, n: int) -> int:
        """Numbers for n series without labels, which nothing finds; the first of them."""
        self._make_room(n)
        first, self.count = self.count, self.count + n
        # Fingerprints that no label set has, so that they spread over the table.
        self._high[first : self.count] = np.frombuffer(os.urandom(8 * n), np.uint64)
        return first

    def _make_room(self, more: int) -> None:
        total = self.count + more
        if total > len(self._high):
            size = max(total, len(self._high) * 3 // 2)
            self._high = np.concatenate([self._high, np.zeros(size - len(self._high), np.uint64)])
            self._low = np.concatenate([self._low, np.zeros(size - len(self._low), np.uint64)])
        if 2 * total > len(self._table):
            self._table = np.zeros(1 << (2 * total).bit_length(), np.int32)
            kernels.rehash(self._high, self.count, self._table)
