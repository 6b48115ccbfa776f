"""Kernels that decode the times of sources: once for all that were sampled together.

See tail_kernels for what sources are, and piece_kernels for their pieces.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from promlab.jit import kernel
from promlab.tsdb.chunk_kernels import get_int
from promlab.tsdb.codec_kernels import MAX_ROWS, bytes_at, decode_times, longs_at
from promlab.tsdb.head_kernels import ENTRY_LONGS
from promlab.tsdb.tail_kernels import LATE, RING

_LOW = 0xFFFFFFFF


@kernel()
def _same_bytes(buffer: Any, at: Any, other: Any, other_at: Any, n: Any) -> Any:
    """Whether `n` bytes are equal."""
    different = np.uint8(0)
    for i in range(n):
        different |= buffer[at + i] ^ other[other_at + i]
    return different == 0


@kernel()
def _same_times(
    datas: Any,
    sizes: Any,
    indexes: Any,
    counts: Any,
    piece_file: Any,
    piece_entry: Any,
    pieces_at: Any,
    s: Any,
    before: Any,
    pieces: Any,
    tail_t: Any,
    tail_at: Any,
    tail_counts: Any,
) -> Any:
    """Whether ring `s` has the very times of ring `before`; its pieces are filled in if so.

    What is sent from elsewhere often was sampled together there: then the encoded times are
    equal byte for byte, and telling so costs much less than decoding them again.
    """
    n = pieces_at[s + 1] - pieces_at[s]
    if n != pieces_at[before + 1] - pieces_at[before] or tail_counts[s] != tail_counts[before]:
        return False
    for i in range(tail_counts[s]):
        if tail_t[tail_at[s] + i] != tail_t[tail_at[before] + i]:
            return False
    for k in range(n):
        known = pieces[pieces_at[before] + k]
        i = pieces_at[s] + k
        f = piece_file[i]
        e = piece_entry[i] * ENTRY_LONGS
        entries = longs_at(indexes[f], counts[f] * ENTRY_LONGS)
        rows, length, offset = entries[e + 4] >> 32, entries[e + 4] & _LOW, entries[e + 3]
        if (
            f != known[3]
            or rows != known[2]
            or offset < 0
            or offset + length > sizes[f]
            or length <= known[6]
        ):
            return False
        buffer = bytes_at(datas[f] + np.uint64(offset), length)
        other = bytes_at(datas[known[3]] + np.uint64(known[4]), known[5])
        if not _same_bytes(buffer, 0, other, 0, known[6]):
            return False
        piece = pieces[i]
        piece[0], piece[1], piece[2], piece[3] = known[0], known[1], rows, f
        piece[4], piece[5], piece[6] = offset, length, known[6]
    return True


@kernel(
    "i8(u8[::1], i8[::1], u8[::1], i8[::1], i8[::1], i8[::1], i8[::1], i8[::1], i8[::1], i8,"
    " i8[::1], i8[::1], i8[::1], i8[::1], i8[:, ::1], i8[::1], i8[::1], i8[::1])"
)
def source_times(
    indexes: Any,
    counts: Any,
    datas: Any,
    sizes: Any,
    piece_file: Any,
    piece_entry: Any,
    pieces_at: Any,
    loose: Any,
    starts: Any,
    end: Any,
    firsts: Any,
    tail_t: Any,
    tail_at: Any,
    tail_counts: Any,
    pieces: Any,
    t_out: Any,
    times_at: Any,
    rows_of: Any,
) -> Any:
    """Times of every source, and where to find each piece's values.

    Source s has `rows_of[s]` times from `t_out[times_at[s]]` on; rings whose times are equal
    may share them. `pieces[i]` becomes (first row, end row, rows, file, offset of the chunk,
    its bytes, offset of the columns in it). Returns the number of times, or -1 if a chunk is
    damaged.
    """
    n = np.int64(0)
    scratch = np.empty(MAX_ROWS, np.int64)
    for s in range(len(loose)):
        limit = end if loose[s] == LATE else min(end, firsts[s] - 1)
        alike = s > 0 and loose[s] == RING and loose[s - 1] == RING
        if alike and limit == min(end, firsts[s - 1] - 1):
            shared = _same_times(
                datas, sizes, indexes, counts, piece_file, piece_entry, pieces_at, s, s - 1,
                pieces, tail_t, tail_at, tail_counts,
            )  # fmt: skip
            if shared:
                times_at[s] = times_at[s - 1]
                rows_of[s] = rows_of[s - 1]
                continue
        times_at[s] = n
        for i in range(pieces_at[s], pieces_at[s + 1]):
            f = piece_file[i]
            e = piece_entry[i] * ENTRY_LONGS
            entries = longs_at(indexes[f], counts[f] * ENTRY_LONGS)
            rows, length = entries[e + 4] >> 32, entries[e + 4] & _LOW
            offset = entries[e + 3]
            if rows < 1 or rows > MAX_ROWS or offset < 0 or offset + length > sizes[f]:
                return -1
            buffer = bytes_at(datas[f] + np.uint64(offset), length)
            p: Any = np.int64(0)
            if not loose[s]:
                if length < 4:
                    return -1
                p = 4 + 4 * get_int(buffer, 0)
            p = decode_times(buffer, p, length, rows, scratch) if p < length else -1
            if p < 0:
                return -1
            low, high = np.int64(0), rows
            while low < high and scratch[low] < starts[f]:
                low += 1
            while high > low and scratch[high - 1] > limit:
                high -= 1
            for row in range(low, high):
                t_out[n] = scratch[row]
                n += 1
            piece = pieces[i]
            piece[0], piece[1], piece[2], piece[3] = low, high, rows, f
            piece[4], piece[5], piece[6] = offset, length, p
        for i in range(tail_counts[s]):
            t_out[n] = tail_t[tail_at[s] + i]
            n += 1
        rows_of[s] = n - times_at[s]
    return n
