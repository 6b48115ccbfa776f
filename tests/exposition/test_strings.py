"""Escapes, and numbers as texts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promlab.exposition.strings import canonical_float, read_float, unescape


@given(st.text())
def test_unescape_undoes_escapes(text: str) -> None:
    escaped = text.replace("\\", "\\\\").replace("\n", "\\n")
    assert unescape(escaped, quotes=False) == text
    assert unescape(escaped.replace('"', '\\"')) == text


def test_what_is_no_escape_stays() -> None:
    assert unescape("\\q\\") == "\\q\\"
    assert unescape('\\"', quotes=False) == '\\"'


def test_read_float() -> None:
    assert read_float("1e3") == 1000
    assert read_float("-Inf") == float("-inf")
    with pytest.raises(ValueError, match="out of range"):
        read_float("1e400")


@given(st.floats(allow_nan=False))
def test_canonical_float_is_the_same_number_and_stays(value: float) -> None:
    text = canonical_float(repr(value))
    assert float(text) == value
    assert canonical_float(text) == text
    assert "." in text or "e" in text or "Inf" in text
