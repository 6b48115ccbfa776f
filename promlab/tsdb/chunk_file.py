"""One chunk file as a reader sees it: mapped as far as its entries are published.

What is there when the file is first looked at is held against its checksums then; what comes
later was written in this reader's life, and is not.
"""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np

from promlab.tsdb import chunk_kernels
from promlab.tsdb.chunk_check import ENTRY_BYTES, Entries, check, entries_of, owners_in
from promlab.tsdb.chunks import data_path, index_path
from promlab.tsdb.files import Longs, ReadableMap

_LOG = logging.getLogger(__name__)


class ChunkFile:
    """One chunk file, as far as its entries are published."""

    all_damaged = 0  # chunks, that this process has left out

    def __init__(self, directory: Path, number: int, *, closed: bool) -> None:
        self._directory, self.number, self.is_closed = directory, number, closed
        self.count = 0
        self.first_t, self.last_t = 2**63 - 1, -(2**63)
        self.index = ReadableMap(index_path(directory, number))
        self.data = ReadableMap(data_path(directory, number))
        self.groups = self.rings = np.zeros(0, np.int64)
        self._mended: Entries | None = None  # the first entries, if some of them are damaged

    def refresh(self, count: int | None, groups: int, rings: int) -> None:
        """Take in new entries: `count` of them, or all there are in a closed file."""
        wanted = self.index.size // ENTRY_BYTES if count is None else count
        if wanted == self.count:
            return
        if wanted * ENTRY_BYTES > self.index.size:
            self.index = ReadableMap(index_path(self._directory, self.number))
            wanted = min(wanted, self.index.size // ENTRY_BYTES)
        if not self.count:
            self._check(wanted)
        elif self._mended is not None:
            self._use(self._mended, wanted)
        new = entries_of(self.index, wanted)[self.count :]
        if not len(new):
            return
        if int((new[:, 3] + (new[:, 4] & 0xFFFFFFFF)).max()) > self.data.size:
            self.data = ReadableMap(data_path(self._directory, self.number))
        # An owner may be so new that the caller has not heard of it.
        more_groups, more_rings = owners_in(new)
        self.groups = _chain(self.groups, max(groups, more_groups))
        self.rings = _chain(self.rings, max(rings, more_rings))
        address = self.index.address
        chunk_kernels.newest_entries(address, self.count, wanted, self.groups, self.rings)
        self.first_t = min(self.first_t, int(new[:, 1].min()))
        self.last_t = max(self.last_t, int(new[:, 2].max()))
        self.count = wanted

    def _check(self, count: int) -> None:
        self.data = ReadableMap(data_path(self._directory, self.number))
        found = check(self.index, count, self.data)
        if not found.is_sound:
            ChunkFile.all_damaged += found.damaged
            _LOG.error(
                "chunk file %s: %d of %d chunks are damaged, their samples are left out; the"
                " next start of the server sets them aside",
                data_path(self._directory, self.number), found.damaged, count,
            )  # fmt: skip
            self._mended = found.mended(entries_of(self.index, count))
            self._use(self._mended, count)

    def _use(self, mended: Entries, count: int) -> None:
        """Read the index from memory: mended entries, and what was written since."""
        if count > self.index.size // ENTRY_BYTES:
            self.index = ReadableMap(index_path(self._directory, self.number))
        more = entries_of(self.index, count)[len(mended) :]
        self.index = ReadableMap.of(mended.tobytes() + more.tobytes())


def _chain(chain: Longs, size: int) -> Longs:
    longer = np.full(max(size, len(chain)), -1, np.int64)
    longer[: len(chain)] = chain
    return longer
