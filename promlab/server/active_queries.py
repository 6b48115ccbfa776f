"""`queries.active` in the data directory: what is evaluated now, for after a crash.

A file of slots, mapped: whoever dies leaves its slots filled, and the next start tells which
queries were under way. It is a JSON list at any time, each slot an entry padded with blanks.
"""

from __future__ import annotations

import json
import logging
import mmap
import time
from pathlib import Path
from typing import Any

import msgspec

from promlab.web.log import facts

log = logging.getLogger(__name__)

NAME = "queries.active"
NOT_LISTED = -1
_SLOT = 1000
_MAX_TEXT = 900
_BLANK = b" " * _SLOT
_encode = msgspec.json.Encoder().encode


class ActiveQueries:
    """The slots of one reader; without a file nothing is noted. Thread-safe."""

    def __init__(self, slots: int) -> None:
        self._free: list[int] = []  # taken and given back by one call each
        self._used = [0] * slots
        self._slots = slots
        self._map: mmap.mmap | None = None

    def open(self, folder: str) -> None:
        """Tell what was under way when the last reader died, and begin anew."""
        path = Path(folder) / NAME
        try:
            left = unfinished(path.read_bytes()) if path.exists() else []
            if left:
                log.warning("These queries did not finish", extra=facts(queries=json.dumps(left)))
            size = self._slots * _SLOT + 2
            with path.open("w+b") as file:
                file.write(b"[" + b" " * (size - 2) + b"]")
                file.flush()
                self._map = mmap.mmap(file.fileno(), size)
        except OSError as error:
            log.error("The list of active queries can't be written", extra=facts(err=str(error)))
            return
        self._free = list(range(self._slots))

    def begin(self, text: str) -> int:
        """A query is in the file from now on; its slot, or NOT_LISTED for want of room."""
        if self._map is None:
            return NOT_LISTED
        try:
            slot = self._free.pop()
        except IndexError:
            return NOT_LISTED
        entry = _encode({"query": text[:_MAX_TEXT], "timestamp_sec": int(time.time())})
        while len(entry) > _SLOT - 1:  # escaped, a text may be longer than it looks
            text = text[: len(text[:_MAX_TEXT]) // 2]
            entry = _encode({"query": text, "timestamp_sec": int(time.time())})
        at = 1 + slot * _SLOT
        self._used[slot] = used = len(entry) + 1
        self._map[at : at + used] = entry + b","
        return slot

    def end(self, slot: int) -> None:
        """What `begin` noted in this slot has ended."""
        if slot < 0 or self._map is None:
            return
        at, used = 1 + slot * _SLOT, self._used[slot]
        self._map[at : at + used] = _BLANK[:used]
        self._free.append(slot)


def unfinished(content: bytes) -> list[dict[str, Any]]:
    """The entries of a file; none if it can't be read."""
    text = content.decode("utf-8", "replace").strip("\0 \n")
    inner = text.removeprefix("[").removesuffix("]").strip().rstrip(",")
    try:
        found = json.loads(f"[{inner}]")
    except ValueError:
        return []
    return [each for each in found if isinstance(each, dict)]
