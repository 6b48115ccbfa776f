"""What a storage engine must do, as plain dicts; and helpers to compare with it."""

from __future__ import annotations

import numpy as np

from promlab.model.labels import LabelTable
from promlab.model.matchers import Matcher, MatchType
from promlab.model.samples import SeriesBatch
from promlab.tsdb.head import Head
from promlab.tsdb.reader import Reader

ALWAYS = (-(2**62), 2**62)
Key = tuple[tuple[str, str], ...]


def bits_of(value: float) -> int:
    return int(np.array([value]).view(np.uint64)[0])


def key_of(labels: dict[str, str]) -> Key:
    return tuple(sorted(labels.items()))


def match(name: str, value: str, kind: str = "=") -> Matcher:
    return Matcher(name, MatchType(kind), value)


def table(head: Head, rows: list[dict[str, str]]) -> LabelTable:
    return LabelTable.from_dicts(rows, head.symbols)


def as_dict(batch: SeriesBatch) -> dict[Key, list[tuple[int, int]]]:
    """Series to (time, bits of the value); checks the batch's invariants."""
    assert len(batch.offsets) == batch.n + 1
    assert len(batch.times_at) == batch.n
    found: dict[Key, list[tuple[int, int]]] = {}
    for i, labels in enumerate(batch.labels.rows()):
        t_ms, values = batch.series(i)
        assert len(t_ms) == len(values) > 0
        assert (np.diff(t_ms) > 0).all()
        key = key_of(labels)
        assert key not in found
        found[key] = list(zip(t_ms.tolist(), values.view(np.uint64).tolist(), strict=True))
    return found


def everything(reader: Reader) -> dict[Key, list[tuple[int, int]]]:
    return as_dict(reader.select([], *ALWAYS))
