"""Histograms, start times and late samples against a plain dict, through any sequence."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from made_histograms import histogram, plain, stack
from test_head_model import kill
from tsdb_model import ALWAYS, Key, key_of, table

from promlab.model.histograms import NOT_RESET, HistogramColumn, HistogramTable
from promlab.model.samples import STALE_BITS
from promlab.model.storage import SampleExtras
from promlab.tsdb.head import Head
from promlab.tsdb.open import open as open_reader
from promlab.tsdb.options import HeadOptions

SMALL: dict[str, Any] = {
    "sync": "never",
    "segment_bytes": 2_000,
    "wal_bytes": 8_000,
    "chunk_file_bytes": 4_000,
    "window_s": 100.0,
}
Value = int | tuple[dict[int, int], int]  # bits of a float; buckets and zero count
Sample = tuple[Any, int]  # what a value is read as, start time

floats = st.sampled_from([0.0, 1.0, 2.5, float("inf")]).map(
    lambda value: int(np.array([value]).view(np.int64)[0])
)
made = st.tuples(
    st.dictionaries(st.integers(-2, 3), st.integers(0, 9), max_size=3), st.integers(0, 2)
)
values = st.one_of(floats, st.just(STALE_BITS), made, made)


def table_of(value: Value) -> HistogramTable:
    assert isinstance(value, tuple)
    return histogram(positive=value[0], zero_count=value[1])


def read_as(value: Value) -> Any:
    return value if isinstance(value, int) else plain(table_of(value), 0)


def columns(chosen: list[Value], starts: list[int]) -> tuple[Any, SampleExtras]:
    """Values and extras of an append."""
    tables = [table_of(value) for value in chosen if isinstance(value, tuple)]
    rows = iter(range(len(tables)))
    index = np.array([next(rows) if isinstance(value, tuple) else -1 for value in chosen])
    bits = np.array([0 if isinstance(value, tuple) else value for value in chosen], np.int64)
    column = HistogramColumn(stack(tables), index) if tables else None
    start_ms = np.array(starts, np.int64) if any(starts) else None
    return bits.view(np.float64), SampleExtras(column, start_ms)


class Model:
    """What the head has to hold."""

    def __init__(self, late_ms: int) -> None:
        self.late_ms = late_ms
        self.samples: dict[Key, dict[int, Sample]] = {}
        self.newest: dict[Key, tuple[int, Any]] = {}  # in order
        self.max_time = -(2**63)

    @property
    def floors(self) -> tuple[int, int]:
        """Oldest time in order, oldest time that may come late."""
        floor = self.max_time - 100_000 if self.max_time > -(2**63) else -(2**63)
        if not self.late_ms:
            return floor, 2**63
        return floor, max(-(2**63), self.max_time - self.late_ms)

    def take(self, key: Key, t: int, value: Value, start: int, floors: tuple[int, int]) -> str:
        floor, late_floor = floors
        newest_t, newest = self.newest.get(key, (None, None))
        kept = self.samples.setdefault(key, {})
        if t >= floor and t == newest_t:
            return "same" if newest == read_as(value) else "duplicate"
        if t >= floor and (newest_t is None or t > newest_t):
            kept[t] = read_as(value), start
            self.newest[key] = t, read_as(value)
        elif t >= late_floor:
            kept.setdefault(t, (read_as(value), start))
        else:
            return "too_old" if self.late_ms or t < floor else "out_of_order"
        self.max_time = max(self.max_time, t)
        return "appended"


class ExtrasMachine(RuleBasedStateMachine):
    late_s = 0.0

    @initialize()
    def start(self) -> None:
        self.options = HeadOptions(late_window_s=self.late_s, **SMALL)
        self.path = Path(tempfile.mkdtemp(prefix="promlab-tsdb-"))
        self.model = Model(int(self.late_s * 1000))
        self.now = 1_000_000
        self.head = self.open_head()
        self.reader = open_reader(self.path)
        self.group: Any = None

    def open_head(self) -> Head:
        return Head.open(self.path, options=self.options)

    def teardown(self) -> None:
        if hasattr(self, "head"):
            self.head.close()
            shutil.rmtree(self.path)

    @staticmethod
    def start_of(i: int, t: int) -> int:
        """Start times of even series, which change now and then."""
        return 0 if i % 2 else t - t % 60_000 - 1

    def check(self, expected: list[str], got: Any) -> None:
        kinds = ("appended", "duplicate", "out_of_order", "too_old")
        assert tuple(got) == tuple(expected.count(kind) for kind in kinds)

    @rule(
        width=st.integers(1, 6),
        step=st.sampled_from([0, 1_000, 15_000, -7_000]),
        chosen=st.lists(values, min_size=6, max_size=6),
        rows=st.sampled_from([1, 1, 3, 70]),
    )
    def scrape(self, width: int, step: int, chosen: list[Value], rows: int) -> None:
        self.group = self.group or self.head.open_group({"instance": "a"})
        labels = [{"__name__": f"m{i}", "instance": "a"} for i in range(width)]
        slots = self.group.slots(table(self.head, labels))
        for r in range(rows):
            self.now += step
            row = (chosen[r % 5 :] + chosen)[:width]
            starts = [self.start_of(i, self.now) for i in range(width)]
            given, extras = columns(row, starts)
            floors = self.model.floors
            expected = [
                self.model.take(key_of(labels[i]), self.now, row[i], starts[i], floors)
                for i in range(width)
            ]
            self.check(expected, self.group.append(self.now, slots, given, extras))

    @rule(
        series=st.lists(st.integers(0, 4), min_size=1, max_size=4),
        offsets=st.lists(st.integers(-60, 20), min_size=1, max_size=4),
        repeat=st.sampled_from([1, 1, 20, 90]),
        chosen=st.lists(values, min_size=3, max_size=3),
        shared=st.booleans(),
    )
    def write(
        self, series: list[int], offsets: list[int], repeat: int, chosen: list[Value], shared: bool
    ) -> None:
        instance = "a" if shared else "remote"
        labels = [{"__name__": f"m{i}", "instance": instance} for i in series]
        refs = self.head.refs(table(self.head, labels))
        samples = [
            (i, self.now + 1000 * offset + 500 * r, chosen[(r + i) % 3])
            for r in range(repeat)
            for i in range(len(series))
            for offset in offsets
        ]
        floors = self.model.floors
        starts = [self.start_of(series[i], t) for i, t, _ in samples]
        expected = [
            self.model.take(key_of(labels[i]), t, value, start, floors)
            for (i, t, value), start in zip(samples, starts, strict=True)
        ]
        given, extras = columns([value for *_, value in samples], starts)
        times = np.array([t for _, t, _ in samples], np.int64)
        got = self.head.append_loose(refs[[i for i, *_ in samples]], times, given, extras)
        self.check(expected, got)
        self.now = max(self.now, self.model.max_time)

    @rule(clean=st.booleans())
    def reopen(self, clean: bool) -> None:
        self.head.commit()
        self.group = None
        if clean:
            self.head.close()
        else:
            kill(self.head)
        self.head = self.open_head()
        assert self.head.wal_corruptions == 0

    @invariant()
    def readers_see_everything(self) -> None:
        if not hasattr(self, "head"):
            return
        self.head.commit()
        found = self.read()
        wanted = {key: samples for key, samples in self.model.samples.items() if samples}
        assert found == wanted

    def read(self) -> dict[Key, dict[int, Sample]]:
        batch = self.reader.select([], *ALWAYS)
        found = {}
        for s, labels in enumerate(batch.labels.rows()):
            first, end = batch.offsets[s : s + 2].tolist()
            t_ms, given = batch.series(s)
            assert (np.diff(t_ms) > 0).all()
            read: list[Any] = given.view(np.int64).tolist()
            if batch.histograms is not None:
                index = batch.histograms.index[first:end].tolist()
                tables = batch.histograms.table
                for i, row in enumerate(index):
                    if row >= 0:
                        read[i] = plain(tables, row)
                        if tables.hint[row] == NOT_RESET:
                            assert i == 0 or goes_on(read[i - 1], read[i])
            starts = (
                [0] * len(read) if batch.start_ms is None else batch.start_ms[first:end].tolist()
            )
            pairs = zip(read, starts, strict=True)
            found[key_of(labels)] = dict(zip(t_ms.tolist(), pairs, strict=True))
        return found


def goes_on(before: Any, now: Any) -> bool:
    """Whether no bucket fell from one histogram to the next."""
    if not isinstance(before, tuple):
        return False
    zero = np.array([before[2], now[2]], np.int64).view(np.float64)
    later = dict(now[5])
    return zero[0] <= zero[1] and all(later.get(i, 0.0) >= c for i, c in before[5])


class LateMachine(ExtrasMachine):
    late_s = 50.0


class WideLateMachine(ExtrasMachine):
    late_s = 1_000.0


_SETTINGS = settings(
    max_examples=15,
    stateful_step_count=12,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestInOrder, TestLate, TestWideLate = (
    machine.TestCase for machine in (ExtrasMachine, LateMachine, WideLateMachine)
)
for _case in (TestInOrder, TestLate, TestWideLate):
    _case.settings = _SETTINGS
del _case
