"""Heads of requests that came before: a client says the same with each, but for the first line.

A connection remembers those that were parsed. When one comes again, byte by byte, in one piece
with all of its request, there is nothing to parse but the first line. What differs in anything,
or is odd in its first line, is for the parser.
"""

from __future__ import annotations

import re
from functools import lru_cache

from promlab.web.http import Scope

# A path with nothing to decode, and what is asked.
_FIRST_LINE = re.compile(rb"(GET|POST) (/(?!/)[!\"$&->@-~]*)(?:\?([!-\"$-~]*))? HTTP/1\.1")
_KEPT = 8
_LONGEST = 8 << 10
_LONGEST_LINE = 2000  # that is remembered


class KnownHeads:
    """Those of one connection."""

    def __init__(self) -> None:
        self._known: dict[bytes, tuple[Scope, int]] = {}

    def learn(self, data: bytes, scope: Scope, body_bytes: int) -> None:
        """The parser has made this of `data`, which is one whole request."""
        line_end, head_end = _ends(data)
        head = data[line_end:head_end]
        if not head or len(head) > _LONGEST or head.count(b"\n") != head.count(b"\r\n"):
            return
        if _FIRST_LINE.fullmatch(data, 0, line_end) is None:
            return
        if len(self._known) >= _KEPT:
            self._known.clear()
        self._known[head] = scope, body_bytes

    def request(self, data: bytes) -> tuple[Scope, bytes] | None:
        """The request in `data`, as the parser would have it, and its body; None if unknown."""
        line_end, head_end = _ends(data)
        known = self._known.get(data[line_end:head_end])
        if known is None or len(data) - head_end != known[1]:
            return None
        line = data[:line_end]
        asked = (_asked if line_end <= _LONGEST_LINE else _asked.__wrapped__)(line)
        return None if asked is None else (known[0] | asked, data[head_end:])


@lru_cache(maxsize=1024)
def _asked(first_line: bytes) -> Scope | None:
    """What a first line asks for, to be put into a scope; None if it is odd.

    Kept: the panels of a dashboard ask for the same, of whoever looks at it.
    """
    found = _FIRST_LINE.fullmatch(first_line)
    if found is None:
        return None
    method, path, query = found.groups()
    asked = {"method": method.decode(), "path": path.decode()}
    return asked | {"raw_path": path, "query_string": query or b""}


def _ends(data: bytes) -> tuple[int, int]:
    """Where the first line ends, and the head; 0 and 0 if it does not."""
    line_end = data.find(b"\r\n")
    blank = data.find(b"\r\n\r\n", line_end)
    return (line_end, blank + 4) if blank >= 0 <= line_end else (0, 0)
