from __future__ import annotations

import math

import numpy as np

from promlab.model.labels import LabelTable, Symbols
from promlab.model.samples import STALE_NAN, SeriesBatch, is_stale, stale_values


def test_marker_is_a_nan_that_is_told_from_others() -> None:
    values = np.array([1.0, np.nan, STALE_NAN, np.inf])
    assert is_stale(values).tolist() == [False, False, True, False]
    assert math.isnan(STALE_NAN)
    assert is_stale(stale_values(3)).all()


def test_batch_gives_each_series_its_samples() -> None:
    labels = LabelTable.from_dicts([{"a": "1"}, {"a": "2"}, {"a": "3"}], Symbols())
    batch = SeriesBatch.from_series(labels, [[1, 2], [], [5]], [[10, 20], [], [50]])
    assert (batch.n, batch.sample_count) == (3, 3)
    assert [tuple(map(list, batch.series(s))) for s in range(3)] == [
        ([1, 2], [10.0, 20.0]),
        ([], []),
        ([5], [50.0]),
    ]


def test_series_may_share_their_times() -> None:
    labels = LabelTable.from_dicts([{"a": "1"}, {"a": "2"}], Symbols())
    batch = SeriesBatch(
        labels,
        offsets=np.array([0, 2, 4]),
        times_at=np.array([0, 0]),
        t_ms=np.array([1, 2]),
        values=np.array([1.0, 2.0, 3.0, 4.0]),
    )
    assert [list(batch.series(1)[0]), list(batch.series(1)[1])] == [[1, 2], [3.0, 4.0]]


def test_empty() -> None:
    batch = SeriesBatch.empty(Symbols())
    assert (batch.n, batch.sample_count) == (0, 0)
