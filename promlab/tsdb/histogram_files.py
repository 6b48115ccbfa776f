"""Stored histograms: `histograms/NNNNNNNN`, append-only segments of records, read by offset.

A sample that is a histogram holds, where others hold a float, a NaN that says where its record
is: `7ff5` in the highest 16 bits, then 20 bits number of the segment, 28 bits offset. So rows,
rings, chunks and the log treat it like any value. A segment is never appended to again once
its writer has gone, so that no such reference ever means another histogram.
"""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import numpy.typing as npt

from promlab.errors import StorageError
from promlab.model.histograms import Buckets, HistogramColumn, HistogramTable
from promlab.tsdb.files import Longs, ReadableMap

Bools = npt.NDArray[np.bool_]

TAG = 0x7FF5
OFFSET_BITS = 28
NOWHERE = TAG << 48  # a reference that no histogram ever has
_SEGMENTS = (1 << 20) - 1
_OFFSETS = (1 << OFFSET_BITS) - 1
_MOST_BOUNDS = 1 << 20
_KEEP_BOUNDS = 10_000
_LOG = logging.getLogger(__name__)


def is_reference(bits: Longs) -> Bools:
    """Which values stand for histograms."""
    found: Bools = bits >> 48 == TAG
    return found


def segment_path(directory: Path, number: int) -> Path:
    """Where a segment is."""
    return directory / f"{number:08d}"


def segments(directory: Path) -> list[int]:
    """Numbers of the segments, oldest first."""
    return sorted(int(p.name) for p in directory.glob("[0-9]*") if p.name.isdigit())


