"""The writer's end of stored histograms: appends records, compares, drops old segments.

Records are written straight into the mapped segment, so that they survive the death of the
process like rows do; the log only holds references to them. Segments are synced before
the log that is no longer needed goes.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from promlab.errors import StorageError
from promlab.model.histograms import HistogramTable
from promlab.tsdb.files import Longs, ReadableMap, WritableMap, failed, sync_directory
from promlab.tsdb.histogram_files import (
    OFFSET_BITS,
    TAG,
    Bools,
    HistogramFiles,
    is_reference,
    segment_path,
    segments,
)

Hints = npt.NDArray[np.int8]
_Columns = tuple[Any, Any, Any, Any, Any, Any, Any, Any, Any, Any, Any]

MAGIC = 0x7473_6968_4C4D_5250
NEVER = -(2**63)
_FIRST_LONGS = 1 << 15
_GROWTH = 1 << 20  # integers: 8 MiB
_SEGMENT_BYTES = 64 << 20
_LAST_SEGMENT = (1 << 20) - 1


class HistogramStore:
    """Histograms of one data directory. Costs nothing, not even a folder, until there is one."""

    def __init__(self, directory: Path, warn: Callable[[str], None]) -> None:
        self.directory = directory
        self._files = HistogramFiles(directory)
        self._map: WritableMap | None = None
        self._end = 0
        self._number = 0
        self._sealed: dict[int, tuple[int, int]] = {}  # newest time, bytes
        self._bounds: dict[tuple[float, ...], int] = {}  # of the segment that is open
        self._unsynced = False
        for number in segments(directory) if directory.is_dir() else []:
            self._number = number
            self._know(number, warn)

    def _know(self, number: int, warn: Callable[[str], None]) -> None:
        path = segment_path(self.directory, number)
        mapped = ReadableMap(path)
        if mapped.size < 16 or int(mapped.longs[0] if mapped.size % 8 == 0 else 0) != MAGIC:
            if mapped.size:
                warn(f"histogram segment {path.name} is damaged: not read")
            self._sealed[number] = (2**63 - 1, mapped.size)
            return
        self._sealed[number] = (int(mapped.longs[1]), mapped.size)
        if mapped.size >= 8 * _FIRST_LONGS:
            self._trim(path, mapped)

    def _trim(self, path: Path, mapped: ReadableMap) -> None:
        """Give back what a killed writer had reserved."""
        from promlab.tsdb import histogram_kernels as k

        end = -(-int(k.end_of_records(mapped.address, mapped.size)) // 8) * 8
        number = int(path.name)
        if end < mapped.size and not mapped.bytes[end:].any():
            with contextlib.suppress(OSError):
                os.truncate(path, end)
                self._sealed[number] = (self._sealed[number][0], end)

    # --- writing ----------------------------------------------------------------------

    def add(self, table: HistogramTable, rows: Longs, hints: Hints, last_t: int) -> Longs:
        """Store these rows with these hints; their references. Raises StorageError."""
        from promlab.tsdb import histogram_kernels as k

        buckets = np.diff(table.positive.offsets)[rows] + np.diff(table.negative.offsets)[rows]
        sizes = k.RECORD_MAX + k.BUCKET_MAX * buckets
        self._make_room(int(sizes.sum()) + self._room_for_bounds(table))
        assert self._map is not None
        out = self._map.longs.view(np.uint8)
        bounds_at = self._put_bounds(table, rows, out)
        offsets = np.empty(len(rows), np.int64)
        columns = columns_of(table)
        self._end = int(k.put_records(*columns, rows, hints, bounds_at, out, self._end, offsets))
        self._map.longs[1] = max(int(self._map.longs[1]), last_t)
        self._unsynced = True
        return np.int64(TAG) << 48 | self._number << OFFSET_BITS | offsets

    def _room_for_bounds(self, table: HistogramTable) -> int:
        return sum(40 + 8 * len(bounds) for bounds in table.bounds)

    def _put_bounds(self, table: HistogramTable, rows: Longs, out: npt.NDArray[np.uint8]) -> Longs:
        from promlab.tsdb import histogram_kernels as k

        places = np.full(len(table.bounds) + 1, -1, np.int64)
        codes = table.custom[rows]
        for code in np.unique(codes[codes >= 0]).tolist():
            bounds = table.bounds[code]
            at = self._bounds.get(bounds)
            if at is None:
                at = self._bounds[bounds] = self._end
                self._end = int(k.put_bounds(np.array(bounds, np.float64), out, at))
            places[code] = at
        return places[codes]

    def _make_room(self, size: int) -> None:
        if self._map is None or self._end + size > _SEGMENT_BYTES:
            self._start_segment()
        assert self._map is not None
        if self._end + size > 8 * len(self._map.longs):
            self._map.grow((self._end + size) // 8 + min(len(self._map.longs), _GROWTH))

    def _start_segment(self) -> None:
        self._end_segment()
        if self._number >= _LAST_SEGMENT:
            raise StorageError(f"{self.directory} has no more numbers for segments")
        try:
            self.directory.mkdir(exist_ok=True)
        except OSError as error:
            raise failed("create", self.directory, error) from None
        self._map = WritableMap(segment_path(self.directory, self._number + 1), _FIRST_LONGS)
        self._number += 1
        self._map.longs[:2] = MAGIC, NEVER
        self._end = 16
        self._bounds.clear()
        with contextlib.suppress(OSError):
            sync_directory(self.directory)

    def _end_segment(self) -> None:
        if self._map is None:
            return
        self.sync()
        last_t = int(self._map.longs[1])
        size = -(-self._end // 8) * 8
        self._map.cut(size)
        self._map.close()
        self._map = None
        self._sealed[self._number] = (last_t, size)

    # --- comparing --------------------------------------------------------------------

    def compare(
        self, table: HistogramTable, rows: Longs, before: Longs, in_batch: Longs
    ) -> tuple[Hints, Bools]:
        """Of each row: its hint, and whether it equals the sample before it in its series.

        That sample is row `in_batch` of the table itself, or, where that is -1, what the bits
        `before` stand for: a histogram, or none.
        """
        from promlab.tsdb import histogram_kernels as k

        stored = np.flatnonzero((in_batch < 0) & is_reference(before))
        joined, at = table, in_batch.copy()
        if len(stored):
            old, there = self._files.read(before[stored])
            joined = HistogramTable.stack([table, old])
            at[stored[there]] = table.n + np.arange(old.n)
        columns = columns_of(joined)
        hints, equal = np.empty(len(rows), np.int8), np.empty(len(rows), np.bool_)
        bounds = joined.custom.astype(np.int64)
        hint = np.ascontiguousarray(joined.hint)
        k.compare(*columns, hint, bounds, at, rows, hints, equal)
        return hints, equal

    # --- life -------------------------------------------------------------------------

    @property
    def bytes(self) -> int:
        """Size of all segments."""
        return sum(size for _, size in self._sealed.values()) + (self._end if self._map else 0)

    def sync(self) -> None:
        """Force everything to the disk, if there is anything new."""
        if self._unsynced and self._map is not None:
            self._unsynced = False
            self._map.sync()

    def drop_before(self, t_ms: int) -> None:
        """Delete segments with older histograms only; the newest one always stays."""
        for number in [n for n, (last, _) in self._sealed.items() if last < t_ms]:
            if number == self._number:
                continue  # its number must not be given again
            path = segment_path(self.directory, number)
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                raise failed("delete", path, error) from None
            del self._sealed[number]

    def close(self) -> None:
        """Give reserved space back and close."""
        self._end_segment()


def columns_of(table: HistogramTable) -> _Columns:
    """A table as the kernels want it."""
    dense = np.ascontiguousarray
    return (
        dense(table.schema),
        dense(table.zero_threshold),
        dense(table.zero_count),
        dense(table.count),
        dense(table.sum),
        dense(table.positive.offsets),
        dense(table.positive.indices),
        dense(table.positive.counts),
        dense(table.negative.offsets),
        dense(table.negative.indices),
        dense(table.negative.counts),
    )
