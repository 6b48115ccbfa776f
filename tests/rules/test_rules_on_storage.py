"""Rules on the real head: written in one place, read in another, evaluated in threads."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rule_world import World, alert_rule

from promlab.model.histograms import HistogramColumn
from promlab.model.labels import LabelTable
from promlab.model.samples import Times, Values
from promlab.model.storage import AppendOutcome, SampleExtras
from promlab.promql.engine import Engine
from promlab.promql.result import InstantVector
from promlab.promqltest.histograms import parse_histogram, table_of
from promlab.rules.group import Group
from promlab.rules.recording import RecordingRule
from promlab.rules.restore import RestoreOptions, restore
from promlab.tsdb.head import Head
from promlab.tsdb.open import open as open_reader
from promlab.tsdb.options import HeadOptions

M = 60_000
START = 1_700_000_000_000 // M * M


class HeadSink:
    """What rules make goes to a head of this process."""

    def __init__(self, head: Head) -> None:
        self.head = head

    async def append(
        self,
        labels: LabelTable,
        t_ms: Times,
        values: Values,
        histograms: HistogramColumn | None = None,
    ) -> AppendOutcome:
        refs = self.head.refs(labels.recode(self.head.symbols))
        outcome = self.head.append_loose(refs, t_ms, values, SampleExtras(histograms))
        self.head.commit()
        return outcome


class Storage:
    def __init__(self, folder: Path) -> None:
        self.head = Head.open(folder, options=HeadOptions(sync="never"))
        self.reader = open_reader(folder)
        self.engine = Engine(self.reader)
        self.pool = ThreadPoolExecutor(2)
        self.world = World()
        self.options = replace(
            self.world.options,
            engine=self.engine,
            querier=self.reader,
            sink=HeadSink(self.head),
            executor=self.pool,
        )

    def add(self, t_ms: int, rows: list[dict[str, str]], values: list[float]) -> None:
        refs = self.head.refs(LabelTable.from_dicts(rows, self.head.symbols))
        self.head.append_loose(refs, np.full(len(rows), t_ms, np.int64), np.array(values))
        self.head.commit()

    def group(self, *rules: Any) -> Group:
        return Group("g", "f", rules, self.options, interval_ms=M)

    def now(self, text: str, t_ms: int) -> dict[str, float]:
        value = self.engine.instant(text, t_ms).value
        assert isinstance(value, InstantVector)
        shown = (",".join(f"{k}={v}" for k, v in row.items()) for row in value.labels.rows())
        return dict(zip(shown, value.values.tolist(), strict=True))


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[Storage]:
    made = Storage(tmp_path)
    yield made
    made.pool.shutdown()
    made.engine.close()
    made.reader.close()
    made.head.close()


async def test_rules_over_several_evaluations(storage: Storage) -> None:
    rows = [{"__name__": "m", "i": str(i), "p": str(i % 3)} for i in range(300)]
    group = storage.group(
        RecordingRule("sums", "sum by (p) (m)", {"how": "sum"}),
        RecordingRule("big", 'label_replace(m > 150, "q", "<$1>", "i", "(.*)")', {}),
        RecordingRule("of_sums", "sums * 2", {}),
        alert_rule("m > 298", for_ms=M),
    )
    storage.add(START, rows, [float(i) for i in range(300)])
    await group.evaluate(START)
    assert [rule.last_error for rule in group.rules] == [""] * 4
    assert storage.now("count(big)", START) == {"": 149.0}
    assert storage.now('of_sums{p="0"}', START)["__name__=of_sums,how=sum,p=0"] == 29_700.0
    storage.add(START + M, rows, [float(i) - 100 for i in range(300)])
    await group.evaluate(START + M)
    assert storage.now("count(big)", START + M) == {"": 49.0}
    assert storage.now('ALERTS{alertstate="pending"}', START) != {}
    assert storage.now("ALERTS", START + M) == {}
    assert storage.world.warnings == []


async def test_restored_from_storage(storage: Storage) -> None:
    rows = [{"__name__": "m", "i": "1"}]
    old, new = (alert_rule("m > 0", for_ms=60 * M, restored=r) for r in (True, False))
    for i in range(20):
        storage.add(START + i * M, rows, [1.0])
        await storage.group(old).evaluate(START + i * M)
    later = START + 25 * M
    storage.add(later, rows, [1.0])
    await storage.group(new).evaluate(later)
    assert restore(new, storage.reader, later, RestoreOptions()) == 1
    assert new.active_alerts()[0].active_ms == START + 6 * M


async def test_histograms_are_recorded_among_floats(storage: Storage) -> None:
    rows = [{"__name__": "m", "i": str(i)} for i in range(3)]
    notations = [
        "{{schema:0 sum:3 count:4 buckets:[1 2 1]}}",
        "{{schema:0 sum:1 count:1 buckets:[1]}}",
    ]
    table = table_of([parse_histogram(text) for text in notations])
    refs = storage.head.refs(LabelTable.from_dicts(rows, storage.head.symbols))
    index = np.array([0, -1, 1])
    times = np.full(3, START, np.int64)
    extras = SampleExtras(HistogramColumn(table, index))
    storage.head.append_loose(refs, times, np.array([0.0, 7.0, 0.0]), extras)
    storage.head.commit()
    group = storage.group(
        RecordingRule("same", "m", {}),
        RecordingRule("total", "sum(m{i!='1'})", {}),
        RecordingRule("counts", "histogram_count(total)", {}),
    )
    await group.evaluate(START)
    assert [rule.last_error for rule in group.rules] == [""] * 3
    assert storage.now("counts", START) == {"__name__=counts": 5.0}
    assert storage.now("histogram_sum(same)", START) == {"i=0": 3.0, "i=2": 1.0}
    assert storage.now('same{i="1"}', START) == {"__name__=same,i=1": 7.0}
    await group.evaluate(START + 10 * M)  # everything is too old by now: the series end
    assert storage.now("same", START + 10 * M) == {}
