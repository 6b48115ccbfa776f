"""`queries.active` in the data directory: what is evaluated now, for after a crash.

A file of slots, mapped: whoever dies leaves its slots filled, and the next start tells which
queries were under way. It is a JSON list at any time, each slot an entry padded with blanks.
"""

from __future__ import annotations

import json
import logging
import mmap
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from promlab.web.log import facts

log = logging.getLogger(__name__)

NAME = "queries.active"
_SLOT = 1000
_MAX_TEXT = 900
_encode = msgspec.json.Encoder().encode


class ActiveQueries:
    """The slots of one reader; without a file nothing is noted. Thread-safe."""

    def __init__(self, slots: int) -> None:
        self._lock = threading.Lock()
        self._free: list[int] = []
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

    @contextmanager
    def noted(self, text: str) -> Iterator[None]:
        """A query is in the file while this lasts, as long as there is room."""
        slot = self._begin(text)
        try:
            yield
        finally:
            if slot is not None:
                self._end(slot)

    def _begin(self, text: str) -> int | None:
        if self._map is None:
            return None
        with self._lock:
            if not self._free:
                return None
            slot = self._free.pop()
        entry = _encode({"query": text[:_MAX_TEXT], "timestamp_sec": int(time.time())})
        while len(entry) > _SLOT - 1:  # escaped, a text may be longer than it looks
            text = text[: len(text[:_MAX_TEXT]) // 2]
            entry = _encode({"query": text, "timestamp_sec": int(time.time())})
        self._map[self._at(slot)] = (entry + b",").ljust(_SLOT)
        return slot

    def _end(self, slot: int) -> None:
        if self._map is not None:
            self._map[self._at(slot)] = b" " * _SLOT
        with self._lock:
            self._free.append(slot)

    def _at(self, slot: int) -> slice:
        return slice(1 + slot * _SLOT, 1 + (slot + 1) * _SLOT)


def unfinished(content: bytes) -> list[dict[str, Any]]:
    """The entries of a file; none if it can't be read."""
    text = content.decode("utf-8", "replace").strip("\0 \n")
    inner = text.removeprefix("[").removesuffix("]").strip().rstrip(",")
    try:
        found = json.loads(f"[{inner}]")
    except ValueError:
        return []
    return [each for each in found if isinstance(each, dict)]
