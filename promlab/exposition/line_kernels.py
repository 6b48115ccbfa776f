"""Reading one line of a body: a series, its sample, a comment.

Helpers of `scan_kernels`, and the codes by which kernels say what is wrong. `openmetrics`
(or `strict`) chooses the dialect: OpenMetrics is strict about blanks, the text format is
lenient.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from promlab.exposition.bytes_kernels import (
    BAD,
    CLOSE,
    COLON,
    COMMA,
    EQUAL,
    HASH,
    NEWLINE,
    NOT_UTF8,
    OPEN,
    QUOTE,
    SLOW,
    SPACE,
    TAB,
    UNDERSCORE,
    read_number,
    string_end,
)
from promlab.jit import kernel

NO_TIME = -(1 << 63)
_LATEST = (1 << 63) - 1

# What `found` holds.
ROWS, PAIRS, COMMENTS, SLOW_ROWS, TIMED, GLUED, POSITION, FOUND = range(8)

# Codes. Those below 0 are problems.
OK, CHANGED = 0, 1
BAD_START, BAD_LABEL, BAD_EQUAL, BAD_LABEL_VALUE, BAD_COMMA = -1, -2, -3, -4, -5
OPEN_STRING, BAD_UTF8, NO_NAME, TWO_NAMES, EMPTY_LABEL = -6, -7, -8, -9, -10
BAD_VALUE, BAD_TIME, BAD_END, BAD_COMMENT, BAD_COMMENT_NAME = -11, -12, -13, -14, -15
BAD_COMMENT_TEXT, NO_EOF, AFTER_EOF, BAD_EXEMPLAR, BAD_SPACE = -16, -17, -18, -19, -20
EMPTY_NAME = -21

# Kinds of comments that mean something.
HELP, TYPE, UNIT = 0, 1, 2


@kernel()
def blanks_end(body: Any, i: int) -> int:
    """Where the blanks and tabs at `i` end."""
    while body[i] == SPACE or body[i] == TAB:
        i += 1
    return i


@kernel()
def _name_end(body: Any, i: int, colons: bool) -> int:
    """Where the unquoted name at `i` ends: `i` itself if there is none."""
    start = i
    while True:
        byte = body[i]
        letter = np.uint8((byte | 32) - 97) < 26 or byte == UNDERSCORE
        digit = np.uint8(byte - 48) < 10 and i > start
        if not (letter or digit or (colons and byte == COLON)):
            return i
        i += 1


@kernel()
def _string_problem(end: int) -> int:
    return BAD_UTF8 if end == NOT_UTF8 else OPEN_STRING


@kernel()
def _read_labels(
    body: Any, i: int, n: int, strict: bool, pairs: Any, pair: int, name_row: int
) -> tuple[int, int, int]:
    """Labels from behind `{` to behind `}`: where that is, the next free pair, a code.

    A lone string is the metric's name, and goes to pair `name_row`. With `name_row` -1 they
    are an exemplar's labels, which have no name and are only checked.
    """
    while True:
        if not strict:
            i = blanks_end(body, i)
        if body[i] == CLOSE:
            return i + 1, pair, OK
        quoted = body[i] == QUOTE
        if quoted:
            start = i + 1
            end = string_end(body, start, n, strict)
            if end < 0:
                return i, pair, _string_problem(end)
            i = end + 1
        else:
            start = i
            end = _name_end(body, i, False)
            if end == start:
                return i, pair, BAD_LABEL
            i = end
        if not strict:
            i = blanks_end(body, i)
        if body[i] == EQUAL:
            i += 1
            if not strict:
                i = blanks_end(body, i)
            if body[i] != QUOTE:
                return i, pair, BAD_LABEL_VALUE
            value_end = string_end(body, i + 1, n, strict)
            if value_end < 0:
                return i, pair, _string_problem(value_end)
            if start == end:
                return i, pair, EMPTY_LABEL
            if name_row >= 0:
                pairs[pair, 0], pairs[pair, 1] = start, end
                pairs[pair, 2], pairs[pair, 3] = i + 1, value_end
                pair += 1
            i = value_end + 1
        elif quoted and name_row >= 0 and (body[i] == COMMA or body[i] == CLOSE):
            if pairs[name_row, 3] != 0:
                return start, pair, TWO_NAMES
            if start == end:
                return start, pair, EMPTY_NAME
            pairs[name_row, 2], pairs[name_row, 3] = start, end
        else:
            return i, pair, BAD_EQUAL
        if not strict:
            i = blanks_end(body, i)
        if body[i] == COMMA:
            i += 1
        elif strict and body[i] != CLOSE:
            return i, pair, BAD_COMMA


@kernel()
def read_series(
    body: Any, i: int, n: int, openmetrics: bool, pairs: Any, pair: int
) -> tuple[int, int, int]:
    """Name and labels at `i`: where its value begins, the next free pair, a code."""
    name_row = pair
    pair += 1
    end = _name_end(body, i, True)
    pairs[name_row, 0], pairs[name_row, 1] = 0, 0
    pairs[name_row, 2], pairs[name_row, 3] = i, end
    start = i
    if end == i:
        if body[i] != OPEN:
            return i, pair, BAD_START
        pairs[name_row, 3] = 0
    i = end
    if not openmetrics:
        i = blanks_end(body, i)
    if body[i] == OPEN:
        i, pair, code = _read_labels(body, i + 1, n, openmetrics, pairs, pair, name_row)
        if code != OK:
            return i, pair, code
        if pairs[name_row, 3] == 0:
            return start, pair, NO_NAME
    if openmetrics:
        return i + 1, pair, OK if body[i] == SPACE else BAD_SPACE
    return blanks_end(body, i), pair, OK


@kernel()
def _text_tail(body: Any, i: int) -> tuple[int, int, int]:
    """What follows a value in the text format: the next line, the timestamp, a code."""
    i = blanks_end(body, i)
    if body[i] == NEWLINE:
        return i + 1, NO_TIME, OK
    t_ms: Any = np.int64(0)
    start = i
    while np.uint8(body[i] - 48) <= 9:
        digit = np.int64(body[i] - 48)
        if t_ms > (_LATEST - digit) // 10:
            return start, NO_TIME, BAD_TIME
        t_ms = t_ms * 10 + digit
        i += 1
    if i == start:
        return i, NO_TIME, BAD_TIME
    i = blanks_end(body, i)
    if body[i] != NEWLINE:
        return i, NO_TIME, BAD_END
    return i + 1, t_ms, OK


@kernel()
def _openmetrics_tail(body: Any, i: int, n: int, none: Any) -> tuple[int, int, int, int]:
    """What follows a value in OpenMetrics, checked: next line, timestamp, exemplar, code.

    The exemplar is where its `{` stands, or 0. The code is SLOW where some number needs
    Python's float().
    """
    code = OK
    t_ms: Any = NO_TIME
    if body[i] == SPACE and body[i + 1] != HASH:
        seconds, end, status = read_number(body, i + 1)
        if status == BAD or not np.isfinite(seconds):
            return i + 1, t_ms, 0, BAD_TIME
        code = max(code, status)
        t_ms = np.int64(max(min(seconds * 1000, 9.2e18), -9.2e18))
        i = end
        if body[i] == NEWLINE:
            return i + 1, t_ms, 0, code
    for expected in (SPACE, HASH, SPACE, OPEN):
        if body[i] != expected:
            return i, t_ms, 0, BAD_END
        i += 1
    exemplar = i - 1
    i, _, problem = _read_labels(body, i, n, True, none, 0, -1)
    if problem != OK:
        return i, t_ms, 0, problem
    if body[i] != SPACE:
        return i, t_ms, 0, BAD_EXEMPLAR
    _, i, status = read_number(body, i + 1)
    if status == BAD:
        return i, t_ms, 0, BAD_EXEMPLAR
    code = max(code, status)
    if body[i] == SPACE:
        seconds, i, status = read_number(body, i + 1)
        if status == BAD or not np.isfinite(seconds):
            return i, t_ms, 0, BAD_EXEMPLAR
        code = max(code, status)
    if body[i] != NEWLINE:
        return i, t_ms, 0, BAD_END
    return i + 1, t_ms, exemplar, code


@kernel()
def read_sample(
    body: Any,
    i: int,
    n: int,
    openmetrics: bool,
    row: int,
    line_end: Any,
    values: Any,
    t_ms: Any,
    exemplars: Any,
    slow: Any,
    found: Any,
    none: Any,
) -> int:
    """Read the value at `i` and what follows into `row` of the columns; a code below 0, or OK.

    Where it fails, found[POSITION] says where.
    """
    value, end, status = read_number(body, i)
    if status == BAD:
        found[POSITION] = i
        return BAD_VALUE
    at, exemplar, code = NO_TIME, 0, OK
    if body[end] == NEWLINE:
        end += 1
    elif openmetrics:
        found[POSITION] = i
        if body[end] != SPACE:
            return BAD_VALUE
        end, at, exemplar, code = _openmetrics_tail(body, end, n, none)
    else:
        found[POSITION] = i
        if body[end] != SPACE and body[end] != TAB:
            return BAD_VALUE
        end, at, code = _text_tail(body, end)
    if code < 0:
        found[POSITION] = end
        return code
    if status == SLOW or code == SLOW:
        slow[found[SLOW_ROWS]] = row
        found[SLOW_ROWS] += 1
    values[row] = value
    line_end[row] = end
    t_ms[row] = at
    exemplars[row] = exemplar - i if exemplar > 0 else 0
    return OK


@kernel()
def read_comment(
    body: Any, i: int, n: int, strict: bool, comments: Any, found: Any
) -> tuple[int, int]:
    """The comment at `i`: the next line and a code. HELP, TYPE and UNIT go to `comments`."""
    start = i
    i += 1
    spaced = body[i] == SPACE if strict else body[i] == SPACE or body[i] == TAB
    kind = -1
    if spaced:
        i = i + 1 if strict else blanks_end(body, i)
        word = np.uint64(0)
        for k in range(4):
            if body[i + k] == NEWLINE:
                break
            word = (word << np.uint64(8)) | np.uint64(body[i + k])
        if word == np.uint64(0x48454C50):
            kind = HELP
        elif word == np.uint64(0x54595045):
            kind = TYPE
        elif strict and word == np.uint64(0x554E4954):
            kind = UNIT
    if kind >= 0 and not (body[i + 4] == SPACE or (body[i + 4] == TAB and not strict)):
        kind = -1
    if kind < 0:
        if strict:
            return start, BAD_COMMENT
        while body[i] != NEWLINE:
            i += 1
        return i + 1, OK
    i = i + 5 if strict else blanks_end(body, i + 4)
    name = i
    if body[i] == QUOTE:
        name += 1
        end = string_end(body, name, n, False)
        if end < 0:
            return i, _string_problem(end)
        i = end + 1
    else:
        end = _name_end(body, i, True)
        i = end
    if end == name:
        return i, BAD_COMMENT_NAME
    if strict and body[i] != SPACE:
        return i, BAD_COMMENT_TEXT
    text = i + 1 if body[i] != NEWLINE else i
    i = text
    while body[i] != NEWLINE:
        i += 1
    row = found[COMMENTS]
    comments[row, 0], comments[row, 1], comments[row, 2] = kind, name, end
    comments[row, 3], comments[row, 4], comments[row, 5] = text, i, found[ROWS]
    found[COMMENTS] = row + 1
    return i + 1, OK
