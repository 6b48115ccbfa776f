"""Few series, read in one call: the same as many are, or left to the way of those."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from block_tools import settle
from made_histograms import histogram, stack
from test_blocks import Writing
from tsdb_model import ALWAYS, as_dict, match, table

from promlab.model.histograms import HistogramColumn
from promlab.model.samples import SeriesBatch
from promlab.model.storage import NO_EXTRAS, NO_HINTS, SampleExtras, SelectHints
from promlab.tsdb import few_kernels
from promlab.tsdb import reader as reader_module
from promlab.tsdb.data import DataReader
from promlab.tsdb.few import all_alive, read_few
from promlab.tsdb.head import Head
from promlab.tsdb.head_kernels import CAP
from promlab.tsdb.open import open as open_reader
from promlab.tsdb.options import HeadOptions

FOREVER = HeadOptions(sync="never", chunk_file_bytes=20_000)


def append(head: Head, n: int, t_ms: int, extras: SampleExtras = NO_EXTRAS) -> None:
    """A sample of each of the first n series."""
    rows = [{"__name__": "a", "n": str(i)} for i in range(n)]
    refs = head.refs(table(head, rows))
    head.append_loose(refs, np.full(n, t_ms), np.full(n, float(t_ms)), extras)
    head.commit()


def few(reader: DataReader, hints: SelectHints = NO_HINTS) -> SeriesBatch | None:
    """All series of the head, if they are few."""
    reader.select([], *ALWAYS)  # files that have grown are mapped anew
    mapped = reader._fresh()
    return read_few(mapped, mapped.index.select([]), *ALWAYS, hints)


@pytest.mark.parametrize("newest", [False, True])
@pytest.mark.parametrize(("start", "end"), [ALWAYS, (30_000, 41_000), (59_500, 10**9), (0, 1)])
def test_the_same_as_gathered(tmp_path: Path, start: int, end: int, newest: bool) -> None:
    writing = Writing(tmp_path, child=True)
    writing.scrape(1, 50)
    writing.loose(range(1_000, 51_000, 300))
    writing.loose(range(700, 40_000, 700))  # late ones
    writing.head.commit()
    hints = SelectHints(newest=newest)
    with open_reader(tmp_path) as reader:
        for matchers in ([], [match("n", "[57]", "=~")], [match("n", "4")], [match("n", "x")]):
            wanted = reader.gathered(matchers, start, end, hints).whole()
            found = reader.tiles(matchers, start, end, hints).whole()
            assert as_dict(found) == as_dict(wanted)
            assert found.labels.symbols is wanted.labels.symbols
        whole = reader.select([match("n", "4")], *ALWAYS)
        assert whole.labels is reader.select([match("n", "4")], *ALWAYS).labels
    writing.head.close()


def test_what_blocks_have_is_gathered(tmp_path: Path) -> None:
    writing = Writing(tmp_path)
    writing.scrape(1, 310)
    settle(writing.head)
    with open_reader(tmp_path) as reader:
        assert as_dict(reader.select([match("n", "8")], 0, 10**9)) == {
            key: sorted(samples.items())
            for key, samples in writing.model.items()
            if ("n", "8") in key
        }
    writing.head.close()


def test_only_so_many_and_plain_ones(tmp_path: Path) -> None:
    head = Head.open(tmp_path, options=FOREVER)
    with open_reader(tmp_path) as reader:
        append(head, few_kernels.PLACES, 1_000)
        found = few(reader)
        assert found is not None
        assert found.n == few_kernels.PLACES
        assert few(reader, SelectHints(max_samples=few_kernels.PLACES - 1)) is None
        append(head, few_kernels.PLACES + 1, 2_000)
        assert few(reader) is None
        assert reader.select([], *ALWAYS).n == few_kernels.PLACES + 1
    head.close()


def test_too_many_samples_are_gathered(tmp_path: Path) -> None:
    head = Head.open(tmp_path, options=FOREVER)
    times = range(few_kernels.ROWS // 200 + 2)
    for t_ms in times:
        append(head, 200, t_ms)
    with open_reader(tmp_path) as reader:
        assert few(reader) is None
        assert reader.select([], *ALWAYS).sample_count == 200 * len(times)
        assert reader.select([match("n", "1")], *ALWAYS).values.tolist() == list(times)
    head.close()


def test_histograms_and_start_times_are_gathered(tmp_path: Path) -> None:
    head = Head.open(tmp_path, options=FOREVER)
    made = HistogramColumn(stack([histogram(positive={0: 3.0})]), np.zeros(1, np.int64))
    with open_reader(tmp_path) as reader:
        append(head, 1, 1_000)
        assert few(reader) is not None
        append(head, 1, 2_000, SampleExtras(start_ms=np.full(1, 500)))
        assert few(reader) is None
        assert reader.select([], *ALWAYS).start_ms is not None
        append(head, 1, 3_000, SampleExtras(made))
        assert few(reader) is None
        assert reader.select([], *ALWAYS).histograms is not None
    head.close()


@pytest.mark.parametrize("always", [False, True])
@pytest.mark.parametrize(
    ("home", "name"),
    [
        (few_kernels, "read_few"),
        (few_kernels, "newest_few"),
        (few_kernels, "all_live"),
        (reader_module, "alive"),
    ],
)
def test_samples_that_are_sealed_before_a_kernel_looks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: ModuleType, name: str, always: bool
) -> None:
    kernel, times = getattr(home, name), iter(range(1_000, 100_000_000, 1_000))
    calls = 0
    with closing(Head.open(tmp_path, options=FOREVER)) as head, open_reader(tmp_path) as reader:

        def amid_sealing(*arguments: Any) -> Any:
            nonlocal calls
            calls += 1
            if always or calls == 1:
                for _ in range(CAP):  # more than a ring takes
                    append(head, 1, next(times))
            return kernel(*arguments)

        for _ in range(2 * CAP):  # the file of chunks is there
            append(head, 1, next(times))
        sealed, until = (CAP + 1) * 1_000, 2 * CAP * 1_000
        os.utime(tmp_path, (1, 1))  # nothing came or went there a moment ago
        assert few(reader) is not None
        if home is reader_module:  # let the shorter way say nothing
            monkeypatch.setattr(few_kernels, "all_live", lambda *_: -1)
        monkeypatch.setattr(home, name, amid_sealing)
        if name in ("alive", "all_live"):
            assert reader.label_values("n", [], sealed + 1, until) == ["0"]
            assert reader.series([], sealed + 1, until).n == 1
        else:
            found = reader.select([], 0, until, SelectHints(newest=name == "newest_few"))
            first = until if name == "newest_few" else 1_000
            assert found.t_ms.tolist() == list(range(first, until + 1, 1_000))
    assert calls


@pytest.mark.parametrize("start", [0, 20_000, 39_000, 41_000, 52_000, 60_000, 10**9])
def test_all_alive_as_one_by_one(tmp_path: Path, start: int) -> None:
    writing = Writing(tmp_path, child=True)
    writing.scrape(1, 50)
    writing.loose(range(1_000, 51_000, 300))
    writing.loose(range(700, 40_000, 700))  # late ones
    writing.head.commit()
    with open_reader(tmp_path) as reader:
        for end in (start, start + 500, start + 10**6):
            reader.select([], start, end)
            mapped = reader._fresh()
            selection = mapped.index.select([])
            one_by_one = reader._looker(mapped, mapped.index.plan(selection), start, end)
            rows = np.arange(len(selection.series))
            seen = one_by_one(rows)
            for some in (rows, rows[seen], rows[~seen], *rows.reshape(-1, 1)):
                assert all_alive(mapped, selection, some, start, end) == seen[some].all()
    writing.head.close()


def test_values_of_labels(tmp_path: Path) -> None:
    head = Head.open(tmp_path, options=FOREVER)
    with open_reader(tmp_path) as reader:
        append(head, 3, 1_000)
        assert reader.label_values("n", [], 0, 5_000) == ["0", "1", "2"]
        append(head, 1, 100_000)
        assert reader.label_values("n", [], 0, 5_000) == ["0", "1", "2"]
        assert reader.label_values("n", [], 5_000, 100_000) == ["0"]
        assert reader.label_values("n", [match("n", "2")], 5_000, 100_000) == []
        assert reader.label_values("x", [], 0, 100_000) == []
    head.close()
