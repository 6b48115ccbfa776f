"""Reading a whole body (`scan`), and only what changed since the last one (`rescan`).

Both kernels return a code (OK, CHANGED, or a problem's) and leave counts in `found`. A body
ends with a newline; one bad line makes the whole body bad.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from promlab.exposition.bytes_kernels import (
    CLOSE,
    EXACT,
    HASH,
    NEWLINE,
    SPACE,
    TAB,
    read_number,
)
from promlab.exposition.line_kernels import (
    AFTER_EOF,
    CHANGED,
    GLUED,
    NO_EOF,
    NO_TIME,
    OK,
    PAIRS,
    POSITION,
    ROWS,
    TIMED,
    blanks_end,
    read_comment,
    read_sample,
    read_series,
)
from promlab.jit import kernel
from promlab.model.slice_kernels import equal_bytes


@kernel()
def _is_eof(body: Any, i: int, n: int) -> bool:
    """Whether `# EOF` stands at `i`."""
    for byte in (HASH, SPACE, 69, 79, 70):
        if i == n or body[i] != byte:
            return False
        i += 1
    return True


@kernel(
    "int64(Array(uint8, 1, 'C', True), boolean, int64[::1], int64[::1], float64[::1],"
    " int64[::1], int64[::1], int64[::1], int32[:, ::1], int32[:, ::1], int64[::1], int64[::1])"
)
def scan(
    body: Any,
    openmetrics: bool,
    value_at: Any,
    line_end: Any,
    values: Any,
    t_ms: Any,
    exemplars: Any,
    first_pair: Any,
    pairs: Any,
    comments: Any,
    slow: Any,
    found: Any,
) -> int:
    """Read every line of `body`; returns OK or a problem, whose place is found[POSITION].

    A row for each sample: where its value and its line's end stand, value, time (NO_TIME),
    offset of its exemplar from its value (0: none), its first pair. `pairs`: start and end
    of a label's name and value; the first of each row is the metric's name. `comments`:
    kind, start and end of name and text, the row that follows. `slow`: rows for float().
    """
    n = len(body)
    i = 0
    code = OK
    ended = False
    while i < n:
        if not openmetrics:
            i = blanks_end(body, i)
            if body[i] == NEWLINE:
                i += 1
                continue
        if body[i] == HASH:
            if openmetrics and _is_eof(body, i, n):
                if i + 6 != n:
                    code, i = AFTER_EOF, i + 5
                    break
                ended = True
                i = n
                break
            i, code = read_comment(body, i, n, openmetrics, comments, found)
            if code != OK:
                break
            continue
        row = found[ROWS]
        first_pair[row] = found[PAIRS]
        start = i
        i, found[PAIRS], code = read_series(body, i, n, openmetrics, pairs, found[PAIRS])
        if code != OK:
            break
        value_at[row] = i
        code = read_sample(
            body, i, n, openmetrics, row, line_end, values, t_ms, exemplars, slow, found, pairs
        )
        if code != OK:
            i = found[POSITION]
            break
        if i > start and body[i - 1] != SPACE and body[i - 1] != TAB and body[i - 1] != CLOSE:
            found[GLUED] += 1
        if t_ms[row] != NO_TIME:
            found[TIMED] += 1
        i = line_end[row]
        found[ROWS] = row + 1
    first_pair[found[ROWS]] = found[PAIRS]
    found[POSITION] = i
    if code == OK and openmetrics and n > 0 and not ended:
        return NO_EOF
    return code


@kernel(
    "int64(Array(uint8, 1, 'C', True), Array(uint8, 1, 'C', True), boolean, int64[::1],"
    " int64[::1], float64[::1], int64[::1], int64[::1], int32[:, ::1], int64[::1], int64[::1])"
)
def rescan(
    body: Any,
    previous: Any,
    openmetrics: bool,
    value_at: Any,
    line_end: Any,
    values: Any,
    t_ms: Any,
    exemplars: Any,
    none: Any,
    slow: Any,
    found: Any,
) -> int:
    """Bring the columns of `previous` up to `body`, reading only the values that differ.

    Returns OK, or CHANGED where anything but values, timestamps and exemplars differs, or
    where a value can't be read: `scan` must then read the whole (and judge it). found[ROWS]
    and found[TIMED] are those of the previous body.
    """
    rows = found[ROWS]
    i = j = row = 0
    while True:
        limit = min(len(body) - i, len(previous) - j)
        same = equal_bytes(body, i, previous, j, limit)
        shift = i - j
        stop = j + same
        while row < rows and line_end[row] <= stop:
            value_at[row] += shift
            line_end[row] += shift
            row += 1
        if same == limit:
            return OK if len(body) - i == len(previous) - j else CHANGED
        if row == rows or stop < value_at[row]:
            return CHANGED
        j = line_end[row]
        i = value_at[row] + shift
        value_at[row] = i
        timed = t_ms[row] != NO_TIME
        value, end, status = read_number(body, i)
        if status == EXACT and body[end] == NEWLINE and not timed and exemplars[row] == 0:
            values[row] = value
            i = line_end[row] = end + 1
            row += 1
            continue
        code = read_sample(
            body,
            i,
            len(body),
            openmetrics,
            row,
            line_end,
            values,
            t_ms,
            exemplars,
            slow,
            found,
            none,
        )
        if code != OK:
            return CHANGED
        found[TIMED] += np.int64(t_ms[row] != NO_TIME) - np.int64(timed)
        i = line_end[row]
        row += 1
