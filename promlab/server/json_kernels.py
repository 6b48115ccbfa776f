"""Series, samples and labels printed as JSON straight from columns.

Each kernel writes the elements of a `result` array, separated by commas, into a buffer that
the caller has made large enough, and returns where it ends. Labels come as indices of
pieces (`"name":"value"`, already escaped) in one arena; see `label_text`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from promlab.jit import kernel
from promlab.model.float_kernels import float_bits, print_float, print_seconds
from promlab.model.slice_kernels import copy_bytes

Bytes = npt.NDArray[np.uint8]
Indices = npt.NDArray[np.int64]

_TEXT = "Array(uint8, 1, 'C', readonly=True)"
_INDEX = "Array(int64, 1, 'C', readonly=True)"
_FLOATS = "Array(float64, 1, 'C', readonly=True)"
_PIECES = "Array(int64, 2, 'C', readonly=True)"
_OUT = "Array(uint8, 1, 'C')"

_KNOWN = 1024  # values that are remembered at most
_SHIFT = np.uint64(64 - 10)  # a hash's upper bits are a place among them
_MIXING = np.uint64(0x9E3779B97F4A7C15)

_METRIC = np.frombuffer(b'{"metric":', np.uint8).copy()
_VALUES = np.frombuffer(b',"values":[', np.uint8).copy()
_VALUE = np.frombuffer(b',"value":', np.uint8).copy()


@kernel(inline=True)
def _print(text: Bytes, out: Bytes, at: int) -> int:
    copy_bytes(text, 0, out, at, len(text))
    return at + len(text)


@kernel()
def print_labels(pieces: Indices, arena: Bytes, offsets: Indices, out: Bytes, at: int) -> int:
    """A label set, with its braces."""
    out[at] = 123
    at += 1
    first = True
    for piece in pieces:
        start = offsets[piece]
        end = offsets[piece + 1]
        if start == end:
            continue
        if not first:
            out[at] = 44
            at += 1
        first = False
        copy_bytes(arena, start, out, at, end - start)
        at += end - start
    out[at] = 125
    return at + 1


@kernel(f"void({_PIECES}, {_TEXT}, {_INDEX}, {_OUT}, {_INDEX.replace(', readonly=True', '')})")
def join_labels(
    pieces: Indices, arena: Bytes, offsets: Indices, out: Bytes, out_offsets: Indices
) -> None:
    """Label sets without braces, one after the other; fills in where each begins and ends."""
    at = 0
    out_offsets[0] = 0
    for s in range(len(pieces)):
        begun = at
        for piece in pieces[s]:
            start = offsets[piece]
            end = offsets[piece + 1]
            if start == end:
                continue
            if at > begun:
                out[at] = 44
                at += 1
            copy_bytes(arena, start, out, at, end - start)
            at += end - start
        out_offsets[s + 1] = at


@kernel(inline=True)
def print_value(value: float, out: Bytes, at: int) -> int:
    """The value of a sample as a string, and the bracket that closes the sample."""
    out[at] = 34
    at = print_float(value, out, at + 1)
    out[at] = 34
    out[at + 1] = 93
    return at + 2


@kernel(inline=True)
def _print_again(value: Any, known: Any, out: Any, at: Any) -> Any:
    """What `print_value` does; a value that was printed before is copied from there.

    Values recur: counters that stand still, whole numbers that rise by whole numbers. `known` is
    u64[_KNOWN, 2], zeros at first: in the slot of a value's bits the last that had it, and where
    in `out` it was printed, with its size in the lowest byte.
    """
    bits = float_bits(value)
    slot = np.int64((bits * _MIXING) >> _SHIFT)
    place = known[slot, 1]
    if known[slot, 0] == bits and place != np.uint64(0):
        size = np.int64(place & np.uint64(255))
        copy_bytes(out, np.int64(place >> np.uint64(8)), out, at, size)
        end = at + size
    else:
        end = print_value(value, out, at)
        known[slot, 0] = bits
    known[slot, 1] = np.uint64(at) << np.uint64(8) | np.uint64(end - at)
    return end


@kernel(
    f"int64({_PIECES}, {_TEXT}, {_INDEX}, {_TEXT}, {_INDEX},"
    " Array(float64, 2, 'C', readonly=True), Array(boolean, 2, 'C', readonly=True),"
    f" int64, int64, {_OUT})"
)
def print_matrix(
    pieces: Indices,
    arena: Bytes,
    offsets: Indices,
    steps: Bytes,
    step_offsets: Indices,
    values: npt.NDArray[np.float64],
    present: npt.NDArray[np.bool_],
    first: int,
    end: int,
    out: Bytes,
) -> int:
    """Series first..end of a matrix; `steps` holds `[<time>,` of each step."""
    known = np.zeros((_KNOWN, 2), np.uint64)
    at = 0
    for s in range(first, end):
        if s > first:
            out[at] = 44
            at += 1
        at = _print(_METRIC, out, at)
        at = print_labels(pieces[s], arena, offsets, out, at)
        at = _print(_VALUES, out, at)
        begun = False
        for t in range(values.shape[1]):
            if not present[s, t]:
                continue
            if begun:
                out[at] = 44
                at += 1
            begun = True
            size = step_offsets[t + 1] - step_offsets[t]
            copy_bytes(steps, step_offsets[t], out, at, size)
            at += size
            at = _print_again(values[s, t], known, out, at)
        out[at] = 93
        out[at + 1] = 125
        at += 2
    return at


@kernel(f"int64({_PIECES}, {_TEXT}, {_INDEX}, {_TEXT}, {_FLOATS}, int64, int64, {_OUT})")
def print_vector(
    pieces: Indices,
    arena: Bytes,
    offsets: Indices,
    step: Bytes,
    values: npt.NDArray[np.float64],
    first: int,
    end: int,
    out: Bytes,
) -> int:
    """Samples first..end of an instant vector; `step` is `[<time>,`."""
    at = 0
    for s in range(first, end):
        if s > first:
            out[at] = 44
            at += 1
        at = _print(_METRIC, out, at)
        at = print_labels(pieces[s], arena, offsets, out, at)
        at = _print(_VALUE, out, at)
        at = _print(step, out, at)
        at = print_value(values[s], out, at)
        out[at] = 125
        at += 1
    return at


@kernel(
    f"int64({_PIECES}, {_TEXT}, {_INDEX}, {_INDEX}, {_INDEX}, {_INDEX}, {_FLOATS},"
    f" int64, int64, {_OUT})"
)
def print_series(
    pieces: Indices,
    arena: Bytes,
    label_offsets: Indices,
    offsets: Indices,
    times_at: Indices,
    t_ms: Indices,
    values: npt.NDArray[np.float64],
    first: int,
    end: int,
    out: Bytes,
) -> int:
    """Series first..end of a batch of stored samples."""
    known = np.zeros((_KNOWN, 2), np.uint64)
    at = 0
    for s in range(first, end):
        if s > first:
            out[at] = 44
            at += 1
        at = _print(_METRIC, out, at)
        at = print_labels(pieces[s], arena, label_offsets, out, at)
        at = _print(_VALUES, out, at)
        for k in range(offsets[s], offsets[s + 1]):
            if k > offsets[s]:
                out[at] = 44
                at += 1
            out[at] = 91
            at = print_seconds(t_ms[times_at[s] + k - offsets[s]], out, at + 1)
            out[at] = 44
            at = _print_again(values[k], known, out, at + 1)
        out[at] = 93
        out[at + 1] = 125
        at += 2
    return at


@kernel(f"int64({_PIECES}, {_TEXT}, {_INDEX}, int64, int64, {_OUT})")
def print_label_sets(
    pieces: Indices, arena: Bytes, offsets: Indices, first: int, end: int, out: Bytes
) -> int:
    """The labels of series first..end, and nothing else."""
    at = 0
    for s in range(first, end):
        if s > first:
            out[at] = 44
            at += 1
        at = print_labels(pieces[s], arena, offsets, out, at)
    return at


@kernel(f"int64({_INDEX}, {_OUT}, {_INDEX.replace(', readonly=True', '')})")
def print_steps(t_ms: Indices, out: Bytes, step_offsets: Indices) -> int:
    """`[<time>,` of each step, one after the other; fills in where each begins and ends."""
    at = 0
    step_offsets[0] = 0
    for t in range(len(t_ms)):
        out[at] = 91
        at = print_seconds(t_ms[t], out, at + 1)
        out[at] = 44
        at += 1
        step_offsets[t + 1] = at
    return at
