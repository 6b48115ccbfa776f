"""Snappy's block format, with the size checked before anything is unpacked."""

from __future__ import annotations

import cramjam

from promlab.errors import PromlabError

MAX_BYTES = 32 << 20


class BadSnappy(PromlabError):
    """A body that is not snappy, or would be too large."""


def uncompress(body: bytes, limit: int = MAX_BYTES) -> bytes:
    """The unpacked body. Raises BadSnappy."""
    size = declared_size(body)
    if size > limit:
        raise BadSnappy(f"snappy: decoded size of {size:,} bytes is above the limit of {limit:,}")
    try:
        return bytes(cramjam.snappy.decompress_raw(body))
    except cramjam.DecompressionError:
        raise BadSnappy("snappy: corrupt input") from None


def declared_size(body: bytes) -> int:
    """The size that a body says it unpacks to. Raises BadSnappy."""
    size = 0
    for i, byte in enumerate(body[:5]):
        size |= (byte & 0x7F) << (7 * i)
        if byte < 0x80:
            return size
    raise BadSnappy("snappy: corrupt input")
