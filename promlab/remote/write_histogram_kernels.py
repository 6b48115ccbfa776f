"""Native histograms in remote write bodies, as columns: the same message in both versions.

Buckets come as spans (a gap to the bucket before, a number of buckets) and as counts: each the
difference to the one before, if all counts are integers, or as they are.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from promlab.jit import kernel
from promlab.model.wire_kernels import varint
from promlab.remote.protobuf_kernels import BODY, double, field, zigzag

_U: Any = np.uint64
_COUNT, _COUNT_FLOAT, _SUM, _SCHEMA, _THRESHOLD, _ZERO, _ZERO_FLOAT = 1, 2, 3, 4, 5, 6, 7
_NEGATIVE, _POSITIVE = 8, 11  # spans; deltas and counts have the two numbers behind
_HINT, _TIME, _BOUNDS, _START = 14, 15, 16, 17
_MOST = _U(1 << 31)

# Of a histogram: positive and negative buckets, bounds; and what is wrong with it.
P_COUNT, N_COUNT, BOUNDS, PROBLEM = 0, 1, 2, 3
DAMAGED, SPANS, INDICES = 1, 2, 3
# Integers of a histogram.
TIME, START, SCHEMA, HINT, IS_FLOAT = 0, 1, 2, 3, 4
# Floats of one.
COUNT, SUM, THRESHOLD, ZERO = 0, 1, 2, 3


@kernel()
def _count_of(body: Any, wire: Any, at: Any, end: Any, width: Any) -> Any:
    """Numbers of a repeated field, packed or not; -1 if it is damaged. `width` 8 for doubles."""
    if wire != 2:
        good = wire == 1 if width else wire == 0
        return np.int64(1 if good else -1)
    if width:
        return np.int64(-1) if (end - at) % width else np.int64((end - at) // width)
    n = np.int64(0)
    while at < end:
        _, at = varint(body, at, end)
        if at < 0:
            return np.int64(-1)
        n += 1
    return n


@kernel()
def _span(body: Any, at: Any, end: Any) -> Any:
    """Gap and length of a span; the length is -1 if it is damaged."""
    gap, length = np.int64(0), np.int64(0)
    while at < end:
        number, wire, content, after = field(body, at, end)
        if after < 0 or (number <= 2 and wire != 0):
            return gap, np.int64(-1)
        if number <= 2:
            value, _ = varint(body, content, after)
            if value > _MOST * _U(2):
                return gap, np.int64(-1)
            if number == 1:
                gap = zigzag(value)
            else:
                length = np.int64(value)
        at = after
    return gap, length


@kernel(f"void({BODY}, int64[:, ::1], int64[:, ::1])")
def measure_histograms(body: Any, places: Any, sizes: Any) -> None:
    """Buckets and bounds of each histogram, and whether its message is sound."""
    for h in range(len(places)):
        at, end = places[h, 1], places[h, 2]
        size = sizes[h]
        spans = np.zeros(2, np.int64)
        counts = np.zeros(2, np.int64)
        bounds = np.int64(0)
        problem = np.int64(0)
        while at < end:
            number, wire, content, after = field(body, at, end)
            if after < 0:
                problem = np.int64(DAMAGED)
                break
            n = np.int64(0)
            if number in (_NEGATIVE, _POSITIVE):
                _, length = (
                    _span(body, content, after) if wire == 2 else (np.int64(0), np.int64(-1))
                )
                n = length
                spans[0 if number == _POSITIVE else 1] += length
            elif number == _BOUNDS:
                n = _count_of(body, wire, content, after, 8)
                bounds += n
            elif _NEGATIVE < number < _POSITIVE + 3:
                side = 0 if number > _POSITIVE else 1
                floats = number == _NEGATIVE + 2 or number == _POSITIVE + 2
                n = _count_of(body, wire, content, after, 8 if floats else 0)
                counts[side] += n
            else:
                double_field = number in (_COUNT_FLOAT, _SUM, _THRESHOLD, _ZERO_FLOAT)
                if (double_field and wire != 1) or (not double_field and number <= _START and wire):
                    n = np.int64(-1)
            if n < 0:
                problem = np.int64(DAMAGED)
                break
            at = after
        if problem == 0 and (spans[0] != counts[0] or spans[1] != counts[1]):
            problem = np.int64(SPANS)
        if problem:
            counts[:] = 0
            bounds = np.int64(0)
        size[P_COUNT], size[N_COUNT], size[BOUNDS], size[PROBLEM] = (
            counts[0],
            counts[1],
            bounds,
            problem,
        )


@kernel()
def _put_counts(
    body: Any, wire: Any, at: Any, end: Any, floats: Any, out: Any, k: Any, last: Any
) -> Any:
    """Counts of a field into out[k:]; how far, and the last one."""
    if wire == 1:
        out[k] = double(body, at)
        return k + 1, last
    while at < end:
        if floats:
            out[k] = double(body, at)
            at += 8
        else:
            delta, at = varint(body, at, end)
            last += zigzag(delta)
            out[k] = np.float64(last)
        k += 1
    return k, last


@kernel()
def _read_one(body: Any, at: Any, end: Any, integers: Any, floats: Any, starts: Any, p_indices: Any,
              p_counts: Any, n_indices: Any, n_counts: Any, bounds: Any) -> Any:  # fmt: skip
    """One sound histogram; whether its indices fit and ascend."""
    index_at, next_index = starts[:2].copy(), np.zeros(2, np.int64)
    count_at, last = starts[:2].copy(), np.zeros(2, np.int64)
    bound_at = starts[2]
    good = True
    while at < end:
        number, wire, content, after = field(body, at, end)
        at = after
        value = varint(body, content, after)[0] if wire == 0 else _U(0)
        if number in (_NEGATIVE, _POSITIVE):
            side = 0 if number == _POSITIVE else 1
            gap, length = _span(body, content, after)
            first = index_at[side] == starts[side]
            good = good and (first or gap >= 0)
            next_index[side] += gap
            for _ in range(length):
                if side == 0:
                    p_indices[index_at[0]] = np.int32(next_index[0])
                else:
                    n_indices[index_at[1]] = np.int32(next_index[1])
                index_at[side] += 1
                next_index[side] += 1
            good = good and -(2**31) < next_index[side] < 2**31 - 1
        elif number == _BOUNDS:
            bound_at, _ = _put_counts(body, wire, content, after, True, bounds, bound_at, 0)
        elif _NEGATIVE < number < _POSITIVE + 3:
            side = 0 if number > _POSITIVE else 1
            out = p_counts if side == 0 else n_counts
            is_float = number == _NEGATIVE + 2 or number == _POSITIVE + 2
            count_at[side], last[side] = _put_counts(
                body, wire, content, after, is_float, out, count_at[side], last[side]
            )
        elif number == _COUNT:
            floats[COUNT] = np.float64(value)
        elif number == _ZERO:
            floats[ZERO] = np.float64(value)
        elif number == _SCHEMA:
            integers[SCHEMA] = zigzag(value)
        elif number == _HINT:
            integers[HINT] = np.int64(value)
        elif number == _TIME:
            integers[TIME] = np.int64(value)
        elif number == _START:
            integers[START] = np.int64(value)
        elif number == _COUNT_FLOAT:
            floats[COUNT] = double(body, content)
            integers[IS_FLOAT] = 1
        elif number == _ZERO_FLOAT:
            floats[ZERO] = double(body, content)
        elif number == _SUM:
            floats[SUM] = double(body, content)
        elif number == _THRESHOLD:
            floats[THRESHOLD] = double(body, content)
    return good


@kernel(
    f"void({BODY}, int64[:, ::1], int64[:, ::1], int64[:, ::1], int64[:, ::1], float64[:, ::1],"
    " int32[::1], float64[::1], int32[::1], float64[::1], float64[::1])"
)
def read_histograms(
    body: Any,
    places: Any,
    sizes: Any,
    starts: Any,
    integers: Any,
    floats: Any,
    p_indices: Any,
    p_counts: Any,
    n_indices: Any,
    n_counts: Any,
    bounds: Any,
) -> None:
    """Columns of the histograms that `measure_histograms` found sound.

    `starts` has where the positive and negative buckets and the bounds of each begin. Where
    indices don't ascend the problem becomes INDICES.
    """
    for h in range(len(places)):
        integers[h] = 0
        floats[h] = 0.0
        integers[h, START] = places[h, 3]
        if sizes[h, PROBLEM] == 0 and not _read_one(
            body, places[h, 1], places[h, 2], integers[h], floats[h], starts[h], p_indices,
            p_counts, n_indices, n_counts, bounds,
        ):  # fmt: skip
            sizes[h, PROBLEM] = INDICES
