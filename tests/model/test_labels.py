from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from promlab.model.labels import LabelTable, Symbols

label_sets = st.lists(
    st.dictionaries(st.text(max_size=3), st.text(min_size=1, max_size=3), max_size=4), max_size=8
)


def test_empty_string_is_code_zero() -> None:
    symbols = Symbols()
    assert symbols.code("") == 0
    assert symbols.text(0) == ""
    assert symbols.find("absent") is None


@given(st.lists(st.text()))
def test_codes_and_texts_are_inverse(texts: list[str]) -> None:
    symbols = Symbols()
    assert symbols.texts(symbols.codes(texts)) == texts
    assert len(symbols) == len({"", *texts})


@given(st.lists(st.text()), st.lists(st.text()))
def test_overlay_adds_without_changing_what_lies_below(below: list[str], above: list[str]) -> None:
    symbols = Symbols(below)
    size = len(symbols)
    overlay = symbols.overlay()
    assert overlay.texts(overlay.codes(below + above)) == below + above
    assert len(symbols) == size
    assert [overlay.find(text) for text in below] == [symbols.find(text) for text in below]


def test_overlay_sees_what_the_table_below_learns_later() -> None:
    symbols = Symbols()
    overlay = symbols.overlay()
    own = overlay.code("mine")
    symbols.code("mine")
    assert overlay.code("mine") == overlay.find("mine") == own
    code = symbols.code("later")
    assert overlay.text(code) == "later"
    assert overlay.text(own) == "mine"


@given(label_sets)
def test_rows_are_the_label_sets_given(rows: list[dict[str, str]]) -> None:
    table = LabelTable.from_dicts(rows, Symbols())
    assert list(table.rows()) == [dict(sorted(row.items())) for row in rows]


@given(label_sets)
def test_recode_keeps_label_sets(rows: list[dict[str, str]]) -> None:
    other = Symbols(["unrelated", "strings"])
    table = LabelTable.from_dicts(rows, Symbols()).recode(other)
    assert table.symbols is other
    assert list(table.rows()) == [dict(sorted(row.items())) for row in rows]


def test_take_keep_drop_replace() -> None:
    symbols = Symbols()
    table = LabelTable.from_dicts([{"a": "1", "b": "2"}, {"a": "3"}], symbols)
    assert list(table.take(np.array([1, 0])).rows()) == [{"a": "3"}, {"a": "1", "b": "2"}]
    assert list(table.keep(["a", "zz"]).rows()) == [{"a": "1"}, {"a": "3"}]
    assert list(table.drop(["a"]).rows()) == [{"b": "2"}, {}]
    replaced = table.replace("b", symbols.codes(["", "9"]))
    assert list(replaced.rows()) == [{"a": "1"}, {"a": "3", "b": "9"}]
    assert table.column("zz").tolist() == [0, 0]
