"""Kernels of the writer: loose samples, judged, kept in rings and sealed. Layouts: head_kernels."""

from __future__ import annotations

from typing import Any

import numpy as np

from promlab.jit import kernel
from promlab.tsdb.codec_kernels import (
    HISTOGRAM,
    HOLE,
    MAX_ROWS,
    NAN,
    encode_times,
    encode_values,
)
from promlab.tsdb.crc_kernels import crc32, crc32_longs
from promlab.tsdb.head_kernels import (
    CAP,
    COUNT,
    DUPLICATE,
    ENTRY_LONGS,
    LATE_NEVER,
    NEVER,
    OUT_OF_BOUNDS,
    OUT_OF_ORDER,
    RING_LONGS,
    SAME,
    START,
    TAKEN,
    TOO_OLD,
)


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
            crc = crc32_longs(entry, 0, ENTRY_LONGS - 1, crc)
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
