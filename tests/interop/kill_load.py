"""What is sent to servers that are killed, and what they must have of it.

A sender sends its batches one after the other, each again and again until it is acknowledged, as
a Prometheus would. What batch number n contains follows from n: which samples must be there, and
which may be, follows from how many batches were acknowledged and what was deleted.
"""

from __future__ import annotations

import random
import struct
import threading
from collections.abc import Iterator
from typing import NamedTuple

from tests.write_bodies import Histogram, Series

STEP_MS = 10_000
STEPS = 2  # of a batch
BATCH_MS = STEPS * STEP_MS
LATE_BATCHES = 15  # by how much samples of the series `late` come late
LIFE = 20  # batches of a series that comes and goes
STALE = struct.unpack("<d", struct.pack("<Q", 0x7FF0000000000002))[0]
DELETED_NAMES = ("gone", "late", "h", "fh")

Key = tuple[tuple[str, str], ...]
Value = tuple[object, ...]
Stored = dict[Key, dict[int, Value]]


def read_as(value: float | Histogram) -> Value:
    """What can be compared: a float's bits, a histogram's fields."""
    if not isinstance(value, Histogram):
        return (struct.pack("<d", value),)
    buckets = (
        tuple(sorted((i, float(n)) for i, n in side.items() if n))
        for side in (value.positive, value.negative)
    )
    zero = float(value.zero_count), value.zero_threshold
    return value.schema, float(value.count), value.sum, *zero, *buckets


class Deletion(NamedTuple):
    """Samples of all series of a name that were deleted, both times included."""

    name: str
    sender: str
    start_ms: int
    end_ms: int

    @property
    def selector(self) -> str:
        return f'{{__name__="{self.name}",sender="{self.sender}"}}'

    def covers(self, labels: dict[str, str], t_ms: int) -> bool:
        mine = labels["__name__"] == self.name and labels["sender"] == self.sender
        return mine and self.start_ms <= t_ms <= self.end_ms


