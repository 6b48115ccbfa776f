"""The distinct slices of a body, so that each becomes a Python string only once."""

from __future__ import annotations

import secrets

import numpy as np
import numpy.typing as npt

from promlab.model.slice_kernels import EMPTY, intern_slices

Slices = npt.NDArray[np.int32]
_SEED, _KEY = secrets.randbits(64), secrets.randbits(64) | 1


def distinct_slices(
    body: bytes | npt.NDArray[np.uint8], starts: Slices, ends: Slices
) -> tuple[Slices, Slices]:
    """The id of each slice (equal bytes, equal ids), and the slice each id was seen first as."""
    m = len(starts)
    view = np.frombuffer(body, np.uint8) if len(body) else np.zeros(0, np.uint8)
    view.flags.writeable = False
    hashes = np.empty(m, np.uint64)
    firsts, ids = np.empty(m, np.int32), np.empty(m, np.int32)
    at, count, size = 0, 0, 1 << 12
    while at < m:
        table = np.full(size, EMPTY, np.int32)
        at, count = intern_slices(
            view, starts, ends, _SEED, _KEY, table, hashes, firsts, ids, at, count
        )
        size *= 4
    return ids, firsts[:count]
