"""Kernels over a chunk file's index, which is given by address, since it is mapped read-only."""

from __future__ import annotations

from typing import Any

import numpy as np

from promlab.jit import kernel
from promlab.tsdb.codec_kernels import longs_at
from promlab.tsdb.head_kernels import ENTRY_LONGS


@kernel()
def get_int(buffer: Any, p: Any) -> Any:
    """Read a u32, little-endian."""
    u = np.uint64(0)
    for k in range(4):
        u |= np.uint64(buffer[p + k]) << np.uint64(8 * k)
    return np.int64(u)


@kernel("void(u8, i8, i8, i8[::1], i8[::1])")
def newest_entries(index: Any, first: Any, count: Any, groups: Any, rings: Any) -> Any:
    """Number of each owner's newest entry, from the entries [first, count)."""
    entries = longs_at(index, count * ENTRY_LONGS)
    for i in range(first, count):
        owner = entries[i * ENTRY_LONGS]
        chain = rings if owner & 1 else groups
        if owner >> 1 < len(chain):
            chain[owner >> 1] = i
