"""Contents of pages, decompressed but not decoded: those that were used last.

A page has the rows of many series, so whoever asks for one of them after the other would
decompress the same page for each.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from promlab.model.bounded import Bounded
from promlab.tsdb.blocks.block import Block
from promlab.tsdb.blocks.packed_pages import unzipped

Longs = npt.NDArray[np.int64]
KEPT_BYTES = 8 << 20


class Content(NamedTuple):
    """A page's bytes and where they are."""

    content: npt.NDArray[np.uint8]
    address: int


class Contents:
    """Contents by block and offset. For any number of threads."""

    def __init__(self, kept_bytes: int = KEPT_BYTES) -> None:
        self._lock = threading.Lock()
        self._kept: Bounded[tuple[str, int], Content] = Bounded(kept_bytes, _size_of)

    @property
    def size(self) -> int:
        """Bytes of all."""
        return self._kept.size

    def of(self, blocks: Sequence[Block], pages: Longs) -> list[Content]:
        """Those of some pages, as `page_kernels` describe them. Raises StorageError."""
        rows = pages.tolist()
        keys = [(blocks[row[0]].meta.ulid, row[1]) for row in rows]
        with self._lock:
            kept = [(key, self._kept.get(key)) for key in keys]
            known = {key: content for key, content in kept if content is not None}
        missing = [i for i, key in enumerate(keys) if key not in known]
        new = _decompressed([(blocks[rows[i][0]], *rows[i][2:5]) for i in missing])
        with self._lock:
            for i, content in zip(missing, new, strict=True):
                known[keys[i]] = content
                if _size_of(content) <= self._kept.most:
                    self._kept.put(keys[i], content)
        return [known[key] for key in keys]


def _size_of(content: Content) -> int:
    return len(content.content)


def _decompressed(frames: list[tuple[Block, int, int, int]]) -> list[Content]:
    """Contents of frames: block, offset, size, and that of the content."""
    if not frames:
        return []
    packed = [block.frame(at, stored) for block, at, stored, _ in frames]
    found = unzipped(packed, np.array([size for *_, size in frames], np.int64))
    # Copies: each of those that are found keeps all of them in memory.
    contents = [np.frombuffer(one, np.uint8).copy() for one in found]
    return [Content(one, one.__array_interface__["data"][0]) for one in contents]
