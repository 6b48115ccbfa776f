"""Exemplars: which are taken, that they survive, and that old ones make room."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from test_head_model import kill
from tsdb_model import match, table

from promlab.errors import StorageError
from promlab.model.labels import LabelTable, Symbols
from promlab.model.storage import ExemplarBatch, ExemplarOutcome
from promlab.tsdb.head import Head
from promlab.tsdb.open import open as open_reader
from promlab.tsdb.options import HeadOptions
from promlab.tsdb.reader import Reader

OPTIONS = HeadOptions(sync="never", max_exemplars=1000)
ALL = [[match("__name__", ".+", "=~")]]


@pytest.fixture
def head(tmp_path: Path):
    opened = Head.open(tmp_path, options=OPTIONS)
    yield opened
    opened.close()


def append(head: Head, *rows: tuple[str, int, float, dict[str, str]]) -> ExemplarOutcome:
    names = table(head, [{"__name__": name} for name, *_ in rows])
    t_ms = np.array([t for _, t, _, _ in rows], np.int64)
    values = np.array([v for _, _, v, _ in rows], np.float64)
    labels = LabelTable.from_dicts([labels for *_, labels in rows], Symbols())
    done = head.append_exemplars(ExemplarBatch(head.refs(names), t_ms, values, labels))
    head.commit()
    return done


def kept(reader: Reader, low: int = 0, high: int = 2**60) -> list[tuple[str, int, float, dict]]:
    return [
        (each.labels["__name__"], t, v, labels)
        for each in reader.exemplars(ALL, low, high)
        for labels, t, v in each.exemplars
    ]


def test_rules(head: Head, tmp_path: Path) -> None:
    a, b = {"trace_id": "a"}, {"trace_id": "b", "span": "x"}
    rows = [("m", 10, 1.0, a), ("n", 20, 1.0, b), ("m", 30, 0.5, b)]
    assert append(head, *rows) == ExemplarOutcome(appended=3)
    assert append(head, ("m", 30, 0.5, b)) == ExemplarOutcome(duplicate=1)
    assert append(head, ("m", 30, 0.4, b)) == ExemplarOutcome(out_of_order=1)
    assert append(head, ("m", 20, 9.0, b)) == ExemplarOutcome(out_of_order=1)
    assert append(head, ("m", 30, 0.6, b)) == ExemplarOutcome(appended=1)
    assert append(head, ("m", 40, 1.0, {"id": "x" * 127})) == ExemplarOutcome(too_long=1)
    assert append(head, ("m", 40, 1.0, {"id": "é" * 126})) == ExemplarOutcome(appended=1)
    wanted = [rows[0], rows[2], ("m", 30, 0.6, b), ("m", 40, 1.0, {"id": "é" * 126}), rows[1]]
    with open_reader(tmp_path) as reader:
        assert kept(reader) == wanted
        assert kept(reader, 20, 30) == [rows[2], ("m", 30, 0.6, b), rows[1]]
        assert reader.exemplars([[match("__name__", "o")]], 0, 2**60) == []
    assert all(head.symbols.find(text) is None for text in ("trace_id", "a", "b", "x"))


def test_one_batch_has_several_of_a_series(head: Head) -> None:
    rows = [("m", t, float(v), {}) for t, v in [(1, 1), (1, 2), (1, 2), (0, 5), (2, 0)]]
    assert append(head, *rows) == ExemplarOutcome(appended=3, duplicate=1, out_of_order=1)


def test_they_survive_a_kill_and_torn_files_are_cut(head: Head, tmp_path: Path) -> None:
    rows = [("m", t, 1.0, {"trace_id": str(t)}) for t in range(10)]
    append(head, *rows)
    append(head, ("m", 10, 1.0, {}))
    kill(head)
    file = tmp_path / "exemplars" / "00000001"
    file.write_bytes(file.read_bytes()[:-3])
    again = Head.open(tmp_path, options=OPTIONS)
    with open_reader(tmp_path) as reader:
        assert kept(reader) == rows
        assert append(again, ("m", 9, 1.0, {"trace_id": "9"})) == ExemplarOutcome(duplicate=1)
        assert append(again, ("m", 8, 1.0, {"trace_id": "8"})) == ExemplarOutcome(out_of_order=1)
        assert append(again, ("m", 10, 2.0, {})) == ExemplarOutcome(appended=1)
        assert kept(reader) == [*rows, ("m", 10, 2.0, {})]
    again.close()


def test_the_newest_are_kept(head: Head, tmp_path: Path) -> None:
    with open_reader(tmp_path) as reader:
        for first in range(0, 5000, 70):
            append(head, *[("m", t, 1.0, {}) for t in range(first, first + 70)])
            times = [t for _, t, _, _ in kept(reader)]
            end = first + 70
            assert times == list(range(max(0, end - 1000), end))
    assert len(list((tmp_path / "exemplars").iterdir())) <= 6


def test_none_are_kept_unless_asked_for(tmp_path: Path) -> None:
    head = Head.open(tmp_path, options=HeadOptions(sync="never"))
    assert append(head, ("m", 1, 1.0, {})) == ExemplarOutcome()
    assert not (tmp_path / "exemplars").exists()
    one = LabelTable(1, {}, Symbols())
    batch = ExemplarBatch(np.array([99], np.uint64), np.zeros(1, np.int64), np.ones(1), one)
    with pytest.raises(StorageError, match="never gave"):
        head.append_exemplars(batch)
    head.close()
