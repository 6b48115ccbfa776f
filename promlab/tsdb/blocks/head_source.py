"""The head of a data directory as a source of samples for blocks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from promlab.model.labels import LabelTable
from promlab.model.samples import SeriesBatch
from promlab.tsdb.blocks import tombstones
from promlab.tsdb.blocks.merge import without_deleted
from promlab.tsdb.head_kernels import ENTRY_LONGS
from promlab.tsdb.index import SeriesIndex, Verdicts
from promlab.tsdb.mapped import Mapped
from promlab.tsdb.reader import Reader
from promlab.tsdb.selections import Selection

Longs = npt.NDArray[np.int64]
_SPAN = 1 << 12  # chunks that span more ranges than this are looked at sample by sample


def _codes(rows: Longs) -> npt.NDArray[np.uint32]:
    return rows.astype(np.uint32)


class HeadSource(Reader):
    """Reads a head by number of series. Implements `rewrite.HeadLike`.

    With `after_file` only later chunk files are seen, with `sealed` nothing but chunk files,
    with `deleted_too` what is deleted as well.
    """

    def __init__(
        self,
        path: Path,
        after_file: int | None = None,
        *,
        sealed: bool = False,
        deleted_too: bool = False,
    ) -> None:
        self._after_file, self._sealed = after_file, sealed
        super().__init__(path)
        self._deleted = tombstones.none() if deleted_too else tombstones.read(path / "head")
        with self._lock:
            mapped = self._fresh()
            self.verdicts: Verdicts = mapped.index.verdicts
            self._visible = mapped.index.visible()
            self._labels = mapped.index.labels(self._visible)

    def _fresh(self) -> Mapped:
        mapped = super()._fresh()
        if self._sealed:
            mapped.head_is_sound = False
        if self._after_file is not None:
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
        selection = Selection(rows, mapped.index.count, labels)
        found = self._tiles(mapped, selection, start_ms, end_ms).decoded()
        if not self._deleted:
            return found.batch, found.rows
        numbered = found.batch._replace(labels=found.batch.labels.replace("", _codes(found.rows)))
        left = without_deleted(numbered, rows[found.rows], self._deleted)
        return left, left.labels.column("").astype(np.int64)

    def index(self) -> SeriesIndex:
        """The labels of all series."""
        with self._lock:
            return self._fresh().index

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

    def all_ranges(self, times: tuple[int, int], length: int) -> list[int]:
        """Starts of the aligned ranges that may have samples, unsealed ones too."""
        low, high = times[0] // length, times[1] // length
        if high - low < _SPAN:
            return [number * length for number in range(low, high + 1)]
        return [number * length for number in self._exactly(times[0], times[1] + 1, length)]

    def _exactly(self, start_ms: int, end_ms: int, length: int) -> list[int]:
        """Ranges that have samples, from the samples themselves."""
        batch, _ = self.batch_of(np.arange(len(self._visible)), start_ms, end_ms - 1)
        return list(np.unique(batch.t_ms // length).tolist())