class Sender:
    """The batches of one sender. `acknowledged` of them are there; one more may be."""

    def __init__(self, name: str, start_ms: int, first_batches: int) -> None:
        self.name, self._start_ms = name, start_ms
        self._first_batches = first_batches  # are one
        self.acknowledged = 0
        self.begun = 0

    def time_of(self, batch: int) -> int:
        return self._start_ms + batch * BATCH_MS

    def next_batches(self) -> range:
        """What is sent next, in one request."""
        first = self.acknowledged
        return range(first, first + (1 if first else self._first_batches))

    def batch(self, number: int) -> Iterator[Series]:
        """Its series: floats, native histograms, late samples, short-lived ones, exemplars."""
        times = [self.time_of(number) + step * STEP_MS for step in range(STEPS)]
        for i in range(6):
            samples = [(t, number_at(i, t), 0) for t in times]
            marks = [({"trace_id": f"t{number}"}, float(number), times[0])] if not i else []
            yield Series(self._labels("g", i), samples, marks)
        for i in range(2):
            yield Series(self._labels("gone", i), [(t, number_at(i + 9, t), 0) for t in times])
        yield Series(self._labels("h", 0), [(t, histogram_at(t, floats=False), 0) for t in times])
        yield Series(self._labels("fh", 0), [(t, histogram_at(t, floats=True), 0) for t in times])
        late = [times[0] - LATE_BATCHES * BATCH_MS, times[1]]
        yield Series(self._labels("late", 0), [(t, number_at(1, t), 0) for t in late])
        yield from self._short_lived(number, times)

    def _short_lived(self, number: int, times: list[int]) -> Iterator[Series]:
        """Two series, each of which begins when the one before is half-way, and ends stale."""
        half = LIFE // 2
        for born in (number // half * half - half, number // half * half):
            labels = self._labels("short", born)
            ends = number == born + LIFE - 1
            yield Series(
                labels, [(t, STALE if ends else float(born), 0) for t in times[: 2 - ends]]
            )

    def _labels(self, name: str, i: int) -> dict[str, str]:
        return {"__name__": name, "i": str(i), "sender": self.name}

    def deletion(self, dice: random.Random) -> Deletion | None:
        """One to ask for; no sample that it covers is still to come."""
        end = self.acknowledged - LATE_BATCHES - 2
        if end < 0:
            return None
        end = dice.randrange(max(0, end - 100), end + 1)
        start = max(0, end - dice.randrange(100))
        name = dice.choice(DELETED_NAMES)
        return Deletion(name, self.name, self.time_of(start), self.time_of(end))


def number_at(i: int, t_ms: int) -> float:
    """Counters, fractions, all bits of a double: each series has its kind."""
    n = t_ms // STEP_MS
    kind = i % 3
    if kind == 2:
        return random.Random(n * 31 + i).uniform(-1e6, 1e6)
    return float(n * (i + 1) % 100_003) / (8 if kind else 1)


def histogram_at(t_ms: int, *, floats: bool) -> Histogram:
    n = t_ms // STEP_MS % 1000
    buckets = {i: float(n + i + 1) for i in range(-1, n % 5)}
    half = 0.5 if floats else 0.0
    zero = float(n % 3) + half
    return Histogram(
        schema=1,
        count=sum(buckets.values()) + zero,
        sum=n / 7,
        zero_count=zero,
        zero_threshold=0.001,
        positive=buckets,
        floats=floats,
    )


class Ledger:
    """What was acknowledged of all senders' batches and of deletions; any thread may ask."""

    def __init__(self, start_ms: int, first_batches: int) -> None:
        self.start_ms = start_ms
        self.senders = [Sender(name, start_ms, first_batches) for name in "ab"]
        self._lock = threading.Lock()
        self._begun: list[Deletion] = []
        self._done: list[Deletion] = []

    def begin_deletion(self, deletion: Deletion) -> None:
        with self._lock:
            self._begun.append(deletion)

    def deletion_done(self, deletion: Deletion) -> None:
        with self._lock:
            self._done.append(deletion)

    @property
    def deletions_done(self) -> int:
        return len(self._done)

    def moment(self) -> Moment:
        with self._lock:
            done, begun = tuple(self._done), tuple(self._begun)
        return Moment(
            {sender.name: sender.acknowledged for sender in self.senders},
            {sender.name: sender.begun for sender in self.senders},
            done,
            begun,
        )

    def check(self, found: Stored, start_ms: int, before: Moment, after: Moment) -> None:
        """Samples from `start_ms` on, as they were read between two moments: what was
        acknowledged is there, exactly; nothing is that was deleted, or never sent.
        """
        left = {key: dict(samples) for key, samples in found.items()}
        for sender in self.senders:
            first = max(0, (start_ms - self.start_ms) // BATCH_MS)
            for number in range(first, after.begun[sender.name]):
                must = number < before.acknowledged[sender.name]
                for series in sender.batch(number):
                    mine = left.get(tuple(sorted(series.labels.items())), {})
                    for t_ms, value, _ in series.samples:
                        if t_ms >= start_ms:
                            self._check_one(series, t_ms, value, mine, must, before, after)
        invented = {key: samples for key, samples in left.items() if samples}
        assert not invented, f"never sent, or sent once and there twice: {str(invented)[:2000]}"

    @staticmethod
    def _check_one(
        series: Series,
        t_ms: int,
        value: float | Histogram,
        mine: dict[int, Value],
        must: bool,
        before: Moment,
        after: Moment,
    ) -> None:
        there = mine.pop(t_ms, None)
        what = f"{dict(series.labels)} at {t_ms}"
        if any(deletion.covers(dict(series.labels), t_ms) for deletion in before.done):
            assert there is None, f"{what} is there: its deletion was acknowledged"
            return
        may_be_gone = any(each.covers(dict(series.labels), t_ms) for each in after.deleting)
        if must and not may_be_gone:
            assert there is not None, f"{what} is lost: it was acknowledged"
        assert there is None or there == read_as(value), f"{what} is {there}: {value} was sent"


class Moment(NamedTuple):
    """What was known at one time: numbers of batches by sender, deletions."""

    acknowledged: dict[str, int]
    begun: dict[str, int]
    done: tuple[Deletion, ...]
    deleting: tuple[Deletion, ...]
