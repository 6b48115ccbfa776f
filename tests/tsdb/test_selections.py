"""What indexes remember of selections is bounded, and stays right."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from block_tools import settle
from test_blocks import Writing
from tsdb_model import ALWAYS, as_dict, match

from promlab.model.matchers import Matcher
from promlab.tsdb import head_and_blocks, index
from promlab.tsdb.index import SeriesIndex
from promlab.tsdb.open import open as open_reader
from promlab.tsdb.selections import Selection, Selections, rows_of_block, rows_of_head


def selection(rows: int) -> Selection:
    return Selection(np.zeros(rows, np.int64), rows)


def key(i: int) -> tuple[Matcher, ...]:
    return (match("n", str(i), "!="),)


@pytest.mark.parametrize("most", [rows_of_head, rows_of_block])
@pytest.mark.parametrize("series", [0, 100, 1_000_000])
def test_rows_are_bounded(most: object, series: int) -> None:
    assert callable(most)
    kept = Selections(most)
    for i in range(3_000):
        kept.keep(key(i), selection(series), series)
        kept.keep(key(i), selection(series + 1), series + 1)  # it has grown
        assert kept.rows <= most(series + 1)
        assert kept.get(key(i)) is not None
    assert kept.get(key(0)) is None
    assert kept.rows >= most(series) / 4


def test_one_that_is_too_large_stays_alone() -> None:
    kept = Selections(lambda series: 10)
    kept.keep(key(1), selection(5), 5)
    kept.keep(key(2), selection(500), 500)
    assert kept.get(key(1)) is None
    assert kept.get(key(2)) is not None


def test_those_in_use_stay() -> None:
    kept = Selections(lambda series: 1_000)
    for i in range(100):
        kept.keep(key(i), selection(100), 100)
        assert kept.get(key(0)) is not None


def test_verdicts_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "VERDICT_BYTES", 10_000)
    found = SeriesIndex()
    texts = [f"text{i}" for i in range(500)]
    codes = found.symbols.codes(texts).astype(np.uint32)
    found.add(500, np.array([found.symbols.code("n")], np.uint32), [codes])
    for i in range(100):
        chosen = found.select([match("n", f"text{i}|text7", "=~")])
        assert len(chosen.series) == (1 if i == 7 else 2)
        assert found.verdicts.size <= 10_000


def test_unions_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(head_and_blocks, "_UNION_ROWS", 2_000)
    writing = Writing(tmp_path)
    writing.scrape(1, 300)
    settle(writing.head)
    with open_reader(tmp_path) as reader:
        for i in range(50):
            matchers = [match("n", f"{i}x", "!=")]
            assert as_dict(reader.gathered(matchers, *ALWAYS).whole()) == writing.wanted()
            assert reader._unions.size <= 2_000
        assert reader._unions.size
    writing.head.close()
