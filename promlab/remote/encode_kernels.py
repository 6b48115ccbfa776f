"""Series as protobuf: TimeSeries of remote write 1.0 (and remote read), and of 2.0.

One pass with `write` False gives the size, a second one writes. A message's length stands before
it, so each is measured first.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from promlab.jit import kernel

_U: Any = np.uint64
_I: Any = np.int64
_LABELS, _SAMPLES, _V1_HISTOGRAMS, _V2_HISTOGRAMS, _METADATA = 1, 2, 4, 3, 5
_FLOATS = "Array(float64, 1, 'C', readonly=True)"
_BYTES = "Array(uint8, 1, 'C', readonly=True)"
_INDEX = "Array(int64, 1, 'C', readonly=True)"


@kernel()
def _varint_size(value: Any) -> int:
    size = 1
    while value >= _U(0x80):
        value >>= _U(7)
        size += 1
    return size


@kernel()
def _varint(out: Any, at: int, value: Any, write: bool) -> int:
    if not write:
        return at + int(_varint_size(value))
    while value >= _U(0x80):
        out[at] = np.uint8(value & _U(0x7F)) | np.uint8(0x80)
        value >>= _U(7)
        at += 1
    out[at] = np.uint8(value)
    return at + 1


@kernel()
def _head(out: Any, at: int, field: int, size: int, write: bool) -> int:
    """The key of a field that has a length, and that length."""
    at = _varint(out, at, _U(field << 3 | 2), write)
    return int(_varint(out, at, _U(size), write))


@kernel()
def _double(out: Any, at: int, field: int, value: float, write: bool) -> int:
    at = _varint(out, at, _U(field << 3 | 1), write)
    if write:
        cell = np.zeros(1, np.float64)
        cell[0] = value
        bits: Any = cell.view(np.uint64)[0]
        for i in range(8):
            out[at + i] = np.uint8((bits >> _U(8 * i)) & _U(0xFF))
    return at + 8


@kernel()
def _number(out: Any, at: int, field: int, value: Any, write: bool) -> int:
    at = _varint(out, at, _U(field << 3), write)
    return int(_varint(out, at, value, write))


@kernel()
def _zigzag(value: Any) -> Any:
    return _U((value << _I(1)) ^ (value >> _I(63)))


@kernel()
def _text(out: Any, at: int, field: int, arena: Any, start: int, end: int, write: bool) -> int:
    at = _head(out, at, field, end - start, write)
    if write:
        for i in range(start, end):
            out[at + i - start] = arena[i]
    return at + end - start


@kernel()
def _labels(
    out: Any, at: int, row: int, cells: Any, names: Any, names_at: Any, texts: Any, texts_at: Any,
    write: bool,
) -> int:  # fmt: skip
    """The labels of one series, in the order of the names; empty ones are none."""
    for k in range(cells.shape[0]):
        code = _I(cells[k, row])
        if code == 0:
            continue
        name, name_end = names_at[k], names_at[k + 1]
        text, text_end = texts_at[code], texts_at[code + 1]
        size = _text(out, 0, 1, names, name, name_end, False)
        size = _text(out, size, 2, texts, text, text_end, False)
        at = _head(out, at, _LABELS, size, write)
        at = _text(out, at, 1, names, name, name_end, write)
        at = _text(out, at, 2, texts, text, text_end, write)
    return at


@kernel()
def _label_refs(out: Any, at: int, row: int, cells: Any, name_refs: Any, write: bool) -> int:
    """The labels of one series as references: codes are places in the table of symbols."""
    size = 0
    for k in range(cells.shape[0]):
        if cells[k, row] != 0:
            size = _varint(out, size, _U(name_refs[k]), False)
            size = _varint(out, size, _U(cells[k, row]), False)
    at = _head(out, at, _LABELS, size, write)
    for k in range(cells.shape[0]):
        if cells[k, row] != 0:
            at = _varint(out, at, _U(name_refs[k]), write)
            at = _varint(out, at, _U(cells[k, row]), write)
    return at


@kernel()
def _sample(out: Any, at: int, value: float, t_ms: int, start_ms: int, write: bool) -> int:
    size = 9 + int(_number(out, 0, 2, _U(t_ms), False))
    if start_ms != 0:
        size = _number(out, size, 3, _U(start_ms), False)
    at = _head(out, at, _SAMPLES, size, write)
    at = _double(out, at, 1, value, write)
    at = _number(out, at, 2, _U(t_ms), write)
    if start_ms != 0:
        at = _number(out, at, 3, _U(start_ms), write)
    return at


@kernel()
def _metadata_body(out: Any, at: int, kind: int, help_ref: int, unit_ref: int, write: bool) -> int:
    if kind != 0:
        at = _number(out, at, 1, _U(kind), write)
    if help_ref != 0:
        at = _number(out, at, 3, _U(help_ref), write)
    if unit_ref != 0:
        at = _number(out, at, 4, _U(unit_ref), write)
    return at


@kernel()
def _metadata(out: Any, at: int, kind: int, help_ref: int, unit_ref: int, write: bool) -> int:
    """Type, and references to help and unit, of a series of version 2.0; nothing of nothing."""
    size = _metadata_body(out, 0, kind, help_ref, unit_ref, False)
    if size == 0:
        return at
    at = _head(out, at, _METADATA, size, write)
    return _metadata_body(out, at, kind, help_ref, unit_ref, write)


@kernel()
def _spans(out: Any, at: int, field: int, indices: Any, first: int, last: int, write: bool) -> int:
    """Runs of neighbouring buckets: the distance to the one before, and how many."""
    i = first
    expected = _I(0)
    while i < last:
        start = _I(indices[i])
        j = i + 1
        while j < last and indices[j] == indices[j - 1] + 1:
            j += 1
        offset = _zigzag(start - expected)
        size = _number(out, 0, 1, offset, False)
        size = _number(out, size, 2, _U(j - i), False)
        at = _head(out, at, field, size, write)
        at = _number(out, at, 1, offset, write)
        at = _number(out, at, 2, _U(j - i), write)
        expected = start + _I(j - i)
        i = j
    return at


@kernel()
def _counts(
    out: Any, at: int, field: int, counts: Any, first: int, last: int, whole: bool, write: bool
) -> int:
    """Bucket counts: differences of integers, or (in the field that follows) floats."""
    if first == last:
        return at
    if not whole:
        at = _head(out, at, field + 1, 8 * (last - first), write)
        cell = np.zeros(1, np.float64)
        for i in range(first, last):
            if write:
                cell[0] = counts[i]
                bits: Any = cell.view(np.uint64)[0]
                for byte in range(8):
                    out[at + byte] = np.uint8((bits >> _U(8 * byte)) & _U(0xFF))
            at += 8
        return at
    size = 0
    before = _I(0)
    for i in range(first, last):
        size = _varint(out, size, _zigzag(_I(counts[i]) - before), False)
        before = _I(counts[i])
    at = _head(out, at, field, size, write)
    before = _I(0)
    for i in range(first, last):
        at = _varint(out, at, _zigzag(_I(counts[i]) - before), write)
        before = _I(counts[i])
    return at


@kernel()
def _is_whole(h: int, floats: Any, side: Any, side_at: Any, other: Any, other_at: Any) -> bool:
    """Whether all counts of a histogram are integers."""
    for column in (1, 2):
        if floats[column, h] != np.floor(floats[column, h]) or abs(floats[column, h]) > 2.0**62:
            return False
    for i in range(side_at[h], side_at[h + 1]):
        if side[i] != np.floor(side[i]) or abs(side[i]) > 2.0**62:
            return False
    for i in range(other_at[h], other_at[h + 1]):
        if other[i] != np.floor(other[i]) or abs(other[i]) > 2.0**62:
            return False
    return True


@kernel()
def _histogram_body(
    out: Any, at: int, h: int, t_ms: int, start_ms: int, smalls: Any, floats: Any,
    pos_at: Any, pos_index: Any, pos: Any, neg_at: Any, neg_index: Any, neg: Any,
    bounds: Any, bounds_at: Any, write: bool,
) -> int:  # fmt: skip
    """One histogram. `smalls`: schema, hint, custom; `floats`: threshold, zero, count, sum."""
    whole = _is_whole(h, floats, pos, pos_at, neg, neg_at)
    if whole:
        at = _number(out, at, 1, _U(_I(floats[2, h])), write)
    else:
        at = _double(out, at, 2, floats[2, h], write)
    at = _double(out, at, 3, floats[3, h], write)
    at = _number(out, at, 4, _zigzag(_I(smalls[0, h])), write)
    at = _double(out, at, 5, floats[0, h], write)
    if whole:
        at = _number(out, at, 6, _U(_I(floats[1, h])), write)
    else:
        at = _double(out, at, 7, floats[1, h], write)
    at = _spans(out, at, 8, neg_index, neg_at[h], neg_at[h + 1], write)
    at = _counts(out, at, 9, neg, neg_at[h], neg_at[h + 1], whole, write)
    at = _spans(out, at, 11, pos_index, pos_at[h], pos_at[h + 1], write)
    at = _counts(out, at, 12, pos, pos_at[h], pos_at[h + 1], whole, write)
    at = _number(out, at, 14, _U(smalls[1, h]), write)
    at = _number(out, at, 15, _U(t_ms), write)
    custom = smalls[2, h]
    if custom >= 0 and bounds_at[custom + 1] > bounds_at[custom]:
        first, last = bounds_at[custom], bounds_at[custom + 1]
        at = _counts(out, at, 15, bounds, first, last, False, write)
    if start_ms != 0:
        at = _number(out, at, 17, _U(start_ms), write)
    return at


@kernel()
def _series(
    out: Any, at: int, s: int, version: int, rows: Any, cells: Any,
    names: Any, names_at: Any, texts: Any, texts_at: Any,
    offsets: Any, t_ms: Any, start_ms: Any, values: Any, metadata: Any, histogram: Any,
    smalls: Any, floats: Any,
    pos_at: Any, pos_index: Any, pos: Any, neg_at: Any, neg_index: Any, neg: Any,
    bounds: Any, bounds_at: Any, write: bool,
) -> int:  # fmt: skip
    """The content of one TimeSeries."""
    if version == 1:
        at = _labels(out, at, rows[s], cells, names, names_at, texts, texts_at, write)
    else:
        at = _label_refs(out, at, rows[s], cells, names_at, write)
    field = _V1_HISTOGRAMS if version == 1 else _V2_HISTOGRAMS
    for i in range(offsets[s], offsets[s + 1]):
        h = histogram[i]
        if h < 0:
            at = _sample(out, at, values[i], t_ms[i], start_ms[i], write)
            continue
        size = _histogram_body(
            out, 0, h, t_ms[i], start_ms[i], smalls, floats, pos_at, pos_index, pos, neg_at,
            neg_index, neg, bounds, bounds_at, False,
        )  # fmt: skip
        at = _head(out, at, field, size, write)
        at = _histogram_body(
            out, at, h, t_ms[i], start_ms[i], smalls, floats, pos_at, pos_index, pos, neg_at,
            neg_index, neg, bounds, bounds_at, write,
        )  # fmt: skip
    if version != 1:
        at = _metadata(out, at, metadata[s, 0], metadata[s, 1], metadata[s, 2], write)
    return at


@kernel(
    f"int64(uint8[::1], int64, int64, {_INDEX}, Array(uint32, 2, 'C', readonly=True),"
    f" {_BYTES}, {_INDEX}, {_BYTES}, {_INDEX},"
    f" {_INDEX}, {_INDEX}, {_INDEX}, {_FLOATS}, Array(int64, 2, 'C', readonly=True), {_INDEX},"
    " Array(int64, 2, 'C', readonly=True),"
    f" Array(float64, 2, 'C', readonly=True), {_INDEX}, {_INDEX}, {_FLOATS}, {_INDEX}, {_INDEX},"
    f" {_FLOATS}, {_FLOATS}, {_INDEX}, boolean)"
)
def encode_series(
    out: Any, field: int, version: int, rows: Any, cells: Any,
    names: Any, names_at: Any, texts: Any, texts_at: Any,
    offsets: Any, t_ms: Any, start_ms: Any, values: Any, metadata: Any, histogram: Any,
    smalls: Any, floats: Any,
    pos_at: Any, pos_index: Any, pos: Any, neg_at: Any, neg_index: Any, neg: Any,
    bounds: Any, bounds_at: Any, write: bool,
) -> int:  # fmt: skip
    """Series one after the other, each as this field; returns how many bytes they take.

    Series s has the labels in column rows[s] of `cells` (a row a name, in order; 0 is none) and
    the samples from offsets[s] on; those with a `histogram` of -1 are floats. A `start_ms` of 0 is
    none. In version 1 texts are slices of the two arenas; in version 2 `cells` and `names_at` are
    references, and `metadata` has type, help and unit of each series.
    """
    at = 0
    for s in range(len(rows)):
        size = _series(
            out, 0, s, version, rows, cells, names, names_at, texts, texts_at, offsets, t_ms,
            start_ms, values, metadata, histogram, smalls, floats, pos_at, pos_index, pos,
            neg_at, neg_index, neg, bounds, bounds_at, False,
        )  # fmt: skip
        at = _head(out, at, field, size, write)
        if not write:
            at += size
            continue
        at = _series(
            out, at, s, version, rows, cells, names, names_at, texts, texts_at, offsets, t_ms,
            start_ms, values, metadata, histogram, smalls, floats, pos_at, pos_index, pos,
            neg_at, neg_index, neg, bounds, bounds_at, True,
        )  # fmt: skip
    return at
