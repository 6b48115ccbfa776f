"""The kernel that cuts a range out of an excerpt, and puts what the head has behind it."""

from __future__ import annotations

from typing import Any

import numpy as np

from promlab.jit import kernel

OTHERWISE = -1  # it is not for this kernel


@kernel(
    "UniTuple(i8, 3)(i8[::1], i8[::1], i8[::1], f8[::1], i8[::1], i8[::1], i8[::1], f8[::1],"
    " i8[::1], i8, i8, i8[::1], i8[::1], i8[::1], i8[::1], f8[::1])"
)
def cut_out(
    offsets: Any,
    times_at: Any,
    t_ms: Any,
    values: Any,
    held_offsets: Any,
    held_times_at: Any,
    held_t: Any,
    held_values: Any,
    held_rows: Any,
    start: Any,
    end: Any,
    new_offsets: Any,
    new_times_at: Any,
    rows: Any,
    t_out: Any,
    v_out: Any,
) -> Any:
    """Samples in [start, end] of an excerpt, and behind them the head's, without empty series.

    Series i has the samples of series i of the excerpt, if it has so many, and of series
    `held_rows[i]` of the head (-1: none), which are all in the range. Neighbours with the same
    times share them. Returns the numbers of series, times and values; `rows` gets which series
    are left. The number of series is OTHERWISE where the head's samples are not behind the
    others: somebody else has to sort them.
    """
    kept = n = t_end = np.int64(0)
    before_at = before_low = before_n = before_held = np.int64(-1)
    for i in range(len(held_rows)):
        at = low = high = np.int64(0)
        if i < len(times_at):
            at = times_at[i]
            after = at + offsets[i + 1] - offsets[i]
            low = at + np.searchsorted(t_ms[at:after], start)
            high = low + np.searchsorted(t_ms[low:after], end, side="right")
        count = high - low
        held_at = held_count = held_from = np.int64(0)
        if held_rows[i] >= 0:
            held_at = held_offsets[held_rows[i]]
            held_count = held_offsets[held_rows[i] + 1] - held_at
            held_from = held_times_at[held_rows[i]]
        if count + held_count == 0:
            continue
        if count > 0 and held_count > 0 and held_t[held_from] <= t_ms[high - 1]:
            return np.int64(OTHERWISE), np.int64(0), np.int64(0)
        shared = (
            kept > 0
            and (count == 0 or (before_at == at and before_low == low))
            and before_n == count
            and new_offsets[kept] - new_offsets[kept - 1] == count + held_count
            and (held_count == 0 or before_held == held_from)
        )
        if shared:
            new_times_at[kept] = new_times_at[kept - 1]
        else:
            new_times_at[kept] = t_end
            for j in range(count):
                t_out[t_end + j] = t_ms[low + j]
            t_end += count
            for j in range(held_count):
                t_out[t_end + j] = held_t[held_from + j]
            t_end += held_count
        before_at, before_low, before_n, before_held = at, low, count, held_from
        from_at = low + offsets[i] - at if count > 0 else np.int64(0)
        for j in range(count):
            v_out[n + j] = values[from_at + j]
        n += count
        for j in range(held_count):
            v_out[n + j] = held_values[held_at + j]
        n += held_count
        rows[kept] = i
        kept += 1
        new_offsets[kept] = n
    return kept, t_end, n
