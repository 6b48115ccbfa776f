"""Stored exemplars: `exemplars/NNNNNNNN`, append-only files of frames; and reading them.

A frame is `u32 stored | u32 size | u32 CRC-32 of the two and what follows | zstd` of a MessagePack
list: n, then as bytes u32 series[n], i64 times[n], f64 values[n], then the names of their labels,
the distinct texts of these, the first one empty, and as bytes u32 codes[names][n]. All exemplars
together are a ring: only the newest count, as many as the control page says.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
import zstandard

from promlab.model.labels import LabelTable, Symbols
from promlab.model.samples import Times, Values
from promlab.model.storage import Position

U32 = npt.NDArray[np.uint32]

_HEADER = struct.Struct("<III")
_MAX_FRAME = 256 << 20
_Payload = tuple[int, bytes, bytes, bytes, list[str], list[str], bytes]
_decode = msgspec.msgpack.Decoder(_Payload).decode
_encode = msgspec.msgpack.Encoder().encode


class Exemplars(NamedTuple):
    """n exemplars, oldest first; their labels have symbols of their own."""

    series: U32
    t_ms: Times
    values: Values
    labels: LabelTable


def files(directory: Path) -> list[int]:
    """Numbers of the files, oldest first."""
    return sorted(int(p.name) for p in directory.glob("[0-9]*") if p.name.isdigit())


def file_path(directory: Path, number: int) -> Path:
    """Where a file is."""
    return directory / f"{number:08d}"


def pack(some: Exemplars) -> bytes:
    """The frame of some exemplars."""
    names, columns, texts = [], [], Symbols()
    for name, codes in some.labels.columns.items():
        distinct, inverse = np.unique(codes, return_inverse=True)
        own = texts.codes(some.labels.symbols.texts(distinct))
        names.append(name)
        columns.append(own[inverse].astype(np.uint32))
    payload = _encode(
        (
            len(some.series),
            some.series.astype(np.uint32).tobytes(),
            some.t_ms.astype(np.int64).tobytes(),
            some.values.astype(np.float64).tobytes(),
            names,
            texts.texts(np.arange(len(texts))),
            b"".join(column.tobytes() for column in columns),
        )
    )
    body = zstandard.ZstdCompressor(1).compress(payload)
    head = _HEADER.pack(len(body), len(payload), 0)[:8]
    crc = zlib.crc32(body, zlib.crc32(head))
    return head + crc.to_bytes(4, "little") + body


def frames(data: bytes) -> Iterator[tuple[Exemplars, int]]:
    """The frames at the beginning of `data` that are whole, each with the offset behind it."""
    at = 0
    while at + _HEADER.size <= len(data):
        stored, size, crc = _HEADER.unpack_from(data, at)
        body = data[at + _HEADER.size : at + _HEADER.size + stored]
        if len(body) < stored or not stored or size > _MAX_FRAME:
            return
        if zlib.crc32(body, zlib.crc32(data[at : at + 8])) != crc:
            return
        payload = zstandard.ZstdDecompressor().decompress(body, max_output_size=size)
        at += _HEADER.size + stored
        yield _unpacked(_decode(payload)), at


def _unpacked(payload: _Payload) -> Exemplars:
    n, series, t_ms, values, names, texts, codes = payload
    columns = np.frombuffer(codes, np.uint32).reshape(len(names), n)
    return Exemplars(
        np.frombuffer(series, np.uint32),
        np.frombuffer(t_ms, np.int64),
        np.frombuffer(values, np.float64),
        LabelTable(n, dict(zip(names, columns, strict=True)), Symbols(texts[1:])),
    )


class ExemplarFiles:
    """Reads what was written, and on from there at the next call. Not thread-safe."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._read: dict[int, tuple[int, list[Exemplars]]] = {}  # bytes, frames

    def newest(self, most: int) -> list[Exemplars]:
        """The newest exemplars, `most` of them at most, oldest first."""
        numbers = files(self._directory) if self._directory.is_dir() else []
        self._read = {n: found for n, found in self._read.items() if n in numbers}
        for number in numbers:
            self._read_on(number)
        batches = [batch for n in numbers for batch in self._read.get(n, (0, []))[1]]
        surplus = sum(len(batch.series) for batch in batches) - most
        while batches and surplus >= len(batches[0].series):
            surplus -= len(batches.pop(0).series)
        if batches and surplus > 0:
            batches[0] = _without_first(batches[0], surplus)
        return batches

    def since(self, position: Position | None) -> tuple[Position, list[Exemplars]]:
        """Frames behind a position (bytes in a file), and where to go on."""
        numbers = files(self._directory) if self._directory.is_dir() else []
        if position is None:
            if not numbers:
                return (0, 0), []
            return (numbers[-1], file_path(self._directory, numbers[-1]).stat().st_size), []
        number, at = position
        found: list[Exemplars] = []
        for each in numbers:
            if each < number:
                continue
            if each > number:
                number, at = each, 0
            at = self._behind(number, at, found)
        return (number, at), found

    def _read_on(self, number: int) -> None:
        at, found = self._read.get(number, (0, []))
        self._read[number] = (self._behind(number, at, found), found)

    def _behind(self, number: int, at: int, found: list[Exemplars]) -> int:
        """Add a file's frames from a byte on; the byte behind them."""
        try:
            with file_path(self._directory, number).open("rb") as file:
                file.seek(at)
                data = file.read()
        except OSError:
            return at  # dropped a moment ago
        end = 0
        for batch, end in frames(data):  # noqa: B007 - the last end is used
            found.append(batch)
        return at + end


def _without_first(batch: Exemplars, n: int) -> Exemplars:
    rows = np.arange(n, len(batch.series))
    return Exemplars(
        batch.series[rows], batch.t_ms[rows], batch.values[rows], batch.labels.take(rows)
    )
