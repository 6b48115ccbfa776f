"""What an answer that is written in one go begins with: status line and headers, checked."""

from __future__ import annotations

from functools import lru_cache
from http import HTTPStatus

_STATUS_LINES = {
    each.value: f"HTTP/1.1 {each.value} {each.phrase}\r\n".encode() for each in HTTPStatus
} | {499: b"HTTP/1.1 499 \r\n"}


@lru_cache(maxsize=1024)
def answer_head(status: int, headers: tuple[tuple[bytes, bytes], ...]) -> bytes:
    """All that comes before the body. Raises ValueError for a header of more than one line.

    Kept: small answers to the same question differ in their length alone, if in anything.
    """
    lines = b"".join([b"%b: %b\r\n" % header for header in headers])
    if lines.count(b"\n") != len(headers) or lines.count(b"\r") != len(headers):
        raise ValueError("a header has more than one line")
    return b"%b%b\r\n" % (_STATUS_LINES[status], lines)
