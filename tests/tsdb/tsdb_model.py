"""What a storage engine must do, as plain dicts; and helpers to compare with it."""

from __future__ import annotations

import numpy as np

from promlab.model.labels import LabelTable
from promlab.model.matchers import Matcher, MatchType
from promlab.model.samples import SeriesBatch
from promlab.model.storage import SelectHints
from promlab.tsdb.data import DataReader
from promlab.tsdb.head import Head

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


def everything(reader: DataReader) -> dict[Key, list[tuple[int, int]]]:
    """All samples; those that are gathered are the same, whole or tile by tile."""
    found = as_dict(reader.select([], *ALWAYS))
    assert as_dict(reader.gathered([], *ALWAYS).whole()) == found
    for size in (1, 7):
        tiled = tile_by_tile(reader, [], *ALWAYS, size)
        assert tiled is None or tiled == found
    assert newest(reader, [], *ALWAYS) == last_of(found)
    return found


def newest(
    reader: DataReader, matchers: list[Matcher], start: int, end: int
) -> dict[Key, list[tuple[int, int]]]:
    """The newest sample of each series, asked for alone: blocks may give more."""
    return last_of(as_dict(reader.select(matchers, start, end, SelectHints(newest=True))))


def last_of(found: dict[Key, list[tuple[int, int]]]) -> dict[Key, list[tuple[int, int]]]:
    return {key: samples[-1:] for key, samples in found.items()}


def tile_by_tile(
    reader: DataReader, matchers: list[Matcher], start: int, end: int, size: int
) -> dict[Key, list[tuple[int, int]]] | None:
    """Samples read from tiles of so many series by two readers; None if tiles are refused."""
    series = reader.gathered(matchers, start, end)
    n = series.labels.n
    edges = np.append(np.arange(0, n, size), n).astype(np.int64)
    readers = series.open(edges, 2)
    found: dict[Key, list[tuple[int, int]]] = {}
    for number in range(len(edges) - 1):
        tile = readers[number % 2](number)
        if tile is None:
            return None
        first, last = int(edges[number]), int(edges[number + 1])
        assert len(tile.offsets) == tile.n + 1 == last - first + 1
        assert tile.sample_count <= series.most_at[last] - series.most_at[first]
        for i in range(tile.n):
            low, high = int(tile.offsets[i]), int(tile.offsets[i + 1])
            times = tile.t_ms[tile.times_at[i] :][: high - low]
            bits = tile.values[low:high].view(np.uint64)
            assert len(times) == len(bits) == high - low
            if high > low:
                key = key_of(series.labels.row(first + i))
                found[key] = list(zip(times.tolist(), bits.tolist(), strict=True))
    return found
