"""Kernels of the writer: rows of a target, rings of single series, their WAL records, sealing.

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
from promlab.tsdb.codec_kernels import (
    HISTOGRAM,
    HOLE,
    MAX_ROWS,
    NAN,
    crc32,
    crc32_long,
    decode_times,
    encode_column,
    encode_times,
    encode_values,
    get_long,
    put_long,
)

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
def _put_int(out: Any, p: Any, x: Any) -> Any:
    u = np.uint64(x)
    for k in range(4):
        out[p + k] = np.uint8((u >> np.uint64(8 * k)) & np.uint64(255))
    return p + 4


@kernel()
def _get_int(buffer: Any, p: Any) -> Any:
    u = np.uint64(0)
    for k in range(4):
        u |= np.uint64(buffer[p + k]) << np.uint64(8 * k)
    return np.int64(u)


@kernel()
def _put_planes(xors: Any, n: Any, out: Any, p: Any) -> Any:
    """Highest bytes of all first: planes of zeros cost nothing after compression."""
    for k in range(7, -1, -1):
        shift = np.uint64(8 * k)
        for i in range(n):
            out[p + i] = np.uint8((xors[i] >> shift) & np.uint64(255))
        p += n
    return p


@kernel()
def _get_plane_value(buffer: Any, p: Any, n: Any, i: Any) -> Any:
    u = np.uint64(0)
    for k in range(8):
        u = (u << np.uint64(8)) | np.uint64(buffer[p + k * n + i])
    return np.int64(u)


@kernel()
def _log_and_store(
    arena: Any,
    row: Any,
    before: Any,
    fresh: Any,
    width: Any,
    stride: Any,
    full: Any,
    g: Any,
    t: Any,
    wal: Any,
    at: Any,
) -> Any:
    """Log the row against the one before it, then store it: they may be the same row."""
    start = at
    wal[at] = ROW_RECORD
    wal[at + 1] = full
    at = _put_int(wal, at + 2, g)
    at = put_long(wal, at, t)
    at = _put_int(wal, at, width)
    bitmap = at + 4
    at = bitmap + (width + 7) // 8
    xors = np.empty(width, np.uint64)
    n = np.int64(0)
    byte = np.uint64(0)
    for s in range(width):
        x = fresh[s] if full else fresh[s] ^ arena[before + s]
        xors[n] = np.uint64(x)
        changed = np.uint64(x != 0)
        n += np.int64(changed)
        byte |= changed << np.uint64(s & 7)
        if s & 7 == 7:
            wal[bitmap + (s >> 3)] = np.uint8(byte)
            byte = np.uint64(0)
    if width & 7:
        wal[bitmap + (width >> 3)] = np.uint8(byte)
    _put_int(wal, start + 18, n)
    for s in range(stride):
        arena[row + s] = fresh[s]
    return _put_planes(xors, n, wal, at)


@kernel(
    "UniTuple(i8, 4)(i8[::1], i8[:, ::1], i8, u4[::1], i8[::1], b1, u4[::1], i8[::1],"
    " i8[::1], i8, i8, u1[::1], i8)"
)
def append_row(
    arena: Any,
    state: Any,
    g: Any,
    slots: Any,
    bits: Any,
    references: Any,
    series: Any,
    last_t: Any,
    last_bits: Any,
    t: Any,
    segment: Any,
    wal: Any,
    at: Any,
) -> Any:
    """Append one row, or add slots to the row that is already there for `t`.

    `references` says whether `bits` may refer to histograms; if not, what looks so is a NaN.
    Returns (appended, other value at the same time, out of order, position in the WAL
    buffer); appended is NO_ROOM if the group needs an extent, or a wider or empty one, and
    NOT_NEWEST if the row belongs before rows that are stored.
    """
    extent, stride, rows = state[g, EXTENT], state[g, STRIDE], state[g, ROWS]
    width = state[g, WIDTH]
    merge = rows > 0 and state[g, LAST_T] == t
    if not merge and t <= state[g, LAST_T]:
        return NOT_NEWEST, 0, 0, at
    if extent < 0 or stride < width or (rows == CAP and not merge):
        return NO_ROOM, 0, 0, at
    before = extent + CAP + state[g, LAST_ROW] * stride
    index = state[g, LAST_ROW] if merge else rows
    row = extent + CAP + index * stride
    fresh = np.empty(stride, np.int64)
    if merge:
        for s in range(stride):
            fresh[s] = arena[row + s]
    else:
        for s in range(stride):
            fresh[s] = HOLE
    appended = duplicate = out_of_order = np.int64(0)
    for i in range(len(slots)):
        slot = slots[i]
        ref = series[slot]
        x = bits[i]
        if x == HOLE or (x >> 48 == HISTOGRAM and not references):
            x = np.int64(NAN)
        if t > last_t[ref]:
            fresh[slot] = x
            last_t[ref] = t
            last_bits[ref] = x
            appended += 1
        elif t < last_t[ref]:
            out_of_order += 1
        elif last_bits[ref] != x:
            duplicate += 1
    if appended == 0:
        return appended, duplicate, out_of_order, at
    full = state[g, WAL_SEGMENT] != segment
    at = _log_and_store(arena, row, before, fresh, width, stride, full, g, t, wal, at)
    if not merge:
        arena[extent + index] = t
        state[g, LAST_ROW] = index
        state[g, LAST_T] = t
        state[g, ROWS] = rows + 1
        if rows == 0:
            state[g, FIRST_SEGMENT] = segment
    state[g, WAL_SEGMENT] = segment
    return appended, duplicate, out_of_order, at


@kernel("i8(i8[::1], i8, i8, i8, i8, u1[::1], i8)")
def seal_rows(arena: Any, extent: Any, stride: Any, rows: Any, width: Any, out: Any, p: Any) -> Any:
    """The chunk of a group's rows: u32 width | u32 ends[width] | times | columns.

    `ends` count from the chunk's start. Returns the position after it.
    """
    start = p
    p = _put_int(out, p, width)
    ends = p
    p += 4 * width
    p = encode_times(arena[extent : extent + rows], rows, out, p)
    tile = np.empty((8, rows), np.int64)
    scratch = np.empty(rows, np.int64)
    integers = np.empty(rows, np.int64)
    dense = scratch.view(np.float64)
    for first in range(0, width, 8):
        many = min(8, width - first)
        for r in range(rows):  # eight columns at a time: a cache line of each row
            at = extent + CAP + r * stride + first
            for k in range(many):
                tile[k, r] = arena[at + k]
        for k in range(many):
            column = tile[k]
            values = column.view(np.float64)
            p = encode_column(column, values, rows, scratch, dense, integers, out, p)
            _put_int(out, ends + 4 * (first + k), p - start)
    return p


@kernel(
    "UniTuple(i8, 5)(u4[::1], i8[::1], i8[::1], b1, i8[::1], i8[::1], i8, i8, u4[::1], u4[::1],"
    " i8[::1], i8[::1], i8[::1])"
)
def accept_loose(
    refs: Any,
    t_ms: Any,
    bits: Any,
    references: Any,
    last_t: Any,
    last_bits: Any,
    floor: Any,
    late_floor: Any,
    rings: Any,
    out_rings: Any,
    out_t: Any,
    out_bits: Any,
    out_late: Any,
) -> Any:
    """Samples that are in order, compacted; (taken, duplicate, out of order, too old, late).

    A sample older than `floor` is too old. What does not fit in order but is not older than
    `late_floor` (LATE_NEVER if nothing may come late) is late: its number goes to `out_late`,
    and what of `bits` is no value that may be stored is mended in place.
    """
    taken = duplicate = out_of_order = too_old = late = 0
    for i in range(len(refs)):
        ref = refs[i]
        t = t_ms[i]
        x = bits[i]
        if x == HOLE or (x >> 48 == HISTOGRAM and not references):
            x = np.int64(NAN)
        if t >= floor and t == last_t[ref] and t != NEVER:
            duplicate += last_bits[ref] != x
        elif t >= floor and (t > last_t[ref] or t == NEVER):
            last_t[ref] = t
            last_bits[ref] = x
            out_rings[taken] = rings[i]
            out_t[taken] = t
            out_bits[taken] = x
            taken += 1
        elif t >= late_floor:
            bits[i] = x
            out_late[late] = i
            late += 1
        elif t < floor or late_floor != LATE_NEVER:
            too_old += 1
        else:
            out_of_order += 1
    return taken, duplicate, out_of_order, too_old, late


@kernel("void(u4[::1], i8[::1], i8[::1], b1, i8[::1], i8[::1], i8, i8, u1[::1], i8[::1])")
def judge_loose(
    refs: Any,
    t_ms: Any,
    bits: Any,
    references: Any,
    last_t: Any,
    last_bits: Any,
    floor: Any,
    late_floor: Any,
    verdicts: Any,
    existing: Any,
) -> None:
    """What `accept_loose` would do with each sample; changes nothing.

    `existing` gets the value that a duplicate would have replaced.
    """
    old_t, old_bits = np.empty(len(refs), np.int64), np.empty(len(refs), np.int64)
    for i in range(len(refs)):
        ref, t, x = refs[i], t_ms[i], bits[i]
        if x == HOLE or (x >> 48 == HISTOGRAM and not references):
            x = np.int64(NAN)
        old_t[i], old_bits[i] = last_t[ref], last_bits[ref]
        if t >= floor and t == last_t[ref] and t != NEVER:
            verdicts[i] = SAME if last_bits[ref] == x else DUPLICATE
            existing[i] = last_bits[ref]
        elif t >= floor and (t > last_t[ref] or t == NEVER):
            verdicts[i] = TAKEN
            last_t[ref], last_bits[ref] = t, x
        elif t >= late_floor:
            verdicts[i] = TAKEN
        elif late_floor != LATE_NEVER:
            verdicts[i] = TOO_OLD
        else:
            verdicts[i] = OUT_OF_BOUNDS if t < floor else OUT_OF_ORDER
    for i in range(len(refs) - 1, -1, -1):
        last_t[refs[i]], last_bits[refs[i]] = old_t[i], old_bits[i]


@kernel("i8(u4[::1], i8, i8[::1])")
def runs_of(rings: Any, n: Any, starts: Any) -> Any:
    """Starts of runs of equal rings, and n behind the last; -1 if a ring has two runs' order.

    Returns the number of runs. Order means: rings ascend from run to run.
    """
    runs = 0
    for i in range(n):
        if i == 0 or rings[i] != rings[i - 1]:
            if i and rings[i] < rings[i - 1]:
                return -1
            starts[runs] = i
            runs += 1
    starts[runs] = n
    return runs


@kernel("i8(u4[::1], i8[::1], i8[::1], i8[::1], i8, u1[::1], i8)")
def log_loose(rings: Any, starts: Any, t_ms: Any, bits: Any, runs: Any, wal: Any, at: Any) -> Any:
    """The WAL record of these runs; position after it."""
    first, n = starts[0], starts[runs] - starts[0]
    wal[at] = LOOSE_RECORD
    wal[at + 1] = 0
    at = _put_int(wal, at + 2, runs)
    at = _put_int(wal, at, n)
    for r in range(runs):
        at = _put_int(wal, at, rings[starts[r]])
    for r in range(runs):
        at = _put_int(wal, at, starts[r + 1] - starts[r])
    xors = np.empty(n, np.uint64)
    for r in range(runs):
        at = encode_times(t_ms[starts[r] : starts[r + 1]], starts[r + 1] - starts[r], wal, at)
        last = np.int64(0)
        for i in range(starts[r], starts[r + 1]):
            xors[i - first] = np.uint64(bits[i] ^ last)
            last = bits[i]
    return _put_planes(xors, n, wal, at)


@kernel("i8(u1[::1], i8, i8, u4[::1], i8[::1], i8[::1])")
def read_loose(buffer: Any, p: Any, end: Any, rings: Any, t_ms: Any, bits: Any) -> Any:
    """Samples of a loose record at `p`; position after it, or -1 if it is damaged."""
    runs, n = _get_int(buffer, p + 2), _get_int(buffer, p + 6)
    p += LOOSE_HEADER
    counts = p + 4 * runs
    planes = counts + 4 * runs
    at = 0
    for r in range(runs):
        count = _get_int(buffer, counts + 4 * r)
        if at + count > n:
            return -1
        planes = decode_times(buffer, planes, end, count, t_ms[at : at + count])
        if planes < 0:
            return -1
        for i in range(at, at + count):
            rings[i] = np.uint32(_get_int(buffer, p + 4 * r))
        at += count
    if at != n or planes + 8 * n > end:
        return -1
    at = 0
    for r in range(runs):
        last = np.int64(0)
        for _ in range(_get_int(buffer, counts + 4 * r)):
            last ^= _get_plane_value(buffer, planes, n, at)
            bits[at] = last
            at += 1
    return planes + 8 * n


@kernel("i8(u1[::1], i8, i8)")
def next_loose(buffer: Any, p: Any, end: Any) -> Any:
    """Where the next loose record begins, rows passed over; -1 where there is none."""
    while p < end:
        if buffer[p] == LOOSE_RECORD:
            return p
        if buffer[p] != ROW_RECORD or p + ROW_HEADER > end:
            return -1
        width, n = _get_int(buffer, p + 14), _get_int(buffer, p + 18)
        p += ROW_HEADER + (width + 7) // 8 + 8 * n
    return -1


@kernel("i8(i8[::1], u4[::1], i8[::1], i8[::1], i8[::1], i8, i8[::1], i8, i8[::1])")
def put_loose(
    loose: Any,
    rings: Any,
    starts: Any,
    t_ms: Any,
    bits: Any,
    runs: Any,
    first_segment: Any,
    segment: Any,
    full: Any,
) -> Any:
    """Store the runs that fit into their rings; numbers of the others in `full`, how many.

    `rings[r]` is the ring of run r.
    """
    overflowing = 0
    for r in range(runs):
        ring = rings[r]
        base = np.int64(ring) * RING_LONGS
        count = loose[base + COUNT]
        more = starts[r + 1] - starts[r]
        if count - loose[base + START] + more > CAP:
            full[overflowing] = r
            overflowing += 1
            continue
        if count == loose[base + START]:
            first_segment[ring] = segment
        for i in range(starts[r], starts[r + 1]):
            at = base + 2 + count % CAP
            loose[at] = t_ms[i]
            loose[at + CAP] = bits[i]
            count += 1
        loose[base + COUNT] = count
    return overflowing


@kernel()
def _sort_run(times: Any, bits: Any, n: Any) -> None:
    """Sort by time; what came first stays first."""
    for i in range(1, n):
        t, x = times[i], bits[i]
        j = i
        while j and times[j - 1] > t:
            times[j], bits[j] = times[j - 1], bits[j - 1]
            j -= 1
        times[j], bits[j] = t, x


@kernel(
    "UniTuple(i8, 2)(i8[::1], u1[::1], u4[::1], i8[::1], i8[::1], i8[::1], i8[::1], i8, u1[::1],"
    " i8, i8[:, ::1], i8[::1], i8)"
)
def seal_loose(
    loose: Any,
    is_late: Any,
    rings: Any,
    starts: Any,
    t_ms: Any,
    bits: Any,
    which: Any,
    at_run: Any,
    out: Any,
    base: Any,
    entries: Any,
    chain: Any,
    first: Any,
) -> Any:
    """Chunks of what some rings hold and of the runs that follow, as far as `out` reaches.

    `which` lists runs, from `at_run` on; the chunk of n samples is times | values. `out` will
    stand at offset `base` of the chunk file, `entries` at number `first` of its index; `chain`
    holds each ring's newest entry. Chunks of late rings are sorted, each for itself. Returns
    (runs done up to, entries made).
    """
    p, made, done = np.int64(0), np.int64(0), at_run
    run_t = np.empty(MAX_ROWS, np.int64)
    run_bits = np.empty(MAX_ROWS, np.int64)
    integers = np.empty(MAX_ROWS, np.int64)
    values = run_bits.view(np.float64)
    while done < len(which):
        r = which[done]
        ring = np.int64(rings[r])
        at = ring * RING_LONGS
        held = loose[at + COUNT] - loose[at + START]
        total = held + starts[r + 1] - starts[r]
        pieces = (total + MAX_ROWS // 2 - 1) // (MAX_ROWS // 2)
        if p + total * 21 + pieces * 64 > len(out) or made + pieces > len(entries):
            break
        k = np.int64(0)
        for piece in range(pieces):
            n = total * (piece + 1) // pieces - k
            for i in range(n):
                if k < held:
                    source = at + 2 + (loose[at + START] + k) % CAP
                    run_t[i] = loose[source]
                    run_bits[i] = loose[source + CAP]
                else:
                    run_t[i] = t_ms[starts[r] + k - held]
                    run_bits[i] = bits[starts[r] + k - held]
                k += 1
            if is_late[ring]:
                _sort_run(run_t, run_bits, n)
            q = encode_times(run_t, n, out, p)
            q = encode_values(run_bits, values, n, integers, out, q)
            entry = entries[made]
            entry[0] = ring << 1 | 1
            entry[1] = run_t[0]
            entry[2] = run_t[n - 1]
            entry[3] = base + p
            entry[4] = n << 32 | (q - p)
            crc = crc32(out, p, q, 0)
            for word in range(ENTRY_LONGS - 1):
                crc = crc32_long(entry[word], crc)
            entry[5] = chain[ring] << 32 | crc
            chain[ring] = first + made
            made += 1
            p = q
        done += 1
    return done, made


@kernel("void(i8[::1], u4[::1], i8[::1], i8, i8)")
def empty_rings(loose: Any, rings: Any, which: Any, at_run: Any, end_run: Any) -> Any:
    """After the chunks are published: these rings hold nothing any more."""
    for w in range(at_run, end_run):
        base = np.int64(rings[which[w]]) * RING_LONGS
        loose[base + START] = loose[base + COUNT]


@kernel("i8(i8[::1], i8, i8[::1], i8, u4[::1])")
def rings_before(loose: Any, rings: Any, first_segment: Any, segment: Any, found: Any) -> Any:
    """Rings that hold samples logged before `segment`, as many as `found` takes."""
    n = 0
    for ring in range(rings):
        base = ring * RING_LONGS
        if loose[base + COUNT] > loose[base + START] and first_segment[ring] < segment:
            if n == len(found):
                break
            found[n] = ring
            n += 1
    return n


@kernel("i8(i8[::1], i8, i8[::1], i8)")
def oldest_ring(loose: Any, rings: Any, first_segment: Any, oldest: Any) -> Any:
    """The oldest segment with samples that rings hold, `oldest` if none is older."""
    for ring in range(rings):
        base = ring * RING_LONGS
        if loose[base + COUNT] > loose[base + START] and first_segment[ring] < oldest:
            oldest = first_segment[ring]
    return oldest


@kernel(
    "UniTuple(i8, 3)(u1[::1], i8, i8, i8[::1], i8[:, ::1], i8[:, ::1], i8, i8[::1], u4[::1],"
    " i8[::1], i8[::1], i8)"
)
def replay(
    buffer: Any,
    p: Any,
    end: Any,
    arena: Any,
    state: Any,
    published: Any,
    groups: Any,
    series_at: Any,
    series: Any,
    last_t: Any,
    last_bits: Any,
    segment: Any,
) -> Any:
    """Rows of a WAL frame back into their extents, until something needs the caller.

    Returns (why it stopped, position, group): REPLAY_EXTENT, the group has no wide enough
    extent; REPLAY_FULL, its extent is full; REPLAY_LOOSE, a loose record begins there.
    Rows that are sealed already leave only their trace in the chain of xors.
    """
    while p < end:
        if buffer[p] == LOOSE_RECORD:
            return REPLAY_LOOSE, p, 0
        if buffer[p] != ROW_RECORD or p + ROW_HEADER > end:
            return REPLAY_BAD, p, 0
        full = buffer[p + 1]
        g, t = _get_int(buffer, p + 2), get_long(buffer, p + 6)
        width, n = _get_int(buffer, p + 14), _get_int(buffer, p + 18)
        bitmap = p + ROW_HEADER
        planes = bitmap + (width + 7) // 8
        if g >= groups or width > series_at[g + 1] - series_at[g] or planes + 8 * n > end:
            return REPLAY_BAD, p, g
        if state[g, EXTENT] < 0 or state[g, STRIDE] < width:
            return REPLAY_EXTENT, p, g
        rows, stride = state[g, ROWS], state[g, STRIDE]
        merge = rows > 0 and state[g, LAST_T] == t
        if rows == CAP and not merge:
            return REPLAY_FULL, p, g
        index = state[g, LAST_ROW] if merge else rows
        extent = state[g, EXTENT]
        row = extent + CAP + index * stride
        before = extent + CAP + state[g, LAST_ROW] * stride
        k = 0
        for s in range(stride):
            x = np.int64(HOLE)
            if s < width:
                x = np.int64(0) if full else arena[before + s]
                if (buffer[bitmap + s // 8] >> np.uint8(s % 8)) & 1:
                    if k == n:
                        return REPLAY_BAD, p, g
                    x ^= _get_plane_value(buffer, planes, n, k)
                    k += 1
            arena[row + s] = x
            if s < width and x != HOLE:
                ref = series[series_at[g] + s]
                if t >= last_t[ref]:
                    last_t[ref] = t
                    last_bits[ref] = x
        state[g, LAST_ROW] = index
        if t > state[g, SEALED_T] and not merge:
            arena[extent + index] = t
            state[g, ROWS] = rows + 1
            state[g, LAST_T] = t
            published[g, P_ROWS] = rows + 1
            if rows == 0:
                state[g, FIRST_SEGMENT] = segment
        p = planes + 8 * n
    return REPLAY_DONE, p, 0
