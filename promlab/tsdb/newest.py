"""The newest sample of every series, kept while its chunk is not: `head/newest`.

A head that closes may leave everything in blocks. Opening it must not read blocks, but has to
know what a repeated or late sample is. So the time and the bits of each series' newest sample
stay in one small file. Chunks that are there tell newer ones; a lost file costs no sample.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
import zstandard

from promlab.tsdb.files import Longs, replace_file

_MAGIC = b"PRMLnewt"
_HEADER = struct.Struct("<8sQII")  # magic, series, bytes of the frame, CRC-32 of it
_MAX_SERIES = 1 << 32


def path_of(directory: Path) -> Path:
    """Where the file is."""
    return directory / "head" / "newest"


def write_newest(directory: Path, t_ms: Longs, bits: Longs) -> None:
    """Replace the file, and force it to the disk. Raises StorageError."""
    # Byte planes of differences: most series were last seen at the same few moments.
    planes = [_planes(np.diff(column, prepend=np.int64(0))) for column in (t_ms, bits)]
    body = zstandard.ZstdCompressor(3).compress(b"".join(planes))
    head = _HEADER.pack(_MAGIC, len(t_ms), len(body), zlib.crc32(body))
    replace_file(path_of(directory), head + body)


def read_newest(directory: Path) -> tuple[Longs, Longs] | None:
    """Times and bits by number of series; None if the file is not there, or damaged."""
    try:
        data = path_of(directory).read_bytes()
        magic, count, size, crc = _HEADER.unpack_from(data)
        body = data[_HEADER.size :]
        if magic != _MAGIC or len(body) != size or zlib.crc32(body) != crc or count > _MAX_SERIES:
            return None
        flat = zstandard.ZstdDecompressor().decompress(body, max_output_size=16 * count)
    except (OSError, struct.error, zstandard.ZstdError):
        return None
    if len(flat) != 16 * count:
        return None
    return _column(flat[: 8 * count]), _column(flat[8 * count :])


def _planes(column: Longs) -> bytes:
    return np.ascontiguousarray(column.view(np.uint8).reshape(-1, 8).T).tobytes()


def _column(planes: bytes) -> Longs:
    by_plane: npt.NDArray[np.uint8] = np.frombuffer(planes, np.uint8).reshape(8, -1)
    steps = np.ascontiguousarray(by_plane.T).view(np.int64).reshape(-1)
    column: Longs = np.cumsum(steps, dtype=np.int64)
    return column
