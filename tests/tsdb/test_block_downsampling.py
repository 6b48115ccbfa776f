"""Aggregates: what they are, when they are made, and which queries read them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from block_tools import metas, settle
from test_blocks import Writing
from tsdb_model import ALWAYS, as_dict, everything, match

from promlab.model.labels import LabelTable, Symbols
from promlab.model.samples import STALE_NAN, SeriesBatch, is_stale
from promlab.model.storage import SelectHints
from promlab.tsdb.blocks.downsample import AGGREGATES, aggregate_of, downsampled, usable
from promlab.tsdb.blocks.keeper import Policies
from promlab.tsdb.open import open as open_reader


def batch_of(*series: list[float]) -> SeriesBatch:
    rows = [{"__name__": "m", "i": str(i)} for i in range(len(series))]
    times = [np.arange(len(values)) * 10_000 + 5_000 * i for i, values in enumerate(series)]
    return SeriesBatch.from_series(LabelTable.from_dicts(rows, Symbols()), times, series)


@pytest.mark.parametrize("aggregate", AGGREGATES)
def test_aggregates(aggregate: str) -> None:
    dice = np.random.default_rng(1)
    series = [dice.integers(0, 99, n).astype(float).tolist() for n in (50, 1, 200)]
    series[0][7] = float("nan")
    batch = batch_of(*series)
    found = downsampled(batch, 60_000, aggregate)
    assert found.n == 3
    plain = {
        "min": np.nanmin, "max": np.nanmax, "sum": np.sum, "count": len,
        "last": lambda values: values[-1],
    }[aggregate]  # fmt: skip
    for i in range(3):
        t_ms, values = batch.series(i)
        got_t, got = found.series(i)
        for interval in np.unique(t_ms // 60_000).tolist():
            inside = t_ms // 60_000 == interval
            wanted = float(plain(values[inside]))
            at = np.flatnonzero(got_t == t_ms[inside][-1])
            assert len(at) == 1
            assert got[at[0]] == pytest.approx(wanted, nan_ok=True)
        if aggregate != "last":
            assert len(got) == len(np.unique(t_ms // 60_000))


def test_increases_over_last_are_those_over_all_samples() -> None:
    steps = np.random.default_rng(2).integers(0, 5, 400).astype(float)
    counter = np.cumsum(steps)
    counter[130:] -= counter[130]
    counter[131:] -= counter[131]
    counter[333:] -= counter[333]
    found = downsampled(batch_of(counter.tolist()), 300_000, "last")

    def increase(values: np.ndarray) -> float:  # type: ignore[type-arg]
        rises = np.diff(values)
        return float(np.where(rises < 0, values[1:], rises).sum())

    _, values = found.series(0)
    assert len(values) < 25
    assert increase(values) == increase(counter) - increase(counter[:1])


def test_markers_stay_beside_last() -> None:
    values = [float(i) for i in range(40)]
    values[15] = STALE_NAN
    batch = batch_of(values)
    bits = batch.values.copy()
    bits.view(np.uint64)[15] = 0x7FF0000000000002
    batch = batch._replace(values=bits)
    _, found = downsampled(batch, 300_000, "last").series(0)
    assert is_stale(found).sum() == 1
    assert 14.0 in found
    _, counts = downsampled(batch, 10**9, "count").series(0)
    assert counts.tolist() == [39.0]


def test_which_queries_use_them() -> None:
    assert usable("max_over_time", 60_000, 3_600_000, 300_000) == "max"
    assert usable("rate", 60_000, 3_600_000, 300_000) == "last"
    assert usable("max_over_time", 60_000, 600_000, 300_000) == ""
    assert usable("quantile_over_time", 60_000, 10**9, 300_000) == ""
    assert usable("", 300_000, 0, 300_000) == "last"
    assert usable("", 60_000, 0, 300_000) == ""
    assert usable("", 3_600_000, 0, 3_600_000) == ""


def test_made_and_read(tmp_path: Path) -> None:
    writing = Writing(tmp_path)
    keeper = writing.head.blocks
    assert keeper is not None
    keeper.policies = Policies(downsampling=((10_000, 200_000, 0),))
    writing.scrape(1, 450)
    writing.scrape(451, 450)
    settle(writing.head)
    raw = [meta for meta in metas(tmp_path) if not meta.resolution_ms]
    found = {aggregate_of(meta) for meta in metas(tmp_path) if meta.resolution_ms == 10_000}
    assert found == set(AGGREGATES)
    hints = SelectHints(60_000, 120_000, "max_over_time")
    name = [match("__name__", "m1"), match("instance", "a"), match("n", "1")]
    with open_reader(tmp_path) as reader:
        assert everything(reader) == writing.wanted()
        all_samples = reader.select(name, *ALWAYS)
        few = reader.select(name, *ALWAYS, hints)
        assert few.sample_count < all_samples.sample_count / 2
        for end in range(200_000, 900_000, 50_000):
            t_all, values = all_samples.series(0)
            t_few, maxima = few.series(0)
            low = (end - 120_000) // 10_000 * 10_000 - 1  # whole intervals
            inside = values[(t_all > low) & (t_all <= end // 10_000 * 10_000 - 1)]
            some = maxima[(t_few > low) & (t_few <= end // 10_000 * 10_000 - 1)]
            assert inside.max() == some.max()
        # What is left when the samples are gone.
        keeper.policies = replace(keeper.policies, downsampling=((10_000, 200_000, 10**9),))
        keeper.limits = replace(keeper.limits, retention_s=300.0)
        settle(writing.head)
        gone = {meta.ulid for meta in raw} - {meta.ulid for meta in metas(tmp_path)}
        assert gone
        left = as_dict(reader.select(name, *ALWAYS))
        (samples,) = left.values()
        assert samples[0][0] < 15_000
        assert {t for t, _ in samples} <= set(all_samples.t_ms.tolist())
    writing.head.close()


def test_kept_for_less_time(tmp_path: Path) -> None:
    writing = Writing(tmp_path)
    keeper = writing.head.blocks
    assert keeper is not None
    writing.scrape(1, 300)
    writing.scrape(301, 300)
    keeper.policies = Policies(shorter=(([["__name__", "=", "m1"]], 100_000),))
    settle(writing.head)
    with open_reader(tmp_path) as reader:
        found = everything(reader)
    for key, samples in writing.wanted().items():
        if dict(key)["__name__"] == "m1":
            samples = [(t, bits) for t, bits in samples if t > 500_000]
        assert found[key] == samples
    writing.head.close()
