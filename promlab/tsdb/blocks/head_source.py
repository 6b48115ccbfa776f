"""The head of a data directory as a source of samples for blocks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from promlab.model.labels import LabelTable
from promlab.model.samples import SeriesBatch
from promlab.tsdb.head_kernels import ENTRY_LONGS
from promlab.tsdb.index import Selection, Verdicts
from promlab.tsdb.mapped import Mapped
from promlab.tsdb.reader import Reader

Longs = npt.NDArray[np.int64]
_SPAN = 1 << 12  # chunks that span more ranges than this are looked at sample by sample


class HeadSource(Reader):
    """Reads a head by number of series. Implements `rewrite.HeadLike`.

    With `after_file` only sealed samples of later chunk files are seen.
    """

    def __init__(self, path: Path, after_file: int | None = None) -> None:
        self._after_file = after_file
        super().__init__(path)
        with self._lock:
            mapped = self._fresh()
            self.verdicts: Verdicts = mapped.index.verdicts
            self._visible = mapped.index.visible()
            self._labels = mapped.index.labels(self._visible)

    def _fresh(self) -> Mapped:
        mapped = super()._fresh()
        if self._after_file is not None:
            mapped.head_is_sound = False
            mapped.oldest_file = self._after_file + 1
        return mapped

    def labels(self) -> LabelTable:
        """Labels of all series."""
        return self._labels

    def batch_of(self, series: Longs, start_ms: int, end_ms: int) -> tuple[SeriesBatch, Longs]:
        """Samples of some series, and which of them (positions) have any."""
        with self._lock:
            mapped = self._fresh()
        rows = self._visible[series]
        labels = LabelTable(len(rows), {}, mapped.index.symbols)
        found = self._samples(mapped, Selection(rows, mapped.index.count, labels), start_ms, end_ms)
        return found.batch, found.rows

    def ranges(self, start_ms: int, end_ms: int, length: int) -> list[int]:
        """Starts of the aligned ranges of that length that have samples, from start to end."""
        found: set[int] = set()
        with self._lock:
            view = self._fresh().chunks(start_ms, end_ms - 1)
        for file in view.files:
            entries = file.index.longs[: file.count * ENTRY_LONGS].reshape(-1, ENTRY_LONGS)
            first = np.maximum(entries[:, 1], start_ms)
            last = np.minimum(entries[:, 2], end_ms - 1)
            inside = first <= last
            low, high = first[inside] // length, last[inside] // length
            wide = high - low > _SPAN
            found.update(low.tolist(), high.tolist())
            pairs = np.unique(np.stack([low[~wide], high[~wide]], axis=1), axis=0)
            for a, b in pairs.tolist():
                found.update(range(a, b + 1))
            if wide.any():
                found.update(self._exactly(start_ms, end_ms, length))
        return [number * length for number in sorted(found)]

    def _exactly(self, start_ms: int, end_ms: int, length: int) -> list[int]:
        """Ranges that have samples, from the samples themselves."""
        batch, _ = self.batch_of(np.arange(len(self._visible)), start_ms, end_ms - 1)
        return list(np.unique(batch.t_ms // length).tolist())
