"""Unpacking gzip bodies within a limit: small ones at once, others in a thread.

A megabyte takes some two milliseconds, in which an event loop scrapes nobody else. Nothing is
believed that a body says of itself: where it says too little, it counts as large.
"""

from __future__ import annotations

from isal import isal_zlib

from promlab.errors import ScrapeError
from promlab.scrape.aside import Aside
from promlab.transport.direct import TooLarge

SMALL = 1 << 20  # bytes that are unpacked at once
_GZIP = 31
_MOST_MEMBERS = 1000  # each costs a copy of all that is behind it


async def gunzip(body: bytes, limit: int, aside: Aside) -> bytes:
    """The unpacked body. Raises TooLarge, or ScrapeError where it is none."""
    try:
        found = _small(body, min(limit, SMALL))
        return found if found is not None else await aside.run(lambda: _members(body, limit))
    except isal_zlib.error as error:  # type: ignore[misc]  # its stub calls it an instance
        raise ScrapeError(f"gzip: {' '.join(str(error).split())[:200]}") from None


def _size(body: bytes) -> int:
    """What the end of a body says that its last member unpacks to."""
    return int.from_bytes(body[-4:], "little")


def _small(body: bytes, limit: int) -> bytes | None:
    """The unpacked body if it is one small member, as nearly all are; else None."""
    size = _size(body)
    if size > limit or len(body) > limit:
        return None
    stream = isal_zlib.decompressobj(_GZIP)
    # Just the size that it says it has, if that is true, saves half of the work.
    piece: bytes = stream.decompress(body, size + 1)
    whole = stream.eof and len(piece) == size and not stream.unused_data
    return piece if whole else None


def _members(body: bytes, limit: int) -> bytes:
    """The unpacked body, which may be several members one after the other."""
    unpacked: list[bytes] = []
    room = limit
    while body:
        if len(unpacked) == _MOST_MEMBERS:
            raise ScrapeError(f"gzip: more than {_MOST_MEMBERS:,} members")
        stream = isal_zlib.decompressobj(_GZIP)
        # One byte more than fits tells a body of just the limit from a larger one.
        told = _size(body)
        piece = stream.decompress(body, min(told, room) + 1)
        if not stream.eof and told < room:
            stream = isal_zlib.decompressobj(_GZIP)
            piece = stream.decompress(body, room + 1)
        if len(piece) > room:
            raise TooLarge
        if not stream.eof:
            raise ScrapeError("gzip: unexpected EOF")
        room -= len(piece)
        unpacked.append(piece)
        body = stream.unused_data
    return unpacked[0] if len(unpacked) == 1 else b"".join(unpacked)
