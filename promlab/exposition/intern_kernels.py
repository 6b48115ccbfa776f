"""Finding the distinct slices of a body, so that each becomes a Python string only once."""

from __future__ import annotations

from typing import Any

import numpy as np

from promlab.exposition.bytes_kernels import equal_bytes, hash_bytes
from promlab.jit import kernel

EMPTY = -1


@kernel(
    "UniTuple(int64, 2)(Array(uint8, 1, 'C', True), int32[:], int32[:], uint64, uint64,"
    " int32[::1], uint64[::1], int32[::1], int32[::1], int64, int64)"
)
def intern_slices(
    body: Any,
    starts: Any,
    ends: Any,
    seed: int,
    key: int,
    table: Any,
    hashes: Any,
    firsts: Any,
    ids: Any,
    at: int,
    count: int,
) -> tuple[int, int]:
    """Give equal slices equal ids, dense and in order of appearance, from slice `at` on.

    `table` is an EMPTY hash table whose size is a power of two; `hashes` and `firsts` hold
    what is known of the `count` ids given before (the slice each was first seen as). Stops
    when the table is half full; returns how far it came and the new count.
    """
    mask = np.uint64(len(table) - 1)
    for known in range(count):
        slot = hashes[known] & mask
        while table[slot] != EMPTY:
            slot = (slot + np.uint64(1)) & mask
        table[slot] = known
    while at < len(starts) and 2 * count < len(table):
        start: Any = np.int64(starts[at])
        end: Any = np.int64(ends[at])
        mixed = hash_bytes(body, start, end, seed, key)
        slot = mixed & mask
        while True:
            known = table[slot]
            if known == EMPTY:
                table[slot] = count
                hashes[count] = mixed
                firsts[count] = at
                ids[at] = count
                count += 1
                break
            first = firsts[known]
            begin: Any = np.int64(starts[first])
            length: Any = ends[first] - begin
            if (
                hashes[known] == mixed
                and length == end - start
                and equal_bytes(body, start, body, begin, length) == length
            ):
                ids[at] = known
                break
            slot = (slot + np.uint64(1)) & mask
        at += 1
    return at, count
