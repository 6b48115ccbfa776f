"""Labels in remote write bodies: where each name and value begins and ends.

A row is: number of the label set, begin and end of the name, begin and end of the value.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from promlab.jit import kernel
from promlab.model.wire_kernels import varint
from promlab.remote.protobuf_kernels import BAD, BODY, double, field

_I = "Array(int64, 1, 'C', readonly=True)"
_U: Any = np.uint64
LABELS, VALUE, TIME = 1, 2, 3  # of series, the first only, and of exemplars


@kernel(f"int64({BODY}, {_I}, {_I}, int64[:, ::1])")
def read_labels(body: Any, starts: Any, ends: Any, out: Any) -> Any:
    """Labels of the version 1 messages that begin and end there; returns how many, or -1.

    Counts only where `out` has no rows.
    """
    count = 0
    for s in range(len(starts)):
        inner = starts[s]
        while inner < ends[s]:
            number, wire, label, after = field(body, inner, ends[s])
            if after < 0:
                return BAD
            inner = after
            if number != LABELS or wire != 2:
                continue
            row = np.zeros(5, np.int64)
            row[0] = s
            while label < after:
                number, wire, text, past = field(body, label, after)
                if past < 0 or (number <= 2 and wire != 2):
                    return BAD
                if number <= 2:
                    row[2 * number - 1], row[2 * number] = text, past
                label = past
            if len(out):
                out[count] = row
            count += 1
    return count


@kernel(f"int64({BODY}, int64[:, ::1], {_I}, {_I}, int64[:, ::1])")
def read_label_refs(body: Any, symbols: Any, starts: Any, ends: Any, out: Any) -> Any:
    """As `read_labels`, of version 2 messages, whose labels are references to symbols.

    A reference without a partner, or to no symbol, is damage: -1.
    """
    count = 0
    for s in range(len(starts)):
        inner = starts[s]
        name = np.int64(-1)
        while inner < ends[s]:
            number, wire, content, after = field(body, inner, ends[s])
            if after < 0:
                return BAD
            inner = after
            if number != LABELS or (wire != 2 and wire != 0):
                continue
            while content < after:
                found, content = varint(body, content, after)
                if content < 0 or found >= _U(len(symbols)):
                    return BAD
                ref = np.int64(found)
                if name < 0:
                    name = ref
                    continue
                if len(out):
                    row = out[count]
                    row[0], row[1], row[2] = s, symbols[name, 0], symbols[name, 1]
                    row[3], row[4] = symbols[ref, 0], symbols[ref, 1]
                count += 1
                name = np.int64(-1)
        if name >= 0:
            return BAD
    return count


@kernel(f"int64({BODY}, int64[:, ::1], int64[::1], float64[::1])")
def read_exemplars(body: Any, places: Any, t_ms: Any, values: Any) -> Any:
    """Times and values of exemplars; -1, or the number of one that is damaged."""
    for e in range(len(places)):
        at, end = places[e, 1], places[e, 2]
        t_ms[e], values[e] = 0, 0.0
        while at < end:
            number, wire, content, after = field(body, at, end)
            if after < 0 or (number == VALUE and wire != 1) or (number == TIME and wire != 0):
                return np.int64(e)
            if number == VALUE:
                values[e] = double(body, content)
            elif number == TIME:
                t_ms[e] = np.int64(varint(body, content, after)[0])
            at = after
    return np.int64(-1)
