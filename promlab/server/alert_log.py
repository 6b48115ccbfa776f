"""What alerts did, kept in the data directory: a line of JSON for each change of state.

The newest changes are in memory, to be asked for; the file outlives a restart, and is cut back
to them when it has become twice as long.
"""

from __future__ import annotations

import logging
import threading
from pathlib import Path

import msgspec

from promlab.rules.alert import AlertHistory, AlertState, Change
from promlab.web.log import facts

log = logging.getLogger(__name__)

NAME = "alert_history.jsonl"
_encode = msgspec.json.Encoder().encode


class _Line(msgspec.Struct):
    t_ms: int
    rule: str
    labels: dict[str, str]
    before: str
    after: str
    value: str  # JSON has no NaN


class StoredHistory(AlertHistory):
    """A history with a file. Thread-safe. What can't be written is still in memory."""

    def __init__(self, folder: str, capacity: int = 10_000) -> None:
        super().__init__(capacity)
        self._capacity = capacity
        self._path = Path(folder) / NAME
        self._lock = threading.Lock()
        self._lines = 0
        self._load()

    def add(self, change: Change) -> None:
        """Note a change, in the file too."""
        with self._lock:
            super().add(change)
            try:
                with self._path.open("ab") as file:
                    file.write(_line(change))
                self._lines += 1
                if self._lines > 2 * self._capacity:
                    self._rewrite()
            except OSError as error:
                log.error("The history of alerts can't be kept", extra=facts(err=str(error)))

    def _load(self) -> None:
        try:
            lines = self._path.read_bytes().splitlines()
        except OSError:
            return
        self._lines = len(lines)
        for text in lines[-self._capacity :]:
            try:
                found = msgspec.json.decode(text, type=_Line)
                before, after = AlertState(found.before), AlertState(found.after)
                value = float(found.value)
            except (msgspec.DecodeError, ValueError):
                continue  # the last line of a process that was killed
            super().add(Change(found.t_ms, found.rule, found.labels, before, after, value))

    def _rewrite(self) -> None:
        part = self._path.with_suffix(".part")
        kept = self.changes()
        part.write_bytes(b"".join(map(_line, kept)))
        part.replace(self._path)
        self._lines = len(kept)


def _line(change: Change) -> bytes:
    states = change.before.value, change.after.value
    line = _Line(change.t_ms, change.rule, dict(change.labels), *states, repr(change.value))
    return _encode(line) + b"\n"
