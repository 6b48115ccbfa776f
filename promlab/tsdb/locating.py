"""Where the samples of a plan's sources are, as of now: what the head holds, and chunks.

What is not sealed is copied, each source at one moment; sealed chunks stay where they are.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import NamedTuple

from promlab.errors import StorageError
from promlab.tsdb.decoding import Located, Pieces, Tails
from promlab.tsdb.files import Longs, ReadableMap
from promlab.tsdb.mapped import ChunkView, Mapped
from promlab.tsdb.piece_kernels import find_pieces
from promlab.tsdb.plan import Plan
from promlab.tsdb.tail_kernels import OK, REMAP, copy_tails

_PIECES_A_SOURCE = 8
HeadPlaces = tuple[int, int, int, int, int, int]  # address and length, three times


class HeadFiles(NamedTuple):
    """Maps of the table of groups, rows and rings.

    Keep them while a kernel reads there: another query may map the files anew meanwhile, and a
    map that nobody has is gone, with the addresses in it.
    """

    table: ReadableMap
    rows: ReadableMap
    loose: ReadableMap
    sound: bool = True

    def sizes(self) -> tuple[int, int, int]:
        """Bytes of each."""
        return self.table.size, self.rows.size, self.loose.size

    def places(self) -> HeadPlaces:
        """Address and length of each, in longs; -1 if they are lost."""
        if not self.sound:
            return 0, -1, 0, -1, 0, -1
        table, rows, loose = self.table, self.rows, self.loose
        sizes = table.size // 8, rows.size // 8, loose.size // 8
        return table.address, sizes[0], rows.address, sizes[1], loose.address, sizes[2]


def locate(mapped: Mapped, lock: Lock, plan: Plan, start_ms: int, end_ms: int) -> Located:
    """The head's samples first, then the chunks with what is older. Raises StorageError."""
    tails = Tails(plan)

    def copy(places: HeadPlaces) -> int:
        state: int = copy_tails(
            *places, plan.groups, plan.group_places_at, plan.group_places, plan.slots,
            plan.rings, plan.ring_places, plan.loose, start_ms, end_ms, tails.firsts,
            tails.counts, tails.times_at, tails.t_ms, tails.values_at, tails.bits,
        )  # fmt: skip
        return state

    read_head(mapped, lock, copy)
    pieces, view = find_chunks(mapped, lock, plan, tails.firsts, start_ms, end_ms)
    return Located(plan, tails, pieces, view)


def find_chunks(
    mapped: Mapped, lock: Lock, plan: Plan, firsts: Longs, start_ms: int, end_ms: int
) -> tuple[Pieces, ChunkView]:
    """Chunks of each source that overlap, and begin before what the head held of it."""
    sources = len(plan.owners)
    pieces = Pieces(sources, _PIECES_A_SOURCE * sources)
    with lock:
        view = mapped.chunks(start_ms, end_ms)
        while True:
            n = find_pieces(
                view.indexes, view.counts, view.group_chains, view.ring_chains, view.chain_sizes,
                plan.owners, plan.loose, firsts, view.starts, end_ms, pieces.at, pieces.file,
                pieces.entry,
            )  # fmt: skip
            if n <= len(pieces.file):
                break
            pieces = Pieces(sources, n)
    pieces.file, pieces.entry = pieces.file[:n], pieces.entry[:n]
    return pieces, view


def read_head(mapped: Mapped, lock: Lock, read: Callable[[HeadPlaces], int]) -> None:
    """Let a kernel read what is not sealed, if there is anything. Raises StorageError.

    `read` takes the places of the head's files, and is called anew when these have grown.
    """
    while mapped.head_is_sound:
        heads = head_files(mapped)
        state = read(heads.places())
        if state == OK:
            return
        remap(mapped, lock, state, heads)


def head_files(mapped: Mapped) -> HeadFiles:
    """The head's files as they are mapped now; none of them counts if they are lost."""
    if not mapped.head_is_sound:
        empty = ReadableMap.empty()
        return HeadFiles(empty, empty, empty, False)
    return HeadFiles(mapped.table, mapped.rows, mapped.loose)


def remap(mapped: Mapped, lock: Lock, state: int, used: HeadFiles) -> None:
    """Map head files anew, as far as they reach now, if nobody has since `used` were.

    Raises StorageError where they reach no further than that.
    """
    with lock:
        if state != REMAP or head_files(mapped).sizes() == used.sizes():
            mapped.map_head()
        if state == REMAP and head_files(mapped).sizes() == used.sizes():
            raise StorageError(f"head files in {mapped.path} are damaged")
