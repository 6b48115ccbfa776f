"""Fingerprints of label sets and the hash table of those that are known.

A fingerprint is the sum, over the labels of a set, of a keyed mix of (name code, value code),
twice with different keys: 128 bits. The keys are drawn when the process starts, so nobody
outside can make two label sets collide.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from promlab.jit import kernel


@kernel()
def _mix(x: Any) -> Any:
    """Finaliser of splitmix64."""
    x ^= x >> np.uint64(30)
    x *= np.uint64(0xBF58476D1CE4E5B9)
    x ^= x >> np.uint64(27)
    x *= np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@kernel("void(u4[::1], u8, u8[::1], u8[::1], u8[::1])")
def add_label(codes: Any, name: Any, keys: Any, high: Any, low: Any) -> Any:
    """Add one label's column to the fingerprints of n label sets; empty values add nothing."""
    for i in range(len(codes)):
        if codes[i] != np.uint32(0):
            x = (name << np.uint64(32)) | np.uint64(codes[i])
            high[i] += _mix(_mix(x ^ keys[0]) + keys[1])
            low[i] += _mix(_mix(x ^ keys[2]) + keys[3])


@kernel("i8(u8[::1], u8[::1], i4[::1], u8[::1], u8[::1], i8, u4[::1], i8[::1])")
def find_or_add(
    high: Any,
    low: Any,
    table: Any,
    known_high: Any,
    known_low: Any,
    known: Any,
    series: Any,
    new_rows: Any,
) -> Any:
    """Series of each fingerprint; unknown ones get the next numbers. How many are new.

    `table` (a power of two long, at most half full) holds series + 1; the `known_*` arrays
    have room for all; `new_rows` gets the first row of each new label set.
    """
    mask = np.uint64(len(table) - 1)
    new = 0
    for i in range(len(high)):
        at = high[i] & mask
        while True:
            entry = table[at]
            if entry == 0:
                known_high[known + new] = high[i]
                known_low[known + new] = low[i]
                table[at] = np.int32(known + new + 1)
                series[i] = np.uint32(known + new)
                new_rows[new] = i
                new += 1
                break
            if known_high[entry - 1] == high[i] and known_low[entry - 1] == low[i]:
                series[i] = np.uint32(entry - 1)
                break
            at = (at + np.uint64(1)) & mask
    return new


@kernel("void(u8[::1], i8, i4[::1])")
def rehash(known_high: Any, known: Any, table: Any) -> Any:
    """Fill an empty table with all known fingerprints."""
    mask = np.uint64(len(table) - 1)
    for i in range(known):
        at = known_high[i] & mask
        while table[at] != 0:
            at = (at + np.uint64(1)) & mask
        table[at] = np.int32(i + 1)
