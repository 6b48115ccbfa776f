"""Unpacking what `packed.pack` has packed, and names for what is in it."""

from __future__ import annotations

from typing import Any

import numpy as np

from promlab.jit import kernel
from promlab.tsdb.codec_kernels import longs_at


@kernel()
def unpacked(arrays: Any, i: Any) -> Any:
    """Array number i."""
    return longs_at(arrays[2 * i], arrays[2 * i + 1])


@kernel()
def addresses(arrays: Any, i: Any) -> Any:
    """Array number i, which has addresses."""
    return unpacked(arrays, i).view(np.uint64)


@kernel()
def in_head(head: Any) -> Any:
    """Address and length of the table of groups, of rows and of rings."""
    return (
        np.uint64(head[0]), head[1], np.uint64(head[2]), head[3], np.uint64(head[4]), head[5]
    )  # fmt: skip


@kernel()
def in_view(view: Any) -> Any:
    """The arrays of a `ChunkView`, in its order."""
    return (
        unpacked(view, 0), addresses(view, 1), addresses(view, 2), unpacked(view, 3),
        addresses(view, 4), addresses(view, 5), unpacked(view, 6), unpacked(view, 7),
    )  # fmt: skip


@kernel()
def in_plan(plan: Any) -> Any:
    """The arrays of a `Plan`, in its order."""
    return (
        unpacked(plan, 0), unpacked(plan, 1), unpacked(plan, 2), unpacked(plan, 3),
        unpacked(plan, 4), unpacked(plan, 5), unpacked(plan, 6), unpacked(plan, 7),
        unpacked(plan, 8), unpacked(plan, 9),
    )  # fmt: skip
