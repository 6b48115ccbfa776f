"""The notification log: what was sent last to whom, so that nothing is sent twice.

An entry belongs to a group, a receiver and one integration of it. It is written when a
notification has arrived, and shared with peers.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import msgspec

from promlab.alertmanager.clock import Clock
from promlab.alertmanager.measures import StoreMeasures
from promlab.alertmanager.silences import Store
from promlab.alertmanager.storage import no_garbage
from promlab.errors import StorageError

logger = logging.getLogger(__name__)

Value = str | int | float


@dataclass(slots=True)
class Entry:
    """What one integration was told last about one group; alerts by fingerprint."""

    key: str
    t_ms: int
    expires_ms: int
    firing: frozenset[int]
    resolved: frozenset[int]
    store: Mapping[str, Value] = field(default_factory=dict)

    def encode(self) -> bytes:
        """As it is stored and sent to peers."""
        return msgspec.json.encode(
            {
                "key": self.key,
                "t_ms": self.t_ms,
                "expires_ms": self.expires_ms,
                "firing": sorted(self.firing),
                "resolved": sorted(self.resolved),
                "store": dict(self.store),
            }
        )


class _Stored(msgspec.Struct):
    key: str
    t_ms: int
    expires_ms: int
    firing: list[int]
    resolved: list[int]
    store: dict[str, Value] = msgspec.field(default_factory=dict)


_decoder = msgspec.json.Decoder(_Stored)


def decode(raw: bytes) -> Entry:
    """An entry from what `encode` gave. Raises StorageError."""
    try:
        found = _decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise StorageError(f"an entry of the notification log can't be read: {error}") from None
    return Entry(
        found.key,
        found.t_ms,
        found.expires_ms,
        frozenset(found.firing),
        frozenset(found.resolved),
        found.store,
    )


def entry_key(group_id: str, receiver: str, kind: str, index: int) -> str:
    """What an entry is found by."""
    return f"{group_id}:{receiver}/{kind}/{index}"


class NotificationLog:
    """All entries that have not expired."""

    def __init__(self, store: Store, clock: Clock, *, retention_ms: int) -> None:
        self._store, self._clock, self._retention_ms = store, clock, retention_ms
        self._entries: dict[str, Entry] = {}
        self._unwritten: dict[str, Entry] = {}
        self.changed: Callable[[Entry], None] = lambda entry: None
        self.write_errors = 0
        self.measures = StoreMeasures()
        now_ms = clock.now_ms()
        with no_garbage():
            for _, raw in store.load():
                entry = decode(raw)
                if entry.expires_ms > now_ms:
                    self._entries[entry.key] = entry

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(list(self._entries.values()))

    def get(self, key: str) -> Entry | None:
        """The entry of this key."""
        with self.measures.query_s.timed():
            entry = self._entries.get(key)
        self.measures.queries += 1
        self.measures.query_errors += entry is None
        return entry

    def add(
        self,
        key: str,
        firing: frozenset[int],
        resolved: frozenset[int],
        repeat_interval_ms: int,
        store: Mapping[str, Value],
    ) -> None:
        """Note that a notification has arrived now."""
        now_ms = self._clock.now_ms()
        expires_ms = now_ms + self._retention_ms
        if repeat_interval_ms > 0:
            expires_ms = min(expires_ms, now_ms + 2 * repeat_interval_ms)
        entry = Entry(key, now_ms, expires_ms, firing, resolved, dict(store))
        self._entries[key] = entry
        self._write([entry])
        self.changed(entry)

    def merge(self, entry: Entry) -> bool:
        """Take an entry from a peer, if it is newer; False if it is not."""
        known = self._entries.get(entry.key)
        if known is not None and known.t_ms >= entry.t_ms:
            return False
        if entry.expires_ms <= self._clock.now_ms():
            return False
        self._entries[entry.key] = entry
        self._write([entry])
        return True

    def _write(self, entries: list[Entry]) -> None:
        """Keep on disk. The notification is out: if that fails, it is tried again later."""
        try:
            self._store.put([(each.key, each.encode()) for each in entries])
        except StorageError as error:
            self.write_errors += 1
            self._unwritten |= {each.key: each for each in entries}
            logger.error("Notification log not written", extra={"facts": {"err": str(error)}})
            return
        for each in entries:
            self._unwritten.pop(each.key, None)

    def collect(self) -> int:
        """Forget what has expired, write what could not be written; returns how many went."""
        with self.measures.gc_s.timed():
            return self._collect()

    def _collect(self) -> int:
        now_ms = self._clock.now_ms()
        old = [key for key, entry in self._entries.items() if entry.expires_ms <= now_ms]
        for key in old:
            del self._entries[key]
            self._unwritten.pop(key, None)
        if self._unwritten:
            self._write(list(self._unwritten.values()))
        if old:
            self._store.delete(old)
        return len(old)
