"""The samples of a request as rows, while they come together and when they are done."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from promlab.model.histograms import HistogramColumn, HistogramTable
from promlab.model.labels import METRIC_NAME, Codes, LabelTable, Symbols
from promlab.model.samples import Times, Values
from promlab.remote.otlp.exemplars import PointExemplar
from promlab.remote.otlp.points import Index


@dataclass(frozen=True, slots=True)
class OtlpSamples:
    """What a request stores; `skipped` says why some of it is left out."""

    labels: LabelTable
    t_ms: Times
    values: Values
    histograms: HistogramColumn | None
    start_ms: Times
    exemplars: list[PointExemplar]
    delta: npt.NDArray[np.bool_]  # which are differences
    skipped: list[str] = field(default_factory=list)

    @property
    def n(self) -> int:
        """Number of samples."""
        return self.labels.n


class Rows:
    """Rows as they come together."""

    def __init__(self, symbols: Symbols) -> None:
        self.symbols = symbols
        self.n = 0
        self._columns: list[tuple[int, dict[str, Codes], int]] = []
        self._t_ms: list[Index] = []
        self._values: list[Values] = []
        self._start_ms: list[Index] = []
        self._delta: list[npt.NDArray[np.bool_]] = []
        self._tables: list[tuple[int, HistogramTable, Index]] = []

    def add(
        self,
        labels: dict[str, Codes],
        names: Codes,
        t_ms: Index,
        values: Values,
        start_ms: Index,
        delta: npt.NDArray[np.bool_],
    ) -> Index:
        """Rows with these labels; returns their numbers."""
        count = len(t_ms)
        self._columns.append((self.n, {**labels, METRIC_NAME: names}, count))
        self._t_ms.append(t_ms)
        self._values.append(values)
        self._start_ms.append(start_ms)
        self._delta.append(delta)
        self.n += count
        return np.arange(self.n - count, self.n)

    def add_histograms(self, first: int, table: HistogramTable, index: Index) -> None:
        """Rows from `first` on are histograms where `index` says so."""
        self._tables.append((first, table, index))

    def table(self) -> LabelTable:
        """Labels of all rows."""
        names = {name for _, columns, _ in self._columns for name in columns}
        whole = {name: np.zeros(self.n, np.uint32) for name in names}
        for first, columns, count in self._columns:
            for name, codes in columns.items():
                whole[name][first : first + count] = codes
        return LabelTable(self.n, whole, self.symbols)

    def histograms(self) -> HistogramColumn | None:
        """The histograms among the rows."""
        if not self._tables:
            return None
        index = np.full(self.n, -1, np.int64)
        before = 0
        for first, table, own in self._tables:
            index[first : first + len(own)] = np.where(own >= 0, own + before, -1)
            before += table.n
        return HistogramColumn(HistogramTable.stack([table for _, table, _ in self._tables]), index)

    def done(self, exemplars: list[PointExemplar], skipped: list[str]) -> OtlpSamples:
        """All of it."""
        none = np.zeros(0, np.int64)
        return OtlpSamples(
            self.table(),
            np.concatenate([none, *self._t_ms]),
            np.concatenate([np.zeros(0), *self._values]),
            self.histograms(),
            np.concatenate([none, *self._start_ms]),
            exemplars,
            np.concatenate([np.zeros(0, np.bool_), *self._delta]),
            skipped,
        )
