"""Which silences are pending, active, expired: known without looking at all of them.

A silence changes its state at times that are known beforehand, so they wait in a heap for the
clock to pass. A million silences cost nothing while none of them begins or ends.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from itertools import count

from promlab.alertmanager.silence import ACTIVE, EXPIRED, PENDING, Silence

_Due = list[tuple[int, int, Silence]]


class Census:
    """States of silences as the clock was when somebody last asked."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[Silence, str]] = {}
        self._counts = dict.fromkeys((ACTIVE, PENDING, EXPIRED), 0)
        self._due: _Due = []  # by when they begin or end
        self._over: _Due = []  # by when they ended
        self._number = count()  # ties are by age: silences have no order

    def add(self, silence: Silence, now_ms: int) -> None:
        """Take a silence in, in the place of the one with its id."""
        self.remove(silence.id)
        state = silence.state(now_ms)
        self._known[silence.id] = silence, state
        self._counts[state] += 1
        self._wait(silence, state)

    def remove(self, silence_id: str) -> None:
        """Forget a silence."""
        known = self._known.pop(silence_id, None)
        if known is not None:
            self._counts[known[1]] -= 1

    def counts(self) -> dict[str, int]:
        """How many there are of each state."""
        return dict(self._counts)

    @property
    def waiting(self) -> int:
        """How many have not ended."""
        return self._counts[ACTIVE] + self._counts[PENDING]

    def advance(self, now_ms: int) -> list[Silence]:
        """Let the clock pass; returns the silences that have ended since it last did."""
        ended = []
        for silence, before in self._passed(self._due, now_ms, len(self._due)):
            state = silence.state(now_ms)
            self._counts[before] -= 1
            self._counts[state] += 1
            self._known[silence.id] = silence, state
            self._wait(silence, state)
            if state == EXPIRED:
                ended.append(silence)
        return ended

    def ended_until(self, t_ms: int, most: int) -> list[Silence]:
        """At most so many of those that ended until then; each is given once."""
        return [silence for silence, _ in self._passed(self._over, t_ms, most)]

    def give_back(self, silences: list[Silence]) -> None:
        """Have `ended_until` give these again."""
        for silence in silences:
            self._wait(silence, EXPIRED)

    def _wait(self, silence: Silence, state: str) -> None:
        heap = self._over if state == EXPIRED else self._due
        t_ms = silence.starts_ms if state == PENDING else silence.ends_ms
        heapq.heappush(heap, (t_ms, next(self._number), silence))

    def _passed(self, heap: _Due, t_ms: int, most: int) -> Iterator[tuple[Silence, str]]:
        while most and heap and heap[0][0] <= t_ms:
            _, _, silence = heapq.heappop(heap)
            known = self._known.get(silence.id)
            if known is not None and known[0] is silence:  # else another has its place
                most -= 1
                yield known
