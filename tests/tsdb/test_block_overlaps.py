"""What comes late, at times of which blocks have samples already: it changes none of these."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from block_tools import TINY, in_process, metas, settle
from made_histograms import histogram, stack
from tsdb_model import ALWAYS, table

from promlab.model.histograms import NOT_RESET, UNKNOWN, HistogramColumn
from promlab.model.storage import SampleExtras
from promlab.tsdb.blocks.catalog import block_names
from promlab.tsdb.head import Head
from promlab.tsdb.open import open as open_reader

OPTIONS = replace(TINY, settle_bytes=1)
LABELS = [{"__name__": "m", "instance": "a"}]
START = 6_000_000


def open_head(path: Path) -> Head:
    return in_process(Head.open(path, options=OPTIONS))


def write(head: Head, t_ms: list[int], values: list[float]) -> None:
    refs = np.repeat(head.refs(table(head, LABELS)), len(t_ms))
    done = head.append_loose(refs, np.array(t_ms), np.array(values))
    assert done.appended == len(t_ms)
    head.commit()


@pytest.mark.parametrize("where", ["head", "block", "joined", "joined twice"])
def test_of_equal_times_the_first_sample_stays(tmp_path: Path, where: str) -> None:
    """Whatever the range is that is asked for, and wherever the later one is."""
    head = open_head(tmp_path)
    write(head, [START + 1_000 * step for step in range(10, 50)], [1.0] * 40)
    head.close()
    assert len(block_names(tmp_path)) == 1
    head = open_head(tmp_path)
    write(head, [START + 1_000 * step for step in range(5, 45, 5)], [2.0] * 8)
    if where != "head":
        head.close()
        assert len(block_names(tmp_path)) == 2
        head = open_head(tmp_path)
    if where.startswith("joined"):
        settle(head)
        assert len(block_names(tmp_path)) == 1
    if where == "joined twice":
        write(head, [START, START + 5_000, START + 20_000], [3.0] * 3)
        head.close()
        head = open_head(tmp_path)
        settle(head)
        assert max(meta.level for meta in metas(tmp_path)) == 3
    with open_reader(tmp_path) as reader:
        for first in range(50):
            batch = reader.select([], START + 1_000 * first, START + 50_000)
            t_ms, values = batch.series(0)
            steps = (t_ms - START) // 1_000
            assert steps[steps >= 10].tolist() == list(range(max(first, 10), 50))
            assert set(values[steps >= 10].tolist()) == {1.0}
            assert set(values[(steps > 0) & (steps < 10)].tolist()) <= {2.0}
    head.close()


def test_a_hint_is_doubted_where_a_late_sample_came_before(tmp_path: Path) -> None:
    """The histogram after it went on from another one; those after that are as they were."""
    head = open_head(tmp_path)
    tables = [histogram(positive={0: float(step)}) for step in range(1, 5)]
    refs = np.repeat(head.refs(table(head, LABELS)), 4)
    # Two blocks: a minute each.
    t_ms = START + np.array([10_000, 20_000, 70_000, 80_000])
    extras = SampleExtras(HistogramColumn(stack(tables), np.arange(4)), None)
    head.append_loose(refs, t_ms, np.zeros(4), extras)
    head.commit()
    head.close()
    assert len(block_names(tmp_path)) == 2
    head = open_head(tmp_path)
    late = SampleExtras(HistogramColumn(histogram(positive={0: 9.0}), np.arange(1)), None)
    head.append_loose(refs[:1], np.array([START + 65_000]), np.zeros(1), late)
    head.commit()
    with open_reader(tmp_path) as reader:
        batch = reader.select([], *ALWAYS)
    assert batch.histograms is not None
    table_, index = batch.histograms.table, batch.histograms.index
    assert table_.positive.counts[table_.positive.offsets[index]].tolist() == [1, 2, 9, 3, 4]
    assert table_.hint[index].tolist() == [UNKNOWN, NOT_RESET, UNKNOWN, UNKNOWN, NOT_RESET]
    head.close()
