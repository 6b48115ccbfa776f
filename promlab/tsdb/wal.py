"""The write-ahead log `wal/NNNNNNNN`: samples that are not sealed and synced yet.

Kernels put records (see head_kernels) into a buffer; `flush` compresses it into one frame and
appends that to the newest segment:

    u32 stored bytes | u32 bytes | u32 CRC-32 of the two and what follows | zstd 1

Rows are logged as differences to the row before, starting over with each segment, so that any
segment can be read without those before it. A frame that is damaged ends its segment.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import zstandard

from promlab.errors import StorageError
from promlab.tsdb.files import AppendFile, failed, sync_directory

HEADER = struct.Struct("<III")
_FLUSH_AT = 1 << 20
_BUFFER = 4 << 20
MAX_BUFFER = 256 << 20

Bytes = npt.NDArray[np.uint8]


def segments(directory: Path) -> list[Path]:
    """Segments, oldest first."""
    return sorted(path for path in directory.glob("[0-9]*") if path.name.isdigit())


def whole_frames(file: BinaryIO) -> Iterator[tuple[Bytes, int]]:
    """Records of the frames at the beginning of `file` that are whole and sound, each with the
    offset behind it; one is in memory at a time.
    """
    inflate = zstandard.ZstdDecompressor()
    at = 0
    while len(header := file.read(HEADER.size)) == HEADER.size:
        stored, size, crc = HEADER.unpack(header)
        body = file.read(stored) if size <= MAX_BUFFER else b""
        if not body or len(body) < stored or zlib.crc32(body, zlib.crc32(header[:8])) != crc:
            return
        at += HEADER.size + stored
        records = bytearray(inflate.decompress(body, max_output_size=size))
        yield np.frombuffer(records, np.uint8), at


def frames(path: Path, warn: Callable[[str], None]) -> Iterator[tuple[Bytes, int]]:
    """Records of each frame of a segment and the offset behind it, up to the first damage, which
    is told and cut off.
    """
    at = 0
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            for records, at in whole_frames(file):
                yield records, at
    except OSError as error:
        raise failed("read", path, error) from None
    if at < size:
        warn(f"WAL segment {path.name} is damaged at byte {at}: {size - at} bytes cut off")
        cut_file(path, at)


def cut_file(path: Path, size: int) -> None:
    """Shorten a segment to what is good of it."""
    file = AppendFile(path)
    try:
        file.cut(size)
    finally:
        file.close()


class WAL:
    """The writer's end. `buffer` and `at` belong to the kernels between `room` and `flush`."""

    def __init__(self, directory: Path, before_flush: Callable[[], None]) -> None:
        self.directory = directory
        self._before_flush = before_flush  # writes the series log: records name its numbers
        directory.mkdir(exist_ok=True)
        old = segments(directory)
        self.sizes = {int(path.name): path.stat().st_size for path in old}
        self.segment = max(self.sizes, default=0)
        self.buffer: Bytes = np.zeros(_BUFFER, np.uint8)
        self.at = 0
        self._deflate = zstandard.ZstdCompressor(1)
        self._file: AppendFile | None = None

    @property
    def bytes(self) -> int:
        """Size of all segments."""
        return sum(self.sizes.values())

    @property
    def oldest(self) -> int:
        """Number of the oldest segment that is left."""
        return min(self.sizes, default=self.segment)

    def start_segment(self) -> None:
        """Sync and close the newest segment and begin another; nothing may be pending."""
        file = AppendFile(self.directory / f"{self.segment + 1:08d}")
        if self._file is not None:
            self._file.sync()
            self._file.close()
        self._file = file
        self.segment += 1
        self.sizes[self.segment] = 0
        sync_directory(self.directory)

    def room(self, size: int) -> None:
        """Make room for a record of at most `size` bytes behind `at`."""
        if self.at > _FLUSH_AT:
            self.flush()
        if self.at + size > len(self.buffer):
            self.flush()
        if size > len(self.buffer):
            if size > MAX_BUFFER:
                raise StorageError(f"a WAL record of {size} bytes is too large")
            self.buffer = np.zeros(size, np.uint8)

    def flush(self) -> bool:
        """Write what is pending; on StorageError it stays pending. Whether anything was."""
        if not self.at or self._file is None:
            return False
        self._before_flush()
        pending = self.buffer.data[: self.at]
        body = self._deflate.compress(pending)
        head = HEADER.pack(len(body), self.at, 0)[:8]
        crc = zlib.crc32(body, zlib.crc32(head))
        self._file.write(b"".join((head, crc.to_bytes(4, "little"), body)))
        self.sizes[self.segment] = self._file.size
        self.at = 0
        return True

    @property
    def segment_bytes(self) -> int:
        """Size of the newest segment."""
        return self._file.size if self._file else 0

    def sync(self) -> None:
        """Force the newest segment to the disk."""
        if self._file is not None:
            self._file.sync()

    def drop_before(self, segment: int) -> None:
        """Delete segments older than `segment`."""
        for number in [number for number in self.sizes if number < segment]:
            try:
                (self.directory / f"{number:08d}").unlink(missing_ok=True)
            except OSError as error:
                raise failed("delete", self.directory / f"{number:08d}", error) from None
            del self.sizes[number]

    def close(self) -> None:
        """Close the newest segment."""
        if self._file is not None:
            self._file.close()
            self._file = None