class HistogramFiles:
    """Reads histograms by reference, in the writer and in readers; safe in several threads."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._maps: dict[int, ReadableMap] = {}
        self._bounds: dict[tuple[int, int], tuple[float, ...]] = {}
        self._told: set[int] = set()  # segments whose damage is in the log

    def read(self, references: Longs) -> tuple[HistogramTable, Bools]:
        """The histograms of these references that are there, and which ones are."""
        from promlab.tsdb import histogram_kernels as k

        numbers = references >> OFFSET_BITS & _SEGMENTS
        offsets = references & _OFFSETS
        distinct, files = np.unique(numbers, return_inverse=True)
        files = np.ascontiguousarray(files, np.int64)
        offsets = np.ascontiguousarray(offsets)
        positive, negative = np.empty_like(files), np.empty_like(files)
        while True:
            maps = [
                self._map(n, int(offsets[files == i].max()))
                for i, n in enumerate(distinct.tolist())
            ]
            addresses = np.array([m.address if m else 0 for m in maps], np.uint64)
            sizes = np.array([m.size if m else 0 for m in maps], np.int64)
            k.measure(addresses, sizes, files, offsets, positive, negative)
            there = positive >= 0
            doubtful = np.unique(files[~there & (sizes[files] > 0)]).tolist()
            if not [i for i in doubtful if self._has_grown(int(distinct[i]), maps[i])]:
                break
        if not there.all():
            self._tell(distinct[doubtful])
            files, offsets = files[there], offsets[there]
            positive, negative = positive[there], negative[there]
        table, bounds_at = _columns(addresses, sizes, files, offsets, positive, negative)
        custom = np.full(table.n, -1, np.int32)
        bounds: dict[tuple[float, ...], int] = {}
        places = np.flatnonzero(bounds_at >= 0)
        keys = np.stack([files[places], bounds_at[places]], 1)
        each, which = np.unique(keys, axis=0, return_inverse=True)
        codes = np.empty(len(each), np.int32)
        for i, (file, at) in enumerate(each.tolist()):
            found = self._bounds_at(int(distinct[file]), maps[file], at)
            codes[i] = bounds.setdefault(found, len(bounds))
        custom[places] = codes[which.reshape(-1)]
        return _with_bounds(table, custom, tuple(bounds)), there

    def _has_grown(self, number: int, used: ReadableMap | None) -> bool:
        """Whether a segment reaches beyond its map, so that a record may; forgets that map."""
        try:
            size = segment_path(self._directory, number).stat().st_size
        except OSError:
            return False
        if used is None or size <= used.size:
            return False
        if self._maps.get(number) is used:
            self._maps.pop(number, None)
        return True

    def _tell(self, segments: Longs) -> None:
        for number in set(segments.tolist()) - self._told:
            self._told.add(number)
            path = segment_path(self._directory, number)
            _LOG.error("histogram segment %s is damaged: some samples are left out", path)

    def _map(self, number: int, offset: int) -> ReadableMap | None:
        found = self._maps.get(number)
        if found is not None and offset < found.size:
            return found
        path = segment_path(self._directory, number)
        try:
            found = ReadableMap(path)
        except StorageError:
            self._maps.pop(number, None)
            return None  # dropped by retention
        for other in [n for n in self._maps if not segment_path(self._directory, n).exists()]:
            self._maps.pop(other, None)
        self._maps[number] = found
        return found

    def _bounds_at(self, number: int, file: ReadableMap | None, at: int) -> tuple[float, ...]:
        from promlab.tsdb import histogram_kernels as k

        found = self._bounds.get((number, at))
        if found is None:
            size = file.size if file else 0
            address = np.uint64(file.address if file else 0)
            n = k.get_bounds(address, size, at, np.zeros(0))
            if not 0 <= n <= _MOST_BOUNDS:
                raise StorageError(f"bounds of a histogram in segment {number} are damaged")
            bounds = np.empty(n)
            k.get_bounds(address, size, at, bounds)
            if len(self._bounds) > _KEEP_BOUNDS:
                self._bounds.clear()
            found = self._bounds[number, at] = tuple(bounds.tolist())
        return found


def _columns(
    addresses: npt.NDArray[np.uint64],
    sizes: Longs,
    files: Longs,
    offsets: Longs,
    positive: Longs,
    negative: Longs,
) -> tuple[HistogramTable, Longs]:
    """The table of these records, without custom bounds, and where these are."""
    from promlab.tsdb import histogram_kernels as k

    n = len(files)
    schema, hint = np.empty(n, np.int8), np.empty(n, np.int8)
    threshold, zero_count, count, total = (np.empty(n) for _ in range(4))
    bounds_at = np.empty(n, np.int64)
    sides: list[Buckets] = []
    for sizes_of in (positive, negative):
        ends = np.zeros(n + 1, np.int64)
        np.cumsum(sizes_of, out=ends[1:])
        sides.append(Buckets(ends, np.empty(int(ends[-1]), np.int32), np.empty(int(ends[-1]))))
    bad = k.get_records(
        addresses, sizes, files, offsets, schema, threshold, zero_count, count, total, hint,
        bounds_at, *sides[0], *sides[1],
    )  # fmt: skip
    if bad >= 0:
        raise StorageError("a stored histogram is damaged")
    none = np.full(n, -1, np.int32)
    positives, negatives = sides
    table = HistogramTable(
        schema, threshold, zero_count, count, total, hint, positives, negatives, none
    )
    return table, bounds_at


def _with_bounds(
    table: HistogramTable, custom: npt.NDArray[np.int32], bounds: tuple[tuple[float, ...], ...]
) -> HistogramTable:
    from dataclasses import replace

    return replace(table, custom=custom, bounds=bounds) if bounds else table


def column_of(files: HistogramFiles, bits: Longs) -> tuple[HistogramColumn, Bools]:
    """Histograms among the values of a batch, and which values have to go: theirs is gone."""
    at = np.flatnonzero(is_reference(bits))
    table, there = files.read(bits[at])
    index = np.full(len(bits), -1, np.int64)
    index[at[there]] = np.arange(table.n)
    lost = np.zeros(len(bits), np.bool_)
    lost[at[~there]] = True
    return HistogramColumn(table, index), lost
