"""What the kernels of the head have in common: layouts in memory and in the WAL, small helpers.

Values are i64 bit patterns throughout. Layouts (in 64-bit integers):

    extent of a group   t_ms[CAP], then CAP rows of `stride` slots
    ring of a series    START, COUNT, t_ms[CAP], bits[CAP]; sample k is at k % CAP
    group state         one row of STATE_LONGS a group (private to the writer)
    published group     one row of PUBLISHED_LONGS a group (mapped by readers)

WAL records (little-endian, a WAL frame is any number of them):

    u8 1 | u8 full | u32 group | i64 t_ms | u32 width | u32 changed | bitmap | byte planes
        row: slots whose bits changed since the row before (since 0 if full), their xors
    u8 2 | u8 0 | u32 runs | u32 n | u32 ring[runs] | u32 count[runs] | times | byte planes
        loose samples, run by run: times as varints of second differences, xors within a run
"""

from __future__ import annotations

from typing import Any

import numpy as np

from promlab.jit import kernel

CAP = 64  # rows of an extent, samples of a ring
RING_LONGS = 2 + 2 * CAP
START, COUNT = 0, 1

EXTENT, STRIDE, WIDTH, ROWS, LAST_ROW, LAST_T, SEALED_T, FIRST_SEGMENT, WAL_SEGMENT = range(9)
STATE_LONGS = 10
P_VERSION, P_EXTENT, P_STRIDE, P_ROWS = 0, 1, 2, 3
PUBLISHED_LONGS = 4
ENTRY_LONGS = 6  # owner << 1 | loose, first t, last t, offset, n << 32 | bytes, prev << 32 | crc

NEVER = -(2**63)
LATE_NEVER = 2**63 - 1
NO_ROOM, NOT_NEWEST = -1, -2
TAKEN, SAME, DUPLICATE, OUT_OF_ORDER, TOO_OLD, OUT_OF_BOUNDS = range(6)
ROW_RECORD, LOOSE_RECORD = 1, 2
ROW_HEADER, LOOSE_HEADER = 22, 10
REPLAY_DONE, REPLAY_EXTENT, REPLAY_FULL, REPLAY_LOOSE, REPLAY_BAD = 0, 1, 2, 3, 4


@kernel()
def put_int(out: Any, p: Any, x: Any) -> Any:
    """Write a u32, little-endian; the position after it."""
    u = np.uint64(x)
    for k in range(4):
        out[p + k] = np.uint8((u >> np.uint64(8 * k)) & np.uint64(255))
    return p + 4


@kernel()
def get_int(buffer: Any, p: Any) -> Any:
    """Read a u32, little-endian."""
    u = np.uint64(0)
    for k in range(4):
        u |= np.uint64(buffer[p + k]) << np.uint64(8 * k)
    return np.int64(u)


@kernel()
def put_planes(xors: Any, n: Any, out: Any, p: Any) -> Any:
    """Highest bytes of all first: planes of zeros cost nothing after compression."""
    for k in range(7, -1, -1):
        shift = np.uint64(8 * k)
        for i in range(n):
            out[p + i] = np.uint8((xors[i] >> shift) & np.uint64(255))
        p += n
    return p


@kernel()
def get_plane_value(buffer: Any, p: Any, n: Any, i: Any) -> Any:
    """The i-th of n values whose bytes `put_planes` wrote."""
    u = np.uint64(0)
    for k in range(8):
        u = (u << np.uint64(8)) | np.uint64(buffer[p + k * n + i])
    return np.int64(u)
