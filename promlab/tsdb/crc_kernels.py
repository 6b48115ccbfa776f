"""CRC-32 inside kernels: the checksum of zlib, eight bytes at a step.

What zlib itself can be given whole (frames, files) is left to it.
"""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np

from promlab.jit import kernel

_ONES = 0xFFFFFFFF


def _tables() -> Any:
    """What a byte does to the checksum that has 0 to 7 more behind it, all in one array."""
    first = np.array([zlib.crc32(bytes([i])) for i in range(256)], np.uint32)
    tables = [first ^ np.uint32(zlib.crc32(b"\0"))]
    for _ in range(7):
        tables.append(tables[0][tables[-1] & 255] ^ (tables[-1] >> np.uint32(8)))
    return np.concatenate(tables)


_TABLES = _tables()


@kernel(inline=True)
def _after_eight(x: Any) -> Any:
    """The state after eight bytes, which the state before is mixed into."""
    low = np.uint64(255)
    c = np.uint64(_TABLES[1792 + (x & low)])
    c ^= np.uint64(_TABLES[1536 + (x >> np.uint64(8) & low)])
    c ^= np.uint64(_TABLES[1280 + (x >> np.uint64(16) & low)])
    c ^= np.uint64(_TABLES[1024 + (x >> np.uint64(24) & low)])
    c ^= np.uint64(_TABLES[768 + (x >> np.uint64(32) & low)])
    c ^= np.uint64(_TABLES[512 + (x >> np.uint64(40) & low)])
    c ^= np.uint64(_TABLES[256 + (x >> np.uint64(48) & low)])
    return c ^ np.uint64(_TABLES[x >> np.uint64(56)])


@kernel()
def crc32(buffer: Any, start: Any, end: Any, crc: Any) -> Any:
    """CRC-32 as zlib computes it, of buffer[start:end] behind what `crc` is of."""
    c = np.uint64(crc) ^ np.uint64(_ONES)
    p = start
    while p + 8 <= end:
        x = np.uint64(0)
        for k in range(8):
            x |= np.uint64(buffer[p + k]) << np.uint64(8 * k)
        c = _after_eight(x ^ c)
        p += 8
    while p < end:
        at = (c ^ np.uint64(buffer[p])) & np.uint64(255)
        c = np.uint64(_TABLES[at]) ^ (c >> np.uint64(8))
        p += 1
    return np.int64(c ^ np.uint64(_ONES))


@kernel()
def crc32_longs(longs: Any, start: Any, end: Any, crc: Any) -> Any:
    """CRC-32 continued over the bytes of the integers longs[start:end], little-endian."""
    c = np.uint64(crc) ^ np.uint64(_ONES)
    for i in range(start, end):
        c = _after_eight(np.uint64(longs[i]) ^ c)
    return np.int64(c ^ np.uint64(_ONES))
