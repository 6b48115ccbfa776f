"""Contents of pages, decompressed but not decoded: those that were used last.

A page has the rows of many series, so whoever asks for one of them after the other would
decompress the same page for each.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import zstandard

from promlab.errors import StorageError
from promlab.tsdb.blocks.block import Block

Longs = npt.NDArray[np.int64]
KEPT_BYTES = 8 << 20


class _Here(threading.local):
    """A thread's own: they are not for many."""

    def __init__(self) -> None:
        self.unzip = zstandard.ZstdDecompressor()


_HERE = _Here()


class Content(NamedTuple):
    """A page's bytes and where they are."""

    content: npt.NDArray[np.uint8]
    address: int


class Contents:
    """Contents by block and offset. For any number of threads."""

    def __init__(self, kept_bytes: int = KEPT_BYTES) -> None:
        self._kept_bytes = kept_bytes
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, int], Content] = OrderedDict()
        self.size = 0

    def of(self, blocks: Sequence[Block], pages: Longs) -> list[Content]:
        """Those of some pages, as `page_kernels` describe them. Raises StorageError."""
        rows = pages.tolist()
        keys = [(blocks[row[0]].meta.ulid, row[1]) for row in rows]
        with self._lock:
            known = {key: self._kept[key] for key in keys if key in self._kept}
            for key in known:
                self._kept.move_to_end(key)
        missing = [i for i, key in enumerate(keys) if key not in known]
        new = _decompressed([(blocks[rows[i][0]], *rows[i][2:5]) for i in missing])
        with self._lock:
            for i, content in zip(missing, new, strict=True):
                known[keys[i]] = content
                self._keep(keys[i], content)
        return [known[key] for key in keys]

    def _keep(self, key: tuple[str, int], content: Content) -> None:
        if key not in self._kept:
            self._kept[key] = content
            self.size += len(content.content)
            while self.size > self._kept_bytes:
                _, gone = self._kept.popitem(last=False)
                self.size -= len(gone.content)


def _decompressed(frames: list[tuple[Block, int, int, int]]) -> list[Content]:
    """Contents of frames: block, offset, size, and that of the content."""
    if not frames:
        return []
    packed: Any = [block.frame(at, stored) for block, at, stored, _ in frames]
    sizes = np.array([size for *_, size in frames], np.int64)
    try:
        found: Any = _HERE.unzip.multi_decompress_to_buffer(
            packed, decompressed_sizes=sizes.tobytes()
        )
    except zstandard.ZstdError:
        raise StorageError("a page of a block is damaged") from None
    # Copies: each of those that are found keeps all of them in memory.
    contents = [np.frombuffer(one, np.uint8).copy() for one in found]
    return [Content(one, one.__array_interface__["data"][0]) for one in contents]
