"""The newest sample of every series, found in chunks when the head opens.

It mostly is in the newest chunk of the series' group or ring. Series that a target exposed
before, and no longer does, are not in its group's newest chunk: they are looked for in the
chunks before that, as far back as samples are taken in order. An older sample is too old to be
repeated, and may be forgotten. The log, which may have newer ones, is read afterwards.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from promlab.tsdb import chunk_kernels, restore_kernels
from promlab.tsdb import head_kernels as k
from promlab.tsdb.chunk_check import ENTRY_BYTES, entries_of
from promlab.tsdb.chunks import data_path, files, index_path
from promlab.tsdb.files import Longs, ReadableMap
from promlab.tsdb.newest import read_newest

if TYPE_CHECKING:
    from promlab.tsdb.head import Head

U32 = npt.NDArray[np.uint32]


def restore_newest(head: Head) -> Longs:
    """Set the newest sample of every series from chunks, and from what a head that closed kept.

    Returns the time of each ring's newest sealed sample.
    """
    head.chunks.make_chains(head.rows.count, head.loose.count)
    _restore_kept(head)
    times = head.chunks.times
    if times is not None:
        head.note_times(*times)
    search = _Search(head)
    for number in reversed(files(head.chunks.directory)):
        if search.goes_on(number):
            search.look_at(number)
    return search.ring_last


def _restore_kept(head: Head) -> None:
    """What a head that closed has kept of samples whose chunks went; chunks know better."""
    kept = read_newest(head.path)
    if kept is None:
        return
    t_ms, bits = kept
    n = min(len(t_ms), head.catalog.series_count)
    head.last_t[:n], head.last_bits[:n] = t_ms[:n], bits[:n]
    newest = int(head.last_t[:n].max(initial=k.NEVER))
    if newest != k.NEVER:
        head.note_times(newest, newest)


class _Search:
    """Goes through the chunk files, newest first."""

    def __init__(self, head: Head) -> None:
        groups, rings = head.rows.count, head.loose.count
        self._head = head
        self.ring_last = np.full(rings, k.NEVER, np.int64)
        self._found_group, self._found_ring = np.zeros(groups, bool), np.zeros(rings, bool)
        self._lacking: dict[int, U32] = {}  # groups found; slots of which nothing is known yet

    def goes_on(self, number: int) -> bool:
        """Whether a file may have what has not been found."""
        if not (self._found_group.all() and self._found_ring.all()):
            return True
        return bool(self._lacking) and self._head.chunks.last_of(number) >= self._head.floor

    def look_at(self, number: int) -> None:
        """Take what a file has."""
        chunks = self._head.chunks
        index = ReadableMap(index_path(chunks.directory, number))
        data = ReadableMap(data_path(chunks.directory, number))
        count = index.size // ENTRY_BYTES
        if not count:
            return
        groups, rings = len(self._found_group), len(self._found_ring)
        group_chain, ring_chain = np.full(groups, -1, np.int64), np.full(rings, -1, np.int64)
        chunk_kernels.newest_entries(index.address, 0, count, group_chain, ring_chain)
        if number == chunks.number:
            chunks.group_chain[:groups] = group_chain
            chunks.ring_chain[:rings] = ring_chain
        self._look_for_groups(index, data, group_chain)
        self._look_for_rings(index, data, ring_chain)

    def _look_for_groups(self, index: ReadableMap, data: ReadableMap, chain: Longs) -> None:
        head, count = self._head, index.size // ENTRY_BYTES
        newest = entries_of(index, count)[chain, 2]
        new = (chain >= 0) & ~self._found_group
        head.rows.state[: len(chain)][new, k.SEALED_T] = newest[new]
        head.rows.state[: len(chain)][new, k.LAST_T] = newest[new]
        again = [group for group in self._lacking if chain[group] >= 0]
        for group in [*np.flatnonzero(new).tolist(), *again]:
            series = head.series_of(group)
            wanted = self._lacking.pop(group, None)
            if wanted is None:
                wanted = np.arange(len(series), dtype=np.uint32)
            elif newest[group] < head.floor:
                continue
            left = restore_kernels.restore_group(
                index.address,
                count,
                data.address,
                data.size,
                int(chain[group]),
                head.floor,
                series,
                wanted,
                head.last_t,
                head.last_bits,
            )
            if left:
                self._lacking[group] = wanted[:left].copy()
        self._found_group |= new

    def _look_for_rings(self, index: ReadableMap, data: ReadableMap, chain: Longs) -> None:
        head, count = self._head, index.size // ENTRY_BYTES
        chain[self._found_ring] = -1
        new = chain >= 0
        self.ring_last[new] = entries_of(index, count)[chain[new], 2]
        restore_kernels.restore_rings(
            index.address,
            count,
            data.address,
            data.size,
            chain,
            head.loose.series[: len(chain)],
            head.last_t,
            head.last_bits,
        )
        self._found_ring |= new
