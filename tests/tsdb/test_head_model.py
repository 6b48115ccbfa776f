"""Head and Reader against a plain dict, through any sequence of operations."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tsdb_model import Key, as_dict, everything, key_of, last_of, match, newest, table

from promlab.model.samples import STALE_BITS
from promlab.tsdb.codec_kernels import HOLE, NAN
from promlab.tsdb.head import Head
from promlab.tsdb.open import open as open_reader
from promlab.tsdb.options import HeadOptions

VALUES = st.one_of(
    st.integers(-1000, 1000).map(float),
    st.floats(width=64),
    st.sampled_from([0.5, -0.0, float("inf"), float("nan")]),
)
SPECIAL = st.sampled_from([STALE_BITS, HOLE, 0x7FF8DEADBEEF0000])
BITS = st.one_of(VALUES.map(lambda v: int(np.array([v]).view(np.uint64)[0])), SPECIAL)
# Small limits, so that segments and files end while we look.
SMALL = HeadOptions(
    sync="never", segment_bytes=2_000, wal_bytes=8_000, chunk_file_bytes=4_000, window_s=100.0
)


class StorageMachine(RuleBasedStateMachine):
    def open_head(self) -> Head:
        return Head.open(self.path, options=SMALL)

    @initialize()
    def start(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="promlab-tsdb-"))
        self.model: dict[Key, list[tuple[int, int]]] = {}
        self.last: dict[Key, tuple[int, int]] = {}  # stays when the sample is deleted
        self.newest = -(2**63)
        self.now = 1_000
        self.head = self.open_head()
        self.reader = open_reader(self.path)
        self.groups = {}
        self.widths = {}

    def teardown(self) -> None:
        if hasattr(self, "head"):
            self.head.close()
            shutil.rmtree(self.path)

    def take(self, labels: dict[str, str], t_ms: int, bits: int, floor: int) -> str:
        """What should become of a sample."""
        bits = NAN if bits == HOLE else bits
        last = self.last.get(key_of(labels))
        if t_ms < floor:
            return "too_old"
        if last is not None and t_ms < last[0]:
            return "out_of_order"
        if last is not None and t_ms == last[0]:
            return "same" if last[1] == bits else "duplicate"
        self.last[key_of(labels)] = t_ms, bits
        self.model.setdefault(key_of(labels), []).append((t_ms, bits))
        self.newest = max(self.newest, t_ms)
        return "appended"

    @property
    def floor(self) -> int:
        return self.newest - 100_000 if self.newest > -(2**63) else -(2**63)

    @rule(
        name=st.sampled_from("abc"),
        width=st.integers(1, 20),
        step=st.sampled_from([0, 1, 15_000, 15_000, -7_000]),
        picks=st.data(),
        rows=st.sampled_from([1, 1, 3, 70]),
    )
    def scrape(self, name: str, width: int, step: int, picks: st.DataObject, rows: int) -> None:
        if name not in self.groups:
            self.groups[name] = self.head.open_group({"instance": name})
        labels = [{"__name__": f"m{i}", "instance": name} for i in range(width)]
        group = self.groups[name]
        slots = group.slots(table(self.head, labels))
        chosen = picks.draw(st.sets(st.integers(0, width - 1), min_size=1))
        at = np.array(sorted(chosen))
        row = 0
        for r in range(rows):
            self.now += step
            row = picks.draw(BITS) if r % 16 == 0 else row
            bits = [(row + i * (r % 3)) % 2**64 for i in range(len(at))]
            values = np.array(bits, np.uint64).view(np.float64)
            floor = self.floor
            expected = [
                self.take(labels[i], self.now, b, floor) for i, b in zip(at, bits, strict=True)
            ]
            got = group.append(self.now, slots[at], values)
            assert self.counts(expected) == tuple(got)

    @staticmethod
    def counts(outcomes: list[str]) -> tuple[int, ...]:
        kinds = ("appended", "duplicate", "out_of_order", "too_old")
        return tuple(outcomes.count(kind) for kind in kinds)

    @rule(
        series=st.lists(st.integers(0, 8), min_size=1, max_size=5),
        offsets=st.lists(st.integers(-20_000, 40_000), min_size=1, max_size=5),
        repeat=st.sampled_from([1, 1, 40, 200]),
        bits=BITS,
        shared=st.booleans(),
    )
    def write(
        self, series: list[int], offsets: list[int], repeat: int, bits: int, shared: bool
    ) -> None:
        instance = "a" if shared else "remote"
        labels = [{"__name__": f"m{i}", "instance": instance} for i in series]
        refs = self.head.refs(table(self.head, labels))
        samples = [
            (i, self.now + offset + 500 * r, (bits + r * i) % 2**64)
            for r in range(repeat)
            for i in range(len(series))
            for offset in offsets[:2]
        ]
        floor = self.floor
        expected = [self.take(labels[i], t, b, floor) for i, t, b in samples]
        got = self.head.append_loose(
            refs[[i for i, _, _ in samples]],
            np.array([t for _, t, _ in samples], np.int64),
            np.array([b for _, _, b in samples], np.uint64).view(np.float64),
        )
        self.now = max(self.now, self.newest)
        assert self.counts(expected) == tuple(got)

    @rule(name=st.sampled_from("abc"))
    def close_group(self, name: str) -> None:
        if name in self.groups:
            self.groups.pop(name).close()

    @rule()
    def commit(self) -> None:
        self.head.commit()

    @rule(clean=st.booleans())
    def reopen(self, clean: bool) -> None:
        self.head.commit()
        self.groups.clear()
        if clean:
            self.head.close()
        else:
            kill(self.head)
        self.head = self.open_head()
        assert self.head.wal_corruptions == 0
        assert self.head.clean_start == clean

    @precondition(lambda self: self.model)
    @rule(start=st.integers(-50_000, 50_000), length=st.integers(0, 200_000), i=st.integers(0, 9))
    def look(self, start: int, length: int, i: int) -> None:
        self.head.commit()
        low, high = self.now + start - length, self.now + start
        found = as_dict(self.reader.select([match("__name__", f"m{i}")], low, high))
        expected = {}
        for key, samples in self.model.items():
            kept = [(t, b) for t, b in samples if low <= t <= high]
            if kept and ("__name__", f"m{i}") in key:
                expected[key] = kept
        assert found == expected
        assert newest(self.reader, [match("__name__", f"m{i}")], low, high) == last_of(expected)

    @invariant()
    def readers_see_everything(self) -> None:
        if hasattr(self, "head"):
            self.head.commit()
            assert everything(self.reader) == self.model


def kill(head: Head) -> None:
    """Drop a head as SIGKILL would: nothing is flushed, the kernel frees the lock."""
    head._keeper.stop()
    head._lock.release()


StorageMachine.TestCase.settings = settings(
    max_examples=40,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestStorage = StorageMachine.TestCase
