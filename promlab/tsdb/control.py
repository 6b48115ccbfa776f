"""The control page `head/control`: the counters through which the writer publishes.

One page of 64-bit integers, mapped by the writer and by every reader. The writer stores what
a counter counts first and the counter last. A writer that starts makes a new page and renames
it over the old one: a reader that finds another inode starts anew. It looks for one where the
data directory has another time, which `publish` sees to.
"""

from __future__ import annotations

import os
import zlib
from pathlib import Path

import numpy as np

from promlab.errors import StorageError
from promlab.tsdb.files import Longs, WritableMap

MAGIC = 0x6264_7473_4C4D_5250
FORMAT = 1

# Positions in the page.
(
    MAGIC_AT,
    FORMAT_AT,
    EPOCH,  # names the files rows.<epoch>, loose.<epoch>, groups.<epoch>
    BOOT,  # which run of the system wrote rows and loose
    CLEAN,  # CLOSED or SETTLED when the writer has closed the directory
    SERIES_BYTES,  # valid length of the series log
    FIRST_FILE,  # number of the oldest chunk file
    CHUNKS,  # number of the newest chunk file << 32 | its entries
    MIN_TIME,
    MAX_TIME,
    APPENDED,  # samples since the writer started
    EXEMPLARS,  # how many exemplars count
) = range(12)
# Samples before CUT_TIME in chunk files up to CUT_FILE (0: in none) are in blocks.
CUT_FILE, CUT_TIME = 48, 49
CHECKSUM = 50  # CRC-32 of the numbers before it, when the directory is closed; 0 before
CLOSED = 1  # rows and rings have what is not sealed
SETTLED = 2  # all is sealed: there are no rows and rings any more
LONGS = 64


def path_of(directory: Path) -> Path:
    """Where a data directory's control page is."""
    return directory / "head" / "control"


def boot_id() -> int:
    """A number that differs from one start of this machine to the next; 0 if unknown."""
    try:
        text = Path("/proc/sys/kernel/random/boot_id").read_bytes()
    except OSError:
        return 0
    return zlib.crc32(text)


def read(directory: Path) -> Longs | None:
    """A copy of the page, or None if there is none that makes sense."""
    try:
        data = path_of(directory).read_bytes()
    except OSError:
        return None
    if len(data) < 8 * LONGS:
        return None
    page = np.frombuffer(data, np.int64, LONGS)
    return page if page[MAGIC_AT] == MAGIC and page[FORMAT_AT] == FORMAT else None


def newest_epoch(directory: Path) -> int:
    """The newest epoch that left anything, 0 if none did."""
    names = (directory / "head").glob("*.*")
    return max((int(p.suffix[1:]) for p in names if p.suffix[1:].isdigit()), default=0)


def create(directory: Path) -> WritableMap:
    """A new page beside the one in use; `publish` puts it in its place."""
    page = WritableMap(path_of(directory).with_suffix(".tmp"), LONGS)
    page.longs[MAGIC_AT] = MAGIC
    page.longs[FORMAT_AT] = FORMAT
    page.longs[BOOT] = boot_id()
    return page


def close(page: Longs, *, settled: bool) -> None:
    """The last that is written to a page: its writer has closed the directory."""
    page[CLEAN] = SETTLED if settled else CLOSED
    page[CHECKSUM] = zlib.crc32(page[:CHECKSUM].tobytes())


def is_sound(page: Longs) -> bool:
    """Whether a page is what a writer has closed, or in use."""
    return not page[CHECKSUM] or int(page[CHECKSUM]) == zlib.crc32(page[:CHECKSUM].tobytes())


def publish(directory: Path) -> None:
    """Put the new page where readers look for it."""
    path = path_of(directory)
    try:
        path.with_suffix(".tmp").replace(path)
        os.utime(directory)
    except OSError as error:
        raise StorageError(f"cannot publish {path}: {error}") from None
