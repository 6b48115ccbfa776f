"""Stored samples as frames: open, scan, write_frame, and tools that read blocks without us."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pytest

import promlab
from promlab.errors import PromQLSyntaxError, StorageError
from promlab.stored import scanning
from promlab.tsdb import write_frame
from promlab.tsdb.blocks.catalog import block_names

START = 1_700_000_000_000 // 7_200_000 * 7_200_000
STEPS = 2_000  # of 15 s: a bit more than eight hours


def moments(first: int, steps: int) -> pl.Series:
    t_ms = START + 15_000 * np.arange(first, first + steps)
    return pl.Series("timestamp", t_ms).cast(pl.Datetime("ms", "UTC"))


def made() -> pl.DataFrame:
    parts = [
        pl.DataFrame(
            {
                "timestamp": moments(0, STEPS),
                "value": np.arange(STEPS) / scale,
                "__name__": "work_total",
                "job": job,
                "n": str(n),
            }
        )
        for job, scale in (("node", 4.0), ("app", 3.0))
        for n in range(3)
    ]
    parts[0] = parts[0].with_columns(pl.col("value").floor() * 4096)
    up = pl.DataFrame(
        {"timestamp": moments(100, 50), "value": 1.0, "__name__": "up", "job": "node"}
    )
    return pl.concat([*parts, up], how="diagonal")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data")
    frame = made()
    assert write_frame(path, frame.sample(fraction=1, shuffle=True, seed=1)) == len(frame)
    return path


def same(found: pl.DataFrame, wanted: pl.DataFrame) -> None:
    by = ["__name__", "job", "n", "timestamp"]
    columns = ["timestamp", "value", "__name__", "job", "n"]
    assert found.select(columns).sort(by).equals(wanted.select(columns).sort(by))


def test_frame_takes_a_selector(data: Path) -> None:
    with promlab.open(data) as reader:
        same(reader.frame(), made())
        found = reader.frame('work_total{job="node",n!="1"}', START, START + 60_000)
        assert found["n"].unique().sort().to_list() == ["0", "2"]
        assert len(found) == 10
        for wrong in ("up +", "rate(up[5m])", "up offset 5m"):
            with pytest.raises(PromQLSyntaxError):
                reader.frame(wrong)


def test_scan(data: Path) -> None:
    lazy = promlab.scan(data, '{job="node"}')
    assert lazy.collect_schema().names() == ["timestamp", "value", "__name__", "job", "n"]
    wanted = made().filter(pl.col("job") == "node")
    same(lazy.collect(), wanted)
    narrow = pl.col("timestamp").is_between(
        datetime.fromtimestamp(START / 1000 + 1500, UTC),
        datetime.fromtimestamp(START / 1000 + 3000, UTC),
    ) & (pl.col("n") == "2")
    same(promlab.scan(data).filter(narrow).collect(), made().filter(narrow))
    total = promlab.scan(data).group_by("job").agg(pl.col("value").sum()).sort("job").collect()
    assert total.equals(made().group_by("job").agg(pl.col("value").sum()).sort("job"))
    assert len(promlab.scan(data).head(7).collect()) == 7
    assert promlab.scan(data, "up").select("value").collect().to_dict(as_series=False) == {
        "value": [1.0] * 50
    }
    assert len(promlab.scan(data, "nothing").collect()) == 0
    with pytest.raises(StorageError):
        promlab.scan(data / "nowhere")


def test_conditions_reach_storage(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    original = scanning._frames

    def frames(reader: object, narrow: scanning._Narrow, schema: pl.Schema) -> object:
        asked.append(narrow)
        return original(reader, narrow, schema)  # type: ignore[arg-type]

    monkeypatch.setattr(scanning, "_frames", frames)
    moment = datetime.fromtimestamp(START / 1000 + 60, UTC)
    query = promlab.scan(data, "work_total").filter(
        (pl.col("timestamp") <= moment) & (pl.col("job") == "app") & (pl.col("value") >= 0)
    )
    assert len(query.collect()) == 15
    assert asked[0].end_ms == START + 60_000
    assert [str(matcher) for matcher in asked[0].matchers[1:]] == ['job="app"']


def test_duckdb_reads_a_block_unaided(data: Path) -> None:
    found = []
    for name in block_names(data):
        block = data / name
        found.append(
            duckdb.sql(
                f"""
                select s.__name__, s.job, s.n, unnest(t.t_ms) as timestamp,
                    unnest(case when r.scale < 0 then r.x
                        when r.scale < 100 then list_transform(r.n, lambda v: v / 10.0 ** r.scale)
                        else list_transform(r.n, lambda v: v * 2.0 ** (r.scale - 100)) end) as value
                from '{block}/samples.parquet' r
                join '{block}/series.parquet' s on s.__series__ = r.series
                join '{block}/times.parquet' t on t.times = r.times
                """
            ).pl()
        )
    frame = pl.concat(found, how="diagonal")
    same(frame.with_columns(pl.col("timestamp").cast(pl.Datetime("ms", "UTC"))), made())


def test_pandas_reads_a_block_unaided(data: Path) -> None:
    parts = []
    for name in block_names(data):
        rows = pd.read_parquet(data / name / "samples.parquet")
        series = pd.read_parquet(data / name / "series.parquet")
        times = pd.read_parquet(data / name / "times.parquet")
        rows = rows.merge(times[["times", "t_ms"]], on="times")
        rows["value"] = [
            x if scale < 0 else n / 10.0**scale if scale < 100 else n * 2.0 ** (scale - 100)
            for n, x, scale in zip(rows["n"], rows["x"], rows["scale"], strict=True)
        ]
        flat = rows[["series", "t_ms", "value"]].explode(["t_ms", "value"])
        parts.append(flat.merge(series, left_on="series", right_on="__series__"))
    frame = pd.concat(parts)
    assert len(frame) == len(made())
    assert frame["value"].astype(float).sum() == pytest.approx(made()["value"].sum(), rel=1e-12)


def test_pandas_frames_are_written(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "when": pd.date_range("2024-01-01", periods=5, freq="30s", tz="UTC"),
            "kind": ["a", "a", None, "b", "b"],
            "celsius": [1.5, 2.0, 3.25, float("nan"), 5.0],
            "note": "not a label",
        }
    )
    stored = write_frame(
        tmp_path, frame, name="heat", timestamp="when", value="celsius", labels=["kind"]
    )
    assert stored in (4, 5)  # pandas can't tell a NaN from nothing
    found = promlab.open(tmp_path).frame("heat").drop_nans("value").sort("timestamp")
    assert found["value"].to_list() == [1.5, 2.0, 3.25, 5.0]
    assert found["kind"].to_list() == ["a", "a", None, "b"]


@pytest.mark.parametrize(
    ("frame", "more"),
    [
        (pl.DataFrame({"value": [1.0]}), {"name": "m"}),
        (pl.DataFrame({"timestamp": [1], "value": [1.0]}), {}),
        (pl.DataFrame({"timestamp": ["x"], "value": [1.0]}), {"name": "m"}),
        (pl.DataFrame({"timestamp": [1], "value": ["x"]}), {"name": "m"}),
        (pl.DataFrame({"timestamp": [1], "value": [1.0], "__name__": [""]}), {}),
    ],
)
def test_frames_that_do_not_fit(tmp_path: Path, frame: pl.DataFrame, more: dict[str, str]) -> None:
    with pytest.raises(StorageError):
        write_frame(tmp_path, frame, **more)
    assert block_names(tmp_path) == []
