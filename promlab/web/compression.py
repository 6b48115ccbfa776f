"""Content codings of answers: zstd where a client takes it, else gzip or deflate, else none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import zstandard
from isal import isal_zlib

_LEVEL = 1
_CODINGS = ("zstd", "gzip", "deflate")  # the better one first
_WINDOW_BITS = {"gzip": 31, "deflate": 15}


def chosen(accept_encoding: str) -> str:
    """The coding for an Accept-Encoding header, "" for none: the best of those liked most."""
    quality: dict[str, float] = {}
    for part in accept_encoding.split(","):
        name, _, rest = part.partition(";")
        quality[name.strip().lower()] = _quality(rest)
    found = [(quality.get(name, 0.0), name) for name in _CODINGS]
    best = max(found, key=lambda each: each[0])
    return best[1] if best[0] > 0 else ""


def _quality(parameters: str) -> float:
    name, _, value = parameters.partition(";")[0].replace(" ", "").partition("=")
    if name.lower() != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0


def packed(body: bytes, coding: str) -> bytes:
    """A whole body."""
    if coding == "zstd":
        return zstandard.ZstdCompressor(_LEVEL).compress(body)
    found: bytes = isal_zlib.compress(body, _LEVEL, wbits=_WINDOW_BITS[coding])
    return found


def packed_chunks(chunks: Iterator[bytes], coding: str) -> Iterator[bytes]:
    """A body that comes in chunks."""
    packer: Any = (
        zstandard.ZstdCompressor(_LEVEL).compressobj()
        if coding == "zstd"
        else isal_zlib.compressobj(_LEVEL, wbits=_WINDOW_BITS[coding])
    )
    for chunk in chunks:
        some = packer.compress(chunk)
        if some:
            yield some
    yield packer.flush()
