"""Whether a chunk file is what was written: looked at once, when it is first mapped.

A chunk that does not fit its checksum is left out, whatever it says; its neighbours serve. What
is told of them is an index without it, in memory for readers, on disk when the writer opens.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from promlab.tsdb import check_kernels as k
from promlab.tsdb.files import Longs, ReadableMap
from promlab.tsdb.head_kernels import ENTRY_LONGS

Entries = npt.NDArray[np.int64]
States = npt.NDArray[np.int8]
ENTRY_BYTES = 8 * ENTRY_LONGS


def entries_of(index: ReadableMap, count: int) -> Entries:
    """The first entries of an index, which has to be kept as long as they are used."""
    return index.longs[: count * ENTRY_LONGS].reshape(count, ENTRY_LONGS)


def owners_in(entries: Entries) -> tuple[int, int]:
    """How many groups, and how many rings, there have to be for these entries."""
    owners = entries[:, 0]
    owners = owners[owners < k.NOBODY]
    loose = (owners & 1).astype(bool)
    numbers = owners >> 1
    highest = (int(numbers[which].max(initial=-1)) for which in (~loose, loose))
    groups, rings = highest
    return groups + 1, rings + 1


class Checked(NamedTuple):
    """What there is to say of an index."""

    states: States
    damaged: int  # entries that do not fit their chunks
    wrong_links: int
    groups: Longs  # newest sound entry of each
    rings: Longs

    @property
    def is_sound(self) -> bool:
        """Whether nothing has to be mended."""
        return not self.damaged and not self.wrong_links

    def mended(self, entries: Entries) -> Entries:
        """A copy of the entries in which nothing leads to a damaged chunk."""
        entries = entries.copy()
        k.mend(entries, self.states, np.full_like(self.groups, -1), np.full_like(self.rings, -1))
        return entries


def check(index: ReadableMap, count: int, data: ReadableMap) -> Checked:
    """Hold the first entries of an index against the chunks."""
    states = np.empty(count, np.int8)
    damaged = int(k.examine(index.address, count, data.address, data.size, states))
    data.forget_pages()
    return linked(index, states, damaged)


def linked(index: ReadableMap, states: States, damaged: int) -> Checked:
    """The same, of entries whose state is known."""
    count = len(states)
    groups, rings = owners_in(entries_of(index, count)[states == k.SOUND])
    chains = np.full(groups, -1, np.int64), np.full(rings, -1, np.int64)
    wrong = int(k.link(index.address, count, states, *chains))
    return Checked(states, damaged, wrong, *chains)
