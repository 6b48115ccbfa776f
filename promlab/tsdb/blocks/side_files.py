"""Writers of the files beside a block's samples: lists of times, and histograms.

Rows of samples name them by their row numbers.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import numpy.typing as npt

from promlab.model.histograms import Buckets, HistogramTable
from promlab.tsdb.blocks import block_kernels as k
from promlab.tsdb.blocks import layout
from promlab.tsdb.blocks.parquet_write import Lists, ParquetWriter

Longs = npt.NDArray[np.int64]
_GROUP_TIMES = 1 << 20  # of a row group: so many wait at most


class TimesWriter:
    """Lists of times, each once."""

    def __init__(self, path: Path, level: int) -> None:
        self._file = ParquetWriter(path, layout.TIME_COLUMNS, level=level)
        self._key = int.from_bytes(os.urandom(8), "little")
        self._known: dict[int, int] = {}
        self._waiting: list[Longs] = []
        self._waiting_values = 0
        self._count = 0

    def rows_of(self, t_ms: Longs, at: Longs, counts: Longs) -> Longs:
        """Row of each list t_ms[at : at + count]."""
        pairs, inverse = np.unique(np.stack([at, counts], axis=1), axis=0, return_inverse=True)
        starts = np.ascontiguousarray(pairs[:, 0])
        sizes = np.ascontiguousarray(pairs[:, 1])
        hashes = np.empty(len(pairs), np.uint64)
        k.hash_lists(np.ascontiguousarray(t_ms, np.int64), starts, sizes, self._key, hashes)
        rows = np.empty(len(pairs), np.int64)
        for i, key in enumerate(hashes.tolist()):
            row = self._known.get(key)
            if row is None:
                row = self._known[key] = self._count
                self._count += 1
                self._waiting.append(t_ms[starts[i] : starts[i] + sizes[i]].copy())
                self._waiting_values += int(sizes[i])
            rows[i] = row
        if self._waiting_values > _GROUP_TIMES:
            self._flush()
        return rows[inverse.reshape(-1)]

    def _flush(self) -> None:
        if self._waiting:
            counts = np.array([len(one) for one in self._waiting], np.int64)
            first = self._count - len(counts)
            ids = np.arange(first, self._count, dtype=np.int64)
            lists = Lists(counts, np.concatenate(self._waiting))
            self._file.write({"times": ids, "count": counts, "t_ms": lists})
            self._waiting.clear()
            self._waiting_values = 0

    def close(self) -> None:
        """The file is complete."""
        self._flush()
        self._file.close()

    def abort(self) -> None:
        """There will be no file."""
        self._file.abort()


class HistogramWriter:
    """Histograms, one a row."""

    def __init__(self, path: Path, level: int) -> None:
        self._file = ParquetWriter(path, layout.HISTOGRAM_COLUMNS, level=level)

    def add(self, table: HistogramTable) -> int:
        """Write these; the row number of the first."""
        first = self._file.rows
        sets = [np.array(one, np.float64) for one in table.bounds]
        bounds = [sets[code] if code >= 0 else np.zeros(0) for code in table.custom.tolist()]
        counts = np.array([len(one) for one in bounds], np.int64)
        self._file.write(
            {
                "schema": table.schema.astype(np.int64),
                "hint": table.hint.astype(np.int64),
                "zero_threshold": table.zero_threshold,
                "zero_count": table.zero_count,
                "count": table.count,
                "sum": table.sum,
                "bounds": Lists(counts, np.concatenate([np.zeros(0), *bounds])),
                **_sides("positive", table.positive),
                **_sides("negative", table.negative),
            }
        )
        return first

    def close(self) -> None:
        """The file is complete."""
        self._file.close()

    def abort(self) -> None:
        """There will be no file."""
        self._file.abort()


def _sides(name: str, buckets: Buckets) -> dict[str, Lists]:
    counts = np.diff(buckets.offsets)
    return {
        name: Lists(counts, buckets.indices.astype(np.int64)),
        f"{name}_counts": Lists(counts, buckets.counts),
    }
