"""All silences: created, changed, expired, asked whether they mute; kept on disk and with peers.

Active and pending silences are found by one `name=value` of theirs, so that a million of them
don't make an alert slower than a few. What mutes an alert is remembered until silences change.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from promlab.alertmanager.clock import Clock
from promlab.alertmanager.matchers import Mode, show_all
from promlab.alertmanager.measures import StoreMeasures
from promlab.alertmanager.silence import (
    ACTIVE,
    EXPIRED,
    InvalidSilence,
    Silence,
    SilenceNotFound,
    can_change,
    decode,
    ended,
)
from promlab.alertmanager.silence_census import Census
from promlab.alertmanager.silence_index import SilenceIndex
from promlab.alertmanager.storage import no_garbage
from promlab.errors import PromlabError, StorageError

logger = logging.getLogger(__name__)

_CACHED_ALERTS = 200_000
_COLLECTED = 2_000


class TooManySilences(PromlabError):
    """A limit of the operator's is reached."""


@dataclass(frozen=True, slots=True)
class Change:
    """What is to be done: silences as they are to be, and the id that a client is told."""

    id: str
    silences: tuple[Silence, ...]
    what: str
    is_new: bool = False


class Store(Protocol):
    """Where silences survive the process."""

    def load(self) -> Iterable[tuple[str, bytes]]:
        """All records."""

    def put(self, records: Iterable[tuple[str, bytes]]) -> None:
        """Keep records, for good when this returns. Raises StorageError."""

    def delete(self, keys: Iterable[str]) -> None:
        """Forget records."""


