"""An `Appender` in memory that keeps everything, and minds the rules of the seam."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from promlab.errors import StorageError
from promlab.model.labels import LabelTable, Symbols
from promlab.model.samples import STALE_BITS, Times, Values
from promlab.model.storage import (
    NO_EXTRAS,
    AppendOutcome,
    ExemplarBatch,
    ExemplarOutcome,
    Refs,
    SampleExtras,
    Slots,
)

STALE = "stale"
Key = frozenset[tuple[str, str]]
Value = float | str | tuple[float, float]  # a histogram is its count and sum
Sample = tuple[int, Value]


def key(labels: Mapping[str, str]) -> Key:
    return frozenset((name, text) for name, text in labels.items() if text)


def plain(value: np.float64) -> float | str:
    return STALE if int(value.view(np.uint64)) == STALE_BITS else float(value)


def plain_values(values: Values, extras: SampleExtras) -> list[Value]:
    found: list[Value] = [plain(value) for value in values]
    if extras.start_ms is not None:
        assert (extras.start_ms.dtype, extras.start_ms.shape) == (np.int64, values.shape)
    if extras.histograms is not None:
        assert extras.histograms.index.shape == values.shape
        table = extras.histograms.table
        for i in np.flatnonzero(extras.histograms.index >= 0).tolist():
            row = extras.histograms.index[i]
            found[i] = (float(table.count[row]), float(table.sum[row]))
    return found


class FakeGroup:
    def __init__(self, appender: FakeAppender, target: Mapping[str, str]) -> None:
        self.appender, self.target = appender, dict(target)
        self.keys: list[Key] = []
        self.known: dict[Key, int] = {}
        self.closed = False
        self.last_slots: Slots | None = None
        self.fast = 0

    def slots(self, labels: LabelTable) -> Slots:
        assert not self.closed
        assert labels.symbols is self.appender.symbols
        found = []
        for row in labels.rows():
            assert row.get("__name__"), "a series without a name"
            name = key(row)
            if name not in self.known:
                self.known[name] = len(self.keys)
                self.keys.append(name)
            found.append(self.known[name])
        return np.array(found, np.uint32)

    def refs(self, slots: Slots) -> Refs:
        return np.array([self.appender.ref(self.keys[slot]) for slot in slots], np.uint64)

    def append(
        self, t_ms: int, slots: Slots, values: Values, extras: SampleExtras = NO_EXTRAS
    ) -> AppendOutcome:
        assert not self.closed
        assert type(t_ms) is int
        assert slots.dtype == np.uint32
        assert values.dtype == np.float64
        assert slots.shape == values.shape
        assert len(np.unique(slots)) == len(slots), "slots are distinct"
        if self.appender.broken:
            raise StorageError("disk full")
        self.fast += slots is self.last_slots
        self.last_slots = slots
        outcomes = [
            self.appender.add(self.keys[slot], t_ms, value)
            for slot, value in zip(slots.tolist(), plain_values(values, extras), strict=True)
        ]
        if extras.start_ms is not None:
            for slot, start in zip(slots.tolist(), extras.start_ms.tolist(), strict=True):
                self.appender.starts.setdefault(self.keys[slot], []).append(start)
        return count(outcomes)

    def close(self) -> None:
        self.closed = True


class FakeAppender:
    def __init__(self) -> None:
        self._symbols = Symbols()
        self.series: dict[Key, list[Sample]] = {}
        self.groups: list[FakeGroup] = []
        self.ref_keys: list[Key] = []
        self.commits = 0
        self.broken = False
        self.starts: dict[Key, list[int]] = {}
        self.exemplars: list[tuple[str, dict[str, str], float, int]] = []

    @property
    def symbols(self) -> Symbols:
        return self._symbols

    def open_group(self, target: Mapping[str, str]) -> FakeGroup:
        self.groups.append(FakeGroup(self, target))
        return self.groups[-1]

    def refs(self, labels: LabelTable) -> Refs:
        return np.array([self.ref(key(row)) for row in labels.rows()], np.uint64)

    def ref(self, name: Key) -> int:
        if name not in self.ref_keys:
            self.ref_keys.append(name)
        return self.ref_keys.index(name)

    def append_exemplars(self, batch: ExemplarBatch) -> ExemplarOutcome:
        columns = batch.refs.tolist(), batch.labels.rows(), batch.values, batch.t_ms.tolist()
        for ref, labels, value, t_ms in zip(*columns, strict=True):
            name = dict(self.ref_keys[ref])["__name__"]
            self.exemplars.append((name, labels, float(value), t_ms))
        return ExemplarOutcome(batch.n)

    def append_loose(
        self, refs: Refs, t_ms: Times, values: Values, extras: SampleExtras = NO_EXTRAS
    ) -> AppendOutcome:
        assert (refs.dtype, t_ms.dtype, values.dtype) == (np.uint64, np.int64, np.float64)
        assert refs.shape == t_ms.shape == values.shape
        outcomes = [
            self.add(self.ref_keys[ref], t, value)
            for ref, t, value in zip(
                refs.tolist(), t_ms.tolist(), plain_values(values, extras), strict=True
            )
        ]
        return count(outcomes)

    def commit(self) -> None:
        if self.broken:
            raise StorageError("disk full")
        self.commits += 1

    def add(self, name: Key, t_ms: int, value: Value) -> str:
        samples = self.series.setdefault(name, [])
        if samples and t_ms == samples[-1][0]:
            return "same" if samples[-1][1] == value else "duplicate"
        if samples and t_ms < samples[-1][0]:
            return "out_of_order"
        samples.append((t_ms, value))
        return "appended"

    def samples(self, metric: str, **labels: str) -> list[Sample]:
        """Samples of the one series with this name and (at least) these labels."""
        wanted = key({"__name__": metric, **labels})
        found = [name for name in self.series if wanted <= name]
        assert len(found) <= 1, f"{wanted} means {len(found)} series"
        return self.series[found[0]] if found else []

    def last(self, metric: str, **labels: str) -> Value | None:
        samples = self.samples(metric, **labels)
        return samples[-1][1] if samples else None

    def names(self) -> set[str]:
        return {dict(name)["__name__"] for name in self.series}


def count(outcomes: list[str]) -> AppendOutcome:
    of = outcomes.count
    return AppendOutcome(of("appended"), of("duplicate"), of("out_of_order"))
