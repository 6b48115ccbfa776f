"""Facts about a block's files that `meta.json` has: their sizes, and checksums of their ends."""

from __future__ import annotations

import os
import zlib
from pathlib import Path

from promlab.tsdb.blocks import layout

_TAIL = 1 << 16  # most bytes at the end of a file that meta.json has a checksum of


def file_facts(directory: Path) -> dict[str, tuple[int, int]]:
    """Size of each Parquet file of a folder, and the checksum of its end, footer included."""
    facts = {}
    for path in sorted(directory.glob("*.parquet")):
        if path.name != layout.TOMBSTONES:
            facts[path.name] = (path.stat().st_size, tail_checksum(path))
    return facts


def tail_checksum(path: Path) -> int:
    """CRC-32 of a file's last bytes: 64 KiB of them, or all of a longer footer."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        file.seek(max(0, size - 8))
        footer = int.from_bytes(file.read(4), "little")
        file.seek(max(0, size - max(_TAIL, footer + 8)))
        return zlib.crc32(file.read())