class Silences:
    """The silences of one Alertmanager."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        *,
        retention_ms: int,
        max_silences: int = 0,
        max_bytes: int = 0,
        mode: Mode = Mode.FALLBACK,
        log_changes: bool = False,
    ) -> None:
        self._store, self._clock, self._retention_ms = store, clock, retention_ms
        self._max_silences, self._max_bytes = max_silences, max_bytes
        self._mode, self._log_changes = mode, log_changes
        self._silences: dict[str, Silence] = {}
        self._index = SilenceIndex()
        self._census = Census()
        self._version = 0
        self._cache: dict[int, tuple[int, tuple[str, ...]]] = {}
        self.changed: Callable[[Silence], None] = lambda silence: None
        self.measures = StoreMeasures()
        with no_garbage():
            for _, raw in store.load():
                self._insert(decode(raw))

    def __len__(self) -> int:
        return len(self._silences)

    def __iter__(self) -> Iterator[Silence]:
        return iter(list(self._silences.values()))

    def get(self, silence_id: str) -> Silence:
        """The silence with this id. Raises SilenceNotFound."""
        try:
            return self._silences[silence_id]
        except KeyError:
            raise SilenceNotFound(silence_id) from None

    def counts(self) -> dict[str, int]:
        """How many there are of each state."""
        self._advance()
        return self._census.counts()

    # Changes

    def set(self, silence: Silence) -> str:
        """Create a silence, or change the one whose id it has; returns the id that holds now.

        A change of matchers, or of the start of what is active, ends the old silence and makes
        a new one. Raises InvalidSilence, SilenceNotFound, TooManySilences, StorageError.
        """
        return self._keep(self.prepare(silence))

    def expire(self, silence_id: str) -> None:
        """End a silence now; one that has ended stays as it is. Raises SilenceNotFound."""
        self._keep(self.prepare_expiry(silence_id))

    def prepare(self, silence: Silence, more: int = 0) -> Change:
        """What `set` would do, beside so many new silences; nothing is done yet."""
        now_ms = self._clock.now_ms()
        silence.check(self._mode)
        self._check_size(silence)
        known = self.get(silence.id) if silence.id else None
        if known is not None and can_change(known, silence, now_ms):
            return Change(silence.id, (replace(silence, updated_ms=now_ms),), "changed")
        self._check_count(more)
        made = replace(
            silence,
            id=str(uuid.uuid4()),
            starts_ms=max(silence.starts_ms, now_ms),
            updated_ms=now_ms,
        )
        if known is not None and known.state(now_ms) != EXPIRED:
            return Change(made.id, (ended(known, now_ms), made), "created", is_new=True)
        return Change(made.id, (made,), "created", is_new=True)

    def prepare_expiry(self, silence_id: str) -> Change:
        """What `expire` would do; nothing is done yet."""
        now_ms = self._clock.now_ms()
        known = self.get(silence_id)
        last = () if known.state(now_ms) == EXPIRED else (ended(known, now_ms),)
        return Change(silence_id, last, "expired")

    def write(self, changes: Iterable[Change]) -> None:
        """Put changes on disk; may be called from another thread. Raises StorageError."""
        self._store.put([(s.id, s.encode()) for change in changes for s in change.silences])

    def take(self, change: Change) -> None:
        """Have a change in force that is on disk."""
        for silence in change.silences:
            self._insert(silence)
            self.changed(silence)
            if self._log_changes:
                logger.info(
                    "Silence %s", change.what,
                    extra={"facts": {
                        "id": silence.id, "matchers": show_all(silence.matchers),
                        "created_by": silence.created_by, "comment": silence.comment,
                    }},
                )  # fmt: skip

    def _keep(self, change: Change) -> str:
        # On disk first: what was acknowledged is never lost, what was not is not in force.
        if change.silences:
            self.write([change])
        self.take(change)
        return change.id

    def merge(self, silences: Iterable[Silence]) -> int:
        """Take from a peer what is newer than what is known; returns how many that were."""
        forgotten_ms = self._clock.now_ms() - self._retention_ms
        news = []
        for silence in silences:
            known = self._silences.get(silence.id)
            newer = known is None or known.updated_ms < silence.updated_ms
            if newer and silence.ends_ms >= forgotten_ms:
                news.append(silence)
        if news:
            self._store.put([(silence.id, silence.encode()) for silence in news])
            for silence in news:
                self._insert(silence)
        return len(news)

    def collect(self, most: int = _COLLECTED) -> int:
        """Forget silences that ended longer ago than they are kept.

        At most so many at a time, so that nobody waits for long; returns how many.
        """
        with self.measures.gc_s.timed():
            return self._collect(most)

    def _collect(self, most: int) -> int:
        self._advance()
        limit_ms = self._clock.now_ms() - self._retention_ms
        old = self._census.ended_until(limit_ms, most)
        if old:
            try:
                self._store.delete([silence.id for silence in old])
            except StorageError:
                self._census.give_back(old)
                self.measures.gc_errors += 1
                raise
            for silence in old:
                self._remove(silence.id)
            self._version += 1
        return len(old)

    def _advance(self) -> None:
        for silence in self._census.advance(self._clock.now_ms()):
            self._index.discard(silence)

    def _check_size(self, silence: Silence) -> None:
        if self._max_bytes:
            size = len(silence.encode())
            if size > self._max_bytes:
                raise TooManySilences(
                    f"silence exceeded maximum size: {size} bytes (limit: {self._max_bytes} bytes)"
                )

    def _check_count(self, more: int) -> None:
        count = len(self._silences) + more
        if self._max_silences and count + 1 > self._max_silences:
            raise TooManySilences(
                f"exceeded maximum number of silences: {count} (limit: {self._max_silences})"
            )

    # What mutes

    def muting(self, fingerprint: int, labels: Mapping[str, str]) -> list[str]:
        """Ids of the active silences that match, sorted."""
        if not self._index:
            return []
        measures = self.measures
        measures.queries += 1
        with measures.query_s.timed():
            return self._muting(fingerprint, labels)

    def _muting(self, fingerprint: int, labels: Mapping[str, str]) -> list[str]:
        cached = self._cache.get(fingerprint)
        if cached is None or cached[0] != self._version:
            ids = list(self._index.candidates(labels))
            self.measures.scanned += len(ids)
            self.measures.skipped += self._census.waiting - len(ids)
            found = tuple(sorted(i for i in ids if self._silences[i].matches(labels)))
            if len(self._cache) >= _CACHED_ALERTS:
                self._cache.clear()
            cached = self._cache[fingerprint] = (self._version, found)
        if not cached[1]:
            return []
        now_ms = self._clock.now_ms()
        return [i for i in cached[1] if self._silences[i].state(now_ms) == ACTIVE]

    def _insert(self, silence: Silence) -> None:
        if silence.id in self._silences:
            self._remove(silence.id)
        self._silences[silence.id] = silence
        now_ms = self._clock.now_ms()
        self._census.add(silence, now_ms)
        if silence.state(now_ms) != EXPIRED:
            self._index.add(silence)
        self._version += 1

    def _remove(self, silence_id: str) -> None:
        self._census.remove(silence_id)
        self._index.discard(self._silences.pop(silence_id))


__all__ = [
    "Change",
    "InvalidSilence",
    "SilenceNotFound",
    "Silences",
    "Store",
    "TooManySilences",
]
