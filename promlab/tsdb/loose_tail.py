"""Loose samples in the order in which they were stored, read from the write-ahead log.

Only for who follows what is stored: it says of which series samples came and at which times,
not what they are. A frame that is not whole is read at the next call; a segment that went
meanwhile is passed over.
"""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from promlab.model.storage import Position
from promlab.tsdb import head_kernels as k
from promlab.tsdb import loose_log_kernels
from promlab.tsdb.wal import segments, whole_frames

Longs = npt.NDArray[np.int64]
U32 = npt.NDArray[np.uint32]
_MOST_BYTES = 64 << 20  # of one call


class LooseSamples(NamedTuple):
    """Rings and times of samples, and where to go on."""

    position: Position
    rings: U32
    t_ms: Longs


def end_of(directory: Path) -> Position:
    """Behind everything that is there."""
    found = segments(directory)
    return (int(found[-1].name), found[-1].stat().st_size) if found else (0, 0)


def read_loose(directory: Path, position: Position) -> LooseSamples:
    """Loose samples behind a position, as many as one call takes."""
    number, at = position
    rings: list[U32] = []
    times: list[Longs] = []
    left = _MOST_BYTES
    for path in segments(directory):
        if int(path.name) < number:
            continue
        if int(path.name) > number:
            number, at = int(path.name), 0
        try:
            with path.open("rb") as file:
                file.seek(at)
                data = file.read(left)
        except OSError:
            continue  # dropped a moment ago
        at += _read(data, rings, times)
        left -= len(data)
        if left <= 0:
            break
    none = np.zeros(0, np.int64)
    return LooseSamples(
        (number, at),
        np.concatenate([np.zeros(0, np.uint32), *rings]),
        np.concatenate([none, *times]),
    )


def _read(data: bytes, rings: list[U32], times: list[Longs]) -> int:
    """Take the loose samples of all whole frames; the number of bytes that these have."""
    end = 0
    for records, end in whole_frames(BytesIO(data)):  # noqa: B007 - the last end is used
        _take(records, rings, times)
    return end


def _take(records: npt.NDArray[np.uint8], rings: list[U32], times: list[Longs]) -> None:
    at = 0
    while True:
        at = int(loose_log_kernels.next_loose(records, at, len(records)))
        if at < 0 or at + k.LOOSE_HEADER > len(records):
            return
        runs, n = np.frombuffer(records[at + 2 : at + 10].tobytes(), np.uint32).tolist()
        if at + k.LOOSE_HEADER + 8 * runs + 8 * n > len(records):
            return
        ring, t_ms, bits = np.empty(n, np.uint32), np.empty(n, np.int64), np.empty(n, np.int64)
        at = int(loose_log_kernels.read_loose(records, at, len(records), ring, t_ms, bits))
        if at < 0:
            return
        rings.append(ring)
        times.append(t_ms)
