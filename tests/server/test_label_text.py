"""Labels as JSON: the same whether a table is new or was printed before."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promlab.model.labels import LabelTable, Symbols
from promlab.server import label_text as module
from promlab.server.json_answer import encode_series
from promlab.server.json_kernels import join_labels
from promlab.server.label_text import LabelText

LABELS = st.dictionaries(
    st.sampled_from(["__name__", "job", "é", 'a"b', "le"]), st.text(max_size=20), max_size=4
)


def printed(table: LabelTable, text: LabelText) -> list[dict[str, str]]:
    return json.loads(b"".join(encode_series(table, text)))["data"]


@settings(max_examples=60, deadline=None)
@given(st.lists(LABELS, max_size=12))
def test_labels_are_the_same_each_time(rows: list[dict[str, str]]) -> None:
    table = LabelTable.from_dicts(rows, Symbols())
    text = LabelText(table.symbols)
    answers = [b"".join(encode_series(table, text)) for _ in range(4)]
    assert json.loads(answers[0])["data"] == list(table.rows())
    assert len(set(answers)) == 1


def test_what_a_query_makes_up_is_not_kept() -> None:
    stored = LabelTable.from_dicts([{"a": "1"}, {"a": "2"}], Symbols())
    text = LabelText(stored.symbols)
    for number in range(5):
        overlay = stored.symbols.overlay()
        made = stored.replace("b", overlay.codes([f"x{number}", "y"]))
        made = LabelTable(made.n, made.columns, overlay)
        for _ in range(3):
            assert printed(made, text) == [{"a": "1", "b": f"x{number}"}, {"a": "2", "b": "y"}]
        assert printed(stored, text) == [{"a": "1"}, {"a": "2"}]


def test_tables_are_forgotten_when_they_take_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_KEEP_TABLE_BYTES", 50_000)
    symbols = Symbols()
    text = LabelText(symbols)
    tables = [
        LabelTable.from_dicts([{"a": f"{i}-{k}"} for k in range(50)], symbols) for i in range(40)
    ]
    for _ in range(3):
        for table in tables:
            assert printed(table, text) == list(table.rows())
    assert 0 < text._table_bytes <= 50_000
    assert text._table_bytes == sum(module._bytes_of(*each) for each in text._tables.values())
    assert len(text._tables) < len(tables)


@given(st.lists(st.lists(st.integers(0, 5), max_size=4), max_size=8))
def test_joined_pieces(rows: list[list[int]]) -> None:
    texts = [b"", b'"a":"1"', b'"b":""', b"x" * 300, b"", b'"c":"2"']
    arena = np.frombuffer(b"".join(texts), np.uint8)
    offsets = np.cumsum([0, *map(len, texts)])
    width = max(map(len, rows), default=0)
    pieces = np.array([row + [0] * (width - len(row)) for row in rows], np.int64)
    pieces = pieces.reshape(len(rows), width)
    out, ends = np.empty(8 * 4 * 302, np.uint8), np.empty(len(rows) + 1, np.int64)
    join_labels(pieces, arena, offsets, out, ends)
    found = [out[a:b].tobytes() for a, b in pairwise(ends)]
    assert found == [b",".join(texts[piece] for piece in row if texts[piece]) for row in rows]
