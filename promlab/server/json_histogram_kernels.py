"""Series that hold native histograms printed as JSON, from columns; see `json_kernels`.

Floats of a series go to `value` or `values`, its histograms to `histogram` or `histograms`.
Buckets come as `OrderedBuckets`; a bucket is `[boundary rule, "lower", "upper", "count"]`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from promlab.jit import kernel
from promlab.model.float_kernels import print_float, print_seconds, print_text
from promlab.server.json_kernels import print_labels, print_value

_TEXT = "Array(uint8, 1, 'C', readonly=True)"
_INDEX = "Array(int64, 1, 'C', readonly=True)"
_FLOATS = "Array(float64, 1, 'C', readonly=True)"
_PIECES = "Array(int64, 2, 'C', readonly=True)"
_SIGNS = "Array(int8, 1, 'C', readonly=True)"
_HISTOGRAMS = f"{_INDEX}, {_FLOATS}, {_FLOATS}, {_INDEX}, {_FLOATS}, {_FLOATS}, {_FLOATS}, {_SIGNS}"

_METRIC = np.frombuffer(b'{"metric":', np.uint8).copy()
_VALUES = np.frombuffer(b',"values":[', np.uint8).copy()
_VALUE = np.frombuffer(b',"value":', np.uint8).copy()
_HISTOGRAM = np.frombuffer(b',"histogram":', np.uint8).copy()
_MANY = np.frombuffer(b',"histograms":[', np.uint8).copy()
_COUNT = np.frombuffer(b'{"count":"', np.uint8).copy()
_SUM = np.frombuffer(b'","sum":"', np.uint8).copy()
_BUCKETS = np.frombuffer(b'","buckets":[', np.uint8).copy()
_NEXT = np.frombuffer(b'","', np.uint8).copy()

HISTOGRAM_BYTES = 128  # at most, beside its buckets ...
BUCKET_BYTES = 96  # ... and each of these


@kernel()
def _print_histogram(
    row: Any,
    count: Any,
    total: Any,
    offsets: Any,
    lower: Any,
    upper: Any,
    counts: Any,
    rules: Any,
    out: Any,
    at: Any,
) -> Any:
    """A histogram, and the bracket that closes the sample."""
    at = print_text(_COUNT, out, at)
    at = print_float(count[row], out, at)
    at = print_text(_SUM, out, at)
    at = print_float(total[row], out, at)
    first, end = offsets[row], offsets[row + 1]
    if first == end:
        out[at] = 34
        at += 1
    else:
        at = print_text(_BUCKETS, out, at)
        for i in range(first, end):
            if i > first:
                out[at] = 44
                at += 1
            out[at], out[at + 1], out[at + 2], out[at + 3] = 91, 48 + rules[i], 44, 34
            at = print_float(lower[i], out, at + 4)
            at = print_text(_NEXT, out, at)
            at = print_float(upper[i], out, at)
            at = print_text(_NEXT, out, at)
            at = print_float(counts[i], out, at)
            out[at], out[at + 1] = 34, 93
            at += 2
        out[at] = 93
        at += 1
    out[at], out[at + 1] = 125, 93
    return at + 2


@kernel(
    f"int64({_PIECES}, {_TEXT}, {_INDEX}, {_TEXT}, {_FLOATS}, {_HISTOGRAMS}, int64, int64,"
    " uint8[::1])"
)
def print_mixed_vector(
    pieces: Any,
    arena: Any,
    label_offsets: Any,
    step: Any,
    values: Any,
    index: Any,
    count: Any,
    total: Any,
    offsets: Any,
    lower: Any,
    upper: Any,
    counts: Any,
    rules: Any,
    first: Any,
    end: Any,
    out: Any,
) -> Any:
    """Samples first..end of an instant vector; `step` is `[<time>,`."""
    at: Any = np.int64(0)
    for s in range(first, end):
        if s > first:
            out[at] = 44
            at += 1
        at = print_text(_METRIC, out, at)
        at = print_labels(pieces[s], arena, label_offsets, out, at)
        if index[s] < 0:
            at = print_text(_VALUE, out, at)
            at = print_text(step, out, at)
            at = print_value(values[s], out, at)
        else:
            at = print_text(_HISTOGRAM, out, at)
            at = print_text(step, out, at)
            at = _print_histogram(
                index[s], count, total, offsets, lower, upper, counts, rules, out, at
            )
        out[at] = 125
        at += 1
    return at


@kernel(
    f"int64({_PIECES}, {_TEXT}, {_INDEX}, {_INDEX}, {_INDEX}, {_INDEX}, {_FLOATS}, {_HISTOGRAMS},"
    " int64, int64, uint8[::1])"
)
def print_mixed_series(
    pieces: Any,
    arena: Any,
    label_offsets: Any,
    samples_at: Any,
    times_at: Any,
    t_ms: Any,
    values: Any,
    index: Any,
    count: Any,
    total: Any,
    offsets: Any,
    lower: Any,
    upper: Any,
    counts: Any,
    rules: Any,
    first: Any,
    end: Any,
    out: Any,
) -> Any:
    """Series first..end; those of series s are samples samples_at[s]..samples_at[s + 1]."""
    at: Any = np.int64(0)
    for s in range(first, end):
        if s > first:
            out[at] = 44
            at += 1
        at = print_text(_METRIC, out, at)
        at = print_labels(pieces[s], arena, label_offsets, out, at)
        shift = times_at[s] - samples_at[s]
        for histograms in range(2):
            begun = False
            for k in range(samples_at[s], samples_at[s + 1]):
                if (index[k] >= 0) != (histograms == 1):
                    continue
                if begun:
                    out[at] = 44
                    at += 1
                else:
                    at = print_text(_MANY if histograms else _VALUES, out, at)
                begun = True
                out[at] = 91
                at = print_seconds(t_ms[k + shift], out, at + 1)
                out[at] = 44
                at += 1
                if histograms:
                    at = _print_histogram(
                        index[k], count, total, offsets, lower, upper, counts, rules, out, at
                    )
                else:
                    at = print_value(values[k], out, at)
            if begun:
                out[at] = 93
                at += 1
        out[at] = 125
        at += 1
    return at
