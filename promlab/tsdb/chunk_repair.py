"""What the writer does about a damaged chunk file when it opens: once, on disk.

Damaged chunks get entries that belong to nobody, so that no reader meets them; the index as it
was is kept beside as `N.index.damaged`. Of a file that was still being written the log may have
what is lost: an owner whose later chunks are all in the log as well goes on from the log.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from promlab.tsdb import check_kernels as k
from promlab.tsdb.chunk_check import ENTRY_BYTES, Checked, Entries, check, entries_of, linked
from promlab.tsdb.files import Longs, ReadableMap, replace_file
from promlab.tsdb.wal import segments, whole_frames

NOT_LOGGED = 2**63 - 1
_FIRST, _LAST = 2**63 - 1, -(2**63)


class Known(NamedTuple):
    """Owners that the series log tells of; not `complete` if it has lost some."""

    widths: Longs  # slots of each group
    rings: int
    complete: bool = True


class Kept(NamedTuple):
    """What there is of a chunk file after it was looked at."""

    entries: int = 0
    end: int = 0  # bytes of chunks
    first: int = _FIRST  # times
    last: int = _LAST
    corruptions: int = 0
    longer: bool = True  # whether the files have more than that


def damaged_path(index: Path) -> Path:
    """Where an index goes that is replaced."""
    return index.with_name(f"{index.name}.damaged")


def repair(
    data_path: Path,
    index_path: Path,
    known: Known,
    warn: Callable[[str], None],
    log: Path | None = None,
) -> Kept:
    """Look at a file and mend its index where it is needed. Raises StorageError.

    Chunks from the first one on whose owner is not known do not count: their numbers will be
    given again. With `log`, the file is the newest: it may have an end that was never written.
    """
    index = ReadableMap(index_path)
    data = ReadableMap(data_path) if data_path.exists() else ReadableMap.empty()
    written = _written(index) if log is not None else index.size // ENTRY_BYTES
    found = check(index, written, data)
    corruptions = 0
    unknown = k.first_unknown(
        index.address, written, data.address, found.states, known.widths, known.rings
    )
    sound = np.flatnonzero(found.states[:unknown] != k.DAMAGED)
    count = written if log is None else int(sound[-1]) + 1 if len(sound) else 0
    count = min(int(unknown), count)
    if count < written:
        warn(f"chunk file {data_path.name}: what follows chunk {count} is damaged, cut off")
        corruptions = 1
        states = found.states[:count].copy()
        found = linked(index, states, int((states == k.DAMAGED).sum()))
    entries = entries_of(index, count)
    if not found.is_sound:
        mended = _without_logged(found, entries, log, known).mended(entries)
        replace_file(damaged_path(index_path), index.bytes.tobytes())
        replace_file(index_path, mended.tobytes())
        corruptions += max(found.damaged, 1)
        warn(
            f"chunk file {data_path.name}: {found.damaged} of {count} chunks are damaged and left"
            f" out, the index as it was is {damaged_path(index_path).name}"
        )
        entries = mended
    there = entries[entries[:, 0] < k.NOBODY]
    end = int((there[:, 3] + (there[:, 4] & 0xFFFFFFFF)).max(initial=0))
    longer = log is not None or count * ENTRY_BYTES < index.size
    if log is None and len(there) == written and end < data.size:
        warn(f"chunk file {data_path.name}: {data.size - end} bytes at its end have no entry")
        corruptions, longer = corruptions + 1, True
    first, last = int(there[:, 1].min(initial=_FIRST)), int(there[:, 2].max(initial=_LAST))
    return Kept(count, end, first, last, corruptions, longer)


def _written(index: ReadableMap) -> int:
    """How many entries there are: behind them, zeros are reserved."""
    entries = entries_of(index, index.size // ENTRY_BYTES)
    used = np.flatnonzero(entries.any(axis=1))
    return int(used[-1]) + 1 if len(used) else 0


def _without_logged(found: Checked, entries: Entries, log: Path | None, known: Known) -> Checked:
    """Take for damaged, too, what follows a damaged chunk of the same owner, if the log has it."""
    if log is None or not found.damaged:
        return found
    logged = logged_from(log, known)
    states = found.states.copy()
    from_log: set[int] = set()
    for i in np.flatnonzero(found.states == k.SOUND).tolist():
        owner, before = int(entries[i, 0]), int(entries[i, 5] >> 32)
        lost = 0 <= before < i and found.states[before] == k.DAMAGED
        if lost and logged[owner & 1][owner >> 1] <= entries[i, 1]:
            from_log.add(owner)
        if owner in from_log:
            states[i] = k.DAMAGED
    return found._replace(states=states)


def logged_from(directory: Path, known: Known) -> tuple[Longs, Longs]:
    """The time from which on the log has all samples of each group, and of each ring."""
    groups = np.full(len(known.widths), NOT_LOGGED, np.int64)
    rings = np.full(known.rings, NOT_LOGGED, np.int64)
    for path in segments(directory):
        with path.open("rb") as file:
            end = 0
            for records, end in whole_frames(file):  # noqa: B007 - the last end is used
                k.note_logged(records, groups, rings)
            if end < os.fstat(file.fileno()).st_size:
                groups.fill(NOT_LOGGED)
                rings.fill(NOT_LOGGED)
    return groups, rings
