"""Distinct slices against a dict, duplicates against sets."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from promlab.exposition.body_parser import BodyParser
from promlab.exposition.label_columns import distinct_slices
from promlab.model.labels import Symbols


@settings(deadline=None)
@given(st.lists(st.binary(max_size=70) | st.sampled_from([b"", b"a", b"ab"]), max_size=50))
def test_distinct_slices_are_those_of_a_dict(slices: list[bytes]) -> None:
    body = b"".join(slices) + b"\n"
    ends = np.cumsum([len(some) for some in slices]).astype(np.int32)
    starts = (ends - [len(some) for some in slices]).astype(np.int32)
    ids, firsts = distinct_slices(body, starts, ends)
    known: dict[bytes, int] = {}
    assert ids.tolist() == [known.setdefault(some, len(known)) for some in slices]
    assert [slices[first] for first in firsts.tolist()] == list(known)


def test_many_distinct_slices_grow_the_table() -> None:
    texts = [b"%d" % i for i in range(30_000)]
    ends = np.cumsum([len(text) for text in texts]).astype(np.int32)
    starts = (ends - [len(text) for text in texts]).astype(np.int32)
    ids, firsts = distinct_slices(b"".join(texts) + b"\n", starts, ends)
    assert ids.tolist() == firsts.tolist() == list(range(30_000))


labels = st.dictionaries(st.sampled_from("abc"), st.sampled_from(["", "x", "y"]))


@settings(deadline=None)
@given(st.lists(labels, min_size=1, max_size=12))
def test_duplicates_are_equal_label_sets(rows: list[dict[str, str]]) -> None:
    lines = ("m{" + ",".join(f'{k}="{v}"' for k, v in row.items()) + "} 1\n" for row in rows)
    layout = BodyParser(Symbols()).parse("".join(lines).encode()).layout
    first: dict[tuple[tuple[str, str], ...], int] = {}
    wanted = []
    for i, row in enumerate(rows):
        key = tuple(sorted((k, v) for k, v in row.items() if v))
        if first.setdefault(key, i) != i:
            wanted.append((i, first[key]))
    found = zip(layout.duplicate_rows.tolist(), layout.duplicate_of.tolist(), strict=True)
    assert list(found) == wanted
