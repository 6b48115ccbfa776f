"""Pages of lists as they are stored, decompressed and unpacked many at a time.

Two steps without the GIL do it for all of them: page by page, threads that read side by side
would wait for each other at every one. Which of them is damaged is not told here: whoever
reads them one by one (`ParquetFile.items`) finds out.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import zstandard

from promlab.errors import StorageError
from promlab.tsdb.blocks.parquet_kernels import unpack_pages

Longs = npt.NDArray[np.int64]
# Two lengths of levels. Nothing shorter may get to the decompressor, which does not survive
# having nothing to write.
LEAST_SIZE = 8


class _Here(threading.local):
    """A thread's own: they are not for many, and to make one takes as long as a page."""

    def __init__(self) -> None:
        self.unzip = zstandard.ZstdDecompressor()


_HERE = _Here()


class PackedPage(NamedTuple):
    """A page of lists as it is stored."""

    frame: memoryview
    size: int  # bytes once decompressed, LEAST_SIZE or more
    most: int  # items
    plain: bool  # or else deltas


def unzipped(frames: Any, sizes: Longs) -> Any:
    """Contents of a list of frames, which keep each other alive. Raises StorageError."""
    try:
        return _HERE.unzip.multi_decompress_to_buffer(frames, decompressed_sizes=sizes.tobytes())
    except zstandard.ZstdError:
        raise StorageError("a page of a block is damaged") from None


class Decompressed(NamedTuple):
    """Decompressed pages, side by side; they live as long as `held` does."""

    addresses: npt.NDArray[np.uint64]
    sizes: Longs
    plain: npt.NDArray[np.bool_]
    most: Longs  # items
    held: Any


def decompressed(pages: Sequence[PackedPage]) -> Decompressed:
    """All of one or more pages in one step. Raises StorageError if any is damaged."""
    sizes = np.array([page.size for page in pages], np.int64)
    held = unzipped([page.frame for page in pages], sizes)
    addresses = _addresses([np.frombuffer(one, np.uint8) for one in held])
    plain = np.array([page.plain for page in pages], np.bool_)
    most = np.array([page.most for page in pages], np.int64)
    return Decompressed(addresses, sizes, plain, most, held)


def unpack_together(pages: Sequence[PackedPage]) -> list[Longs]:
    """Items of each page, of doubles their bits. Raises StorageError if any is damaged."""
    if not pages:
        return []
    found = decompressed(pages)
    items = [np.empty(page.most, np.int64) for page in pages]
    counts = found.most.copy()
    unpack_pages(found.addresses, found.sizes, found.plain, _addresses(items), counts)
    if (counts < 0).any():
        raise StorageError("a page of a block is damaged")
    return [one[:count] for one, count in zip(items, counts.tolist(), strict=True)]


def _addresses(arrays: Sequence[npt.NDArray[Any]]) -> npt.NDArray[np.uint64]:
    return np.array([one.__array_interface__["data"][0] for one in arrays], np.uint64)
