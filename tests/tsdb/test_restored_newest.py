"""What a head that opens again knows of each series' newest sample, wherever that is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from block_tools import in_process, settle
from made_histograms import histogram, stack
from test_head_model import kill
from tsdb_model import ALWAYS, match, table

from promlab.model.histograms import HistogramColumn
from promlab.model.samples import Values
from promlab.model.storage import NO_EXTRAS, AppendOutcome, SampleExtras
from promlab.tsdb.blocks.catalog import block_names
from promlab.tsdb.head import Head
from promlab.tsdb.open import open as open_reader
from promlab.tsdb.options import HeadOptions

WINDOW_MS = 100_000
OPTIONS = HeadOptions(
    sync="never",
    segment_bytes=500,
    wal_bytes=2_000,
    window_s=WINDOW_MS / 1000,
    late_window_s=1_000.0,
    retention_s=0.0,
)
LABELS = [{"__name__": f"m{i}", "instance": "a"} for i in range(6)]
START = 1_000_000
ENDS = pytest.mark.parametrize("end", ["closed", "killed"])
PLAIN = np.arange(6.0)


def leave(head: Head, end: str) -> None:
    head.commit()
    if end == "closed":
        head.close()
    else:
        kill(head)


def scrape(
    head: Head, t_ms: int, width: int, values: Values = PLAIN, extras: SampleExtras = NO_EXTRAS
) -> AppendOutcome:
    """A row of the first series."""
    group = head.open_group({"instance": "a"})
    slots = group.slots(table(head, LABELS[:width]))
    done = group.append(t_ms, slots, values[:width], extras)
    group.close()  # the next row goes on with it
    return done


def scrape_fewer(head: Head, width: int) -> None:
    """More rows than a group holds, and than the log keeps, of a target that lost series."""
    for _ in range(70):
        scrape(head, head.max_time + 250, width)
        head.commit()


def write(head: Head, t_ms: int, values: Values, extras: SampleExtras = NO_EXTRAS) -> AppendOutcome:
    """A sample of each of the last series, which fewer scrapes have."""
    refs = head.refs(table(head, LABELS[-len(values) :]))
    return head.append_loose(refs, np.full(len(values), t_ms), values, extras)


@ENDS
@pytest.mark.parametrize("widths", [[4], [4, 3]], ids=["once", "twice"])
@pytest.mark.parametrize("late_s", [0.0, 1_000.0], ids=["in order", "late"])
@pytest.mark.parametrize("more_files", [False, True], ids=["one file", "files"])
def test_series_that_the_newest_chunk_lacks(
    tmp_path: Path, end: str, widths: list[int], late_s: float, more_files: bool
) -> None:
    options = replace(OPTIONS, late_window_s=late_s)
    head = Head.open(tmp_path, options=options)
    scrape(head, START, 6)
    head.close()
    for width in widths:
        head = Head.open(tmp_path, options=options)
        if more_files:
            head.end_files()
        scrape_fewer(head, width)
        leave(head, end)
    head = Head.open(tmp_path, options=options)
    assert START < head.max_time < START + WINDOW_MS
    assert head.stats().min_time == START
    assert write(head, START, np.array([4.0, -5.0])) == AppendOutcome(duplicate=1)
    before = write(head, START - 1, np.zeros(2))
    assert before == (AppendOutcome(appended=2) if late_s else AppendOutcome(out_of_order=2))
    assert write(head, START + 1, np.zeros(2)) == AppendOutcome(appended=2)
    head.close()


def test_what_is_too_old_to_be_repeated_may_be_forgotten(tmp_path: Path) -> None:
    """Then it is as it was: late, or too old."""
    for late_s, outcome in ((0.0, AppendOutcome(too_old=2)), (1e6, AppendOutcome(appended=2))):
        options = replace(OPTIONS, late_window_s=late_s)
        head = Head.open(tmp_path / str(late_s), options=options)
        scrape(head, START, 6)
        head.close()
        head = Head.open(tmp_path / str(late_s), options=options)
        scrape(head, START + WINDOW_MS + 1, 4)
        head.close()
        head = Head.open(tmp_path / str(late_s), options=options)
        assert write(head, START, np.zeros(2)) == outcome
        head.close()
        with open_reader(tmp_path / str(late_s)) as reader:
            batch = reader.select([match("__name__", "m5")], *ALWAYS)
            assert batch.series(0)[1].tolist() == [5.0]


@ENDS
def test_series_of_rings(tmp_path: Path, end: str) -> None:
    """Rings that got nothing in a server's life, while others and late ones did."""
    head = Head.open(tmp_path, options=OPTIONS)
    write(head, START, PLAIN[4:])
    leave(head, end)
    for life in range(2):
        head = Head.open(tmp_path, options=OPTIONS)
        head.end_files()
        others = head.refs(table(head, LABELS[:3]))
        for step in range(200):
            head.append_loose(others, np.full(3, START + 200 * life + step), np.zeros(3))
            write(head, START - 1 - step, np.zeros(2))  # late
            head.commit()
        leave(head, end)
    head = Head.open(tmp_path, options=OPTIONS)
    assert write(head, START, np.array([4.0, -5.0])) == AppendOutcome(duplicate=1)
    head.close()


@ENDS
def test_head_that_is_cut_meanwhile(tmp_path: Path, end: str) -> None:
    """Blocks take what is too old to be repeated; the rest is known, from chunks or from what a
    head keeps that leaves nothing but blocks."""
    options = replace(OPTIONS, block_s=30.0, max_block_s=270.0, settle_bytes=1)
    head = in_process(Head.open(tmp_path, options=options))
    for step in range(200):
        scrape(head, START + 1_000 * step, 6)
    settle(head)
    newest = head.max_time
    leave(head, end)
    for width in (4, 3):
        head = in_process(Head.open(tmp_path, options=options))
        scrape_fewer(head, width)
        settle(head)
        leave(head, end)
    assert block_names(tmp_path)
    head = in_process(Head.open(tmp_path, options=options))
    assert newest < head.max_time < newest + WINDOW_MS
    assert write(head, newest, np.array([4.0, -5.0])) == AppendOutcome(duplicate=1)
    head.close()


@ENDS
def test_histograms_and_start_times(tmp_path: Path, end: str) -> None:
    """A histogram that comes again is known by what it is; start times come but once."""
    tables = stack([histogram(positive={0: 3.0, i: 2.0}) for i in range(1, 7)])
    extras = SampleExtras(HistogramColumn(tables, np.arange(6)), np.full(6, START - 500))
    head = Head.open(tmp_path, options=OPTIONS)
    scrape(head, START, 6, np.zeros(6), extras)
    head.close()
    for width in (4, 3):
        head = Head.open(tmp_path, options=OPTIONS)
        scrape_fewer(head, width)
        leave(head, end)
    head = Head.open(tmp_path, options=OPTIONS)
    again = stack([histogram(positive={0: 3.0, 5: 2.0}), histogram(positive={0: 3.0, 6: 1.0})])
    repeat = SampleExtras(HistogramColumn(again, np.arange(2)), np.full(2, START - 400))
    series = head.stats().series
    assert write(head, START, np.zeros(2), repeat) == AppendOutcome(duplicate=1)
    assert head.stats().series == series
    head.commit()
    with open_reader(tmp_path) as reader:
        batch = reader.select([match("__name__", "m5")], *ALWAYS)
        assert batch.series(0)[0].tolist() == [START]
        assert batch.start_ms is not None
        assert batch.start_ms.tolist() == [START - 500]
        assert batch.histograms is not None
        assert batch.histograms.table.positive.counts.tolist() == [3.0, 2.0]
    head.close()
