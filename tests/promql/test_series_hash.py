"""XXH64 by known values, and label sets by what their order and length must not change."""

from __future__ import annotations

import pytest

from promlab.model.labels import LabelTable, Symbols
from promlab.promql.series_hash import label_set_hash, xxh64


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        (b"", 0xEF46DB3751D8E999),
        (b"a", 0xD24EC4F1A98C6E5B),
        (b"abc", 0x44BC2CF5AD770999),
        (b"Nobody inspects the spammish repetition", 0xFBCEA83C8A378BF1),
    ],
)
def test_known_values(data: bytes, wanted: int) -> None:
    assert xxh64(data) == wanted


def test_label_sets() -> None:
    rows = [{"b": "2", "a": "1"}, {"a": "1", "b": "2", "c": ""}, {"a": "12", "b": ""}]
    table = LabelTable.from_dicts(rows, Symbols())
    hashes = [label_set_hash(table, row) for row in range(3)]
    assert hashes[0] == hashes[1] == xxh64(b"\x01a\x011\x01b\x012")
    assert hashes[2] == xxh64(b"\x01a\x0212")
    long = LabelTable.from_dicts([{"a": "x" * 300}], Symbols())
    assert label_set_hash(long, 0) == xxh64(b"\x01a\xff\x2c\x01\x00" + b"x" * 300)
