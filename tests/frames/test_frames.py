"""PromQL over frames: what columns mean, what comes out, what is refused."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest

import promlab
from promlab.client.results import InstantVector, RangeVector, Scalar, StringResult
from promlab.errors import FrameError, PromQLSyntaxError
from promlab.frames import Source

START = datetime(2026, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def requests(n: int = 61) -> pl.DataFrame:
    """Two instances that count 2 and 6 a minute."""
    times = [START + i * MINUTE for i in range(n)] * 2
    return pl.DataFrame(
        {
            "timestamp": times,
            "instance": ["a"] * n + ["b"] * n,
            "code": [200] * (2 * n),
            "value": [2.0 * i for i in range(n)] + [6.0 * i for i in range(n)],
        }
    )


def values(result: object) -> dict[tuple[str, ...], float]:
    assert isinstance(result, InstantVector)
    return {
        tuple(f"{k}={v}" for k, v in series.labels.items()): float(series.values[0])
        for series in result.series
    }


def test_long_frame_with_the_value_column_as_metric() -> None:
    result = promlab.query("rate(value[10m]) * 60", requests())
    assert values(result) == pytest.approx(
        {("code=200", "instance=a"): 2.0, ("code=200", "instance=b"): 6.0}
    )
    assert values(promlab.query("sum(rate(http[10m]))", requests(), name="http")) == pytest.approx(
        {(): 8 / 60}
    )


def test_range_defaults_to_all_of_the_data() -> None:
    result = promlab.query_range("sum by (instance) (value)", data=requests())
    assert isinstance(result, RangeVector)
    assert result.step_ms == 60_000  # not finer than the data
    assert [series.labels for series in result.series] == [{"instance": "a"}, {"instance": "b"}]
    assert result.series[1].values.tolist() == [6.0 * i for i in range(61)]
    frame = result.polars()
    assert frame.columns == ["timestamp", "value", "instance"]
    assert frame["timestamp"].min() == START
    assert result.wide().height == 61
    assert len(result.pandas()) == 122


def test_other_kinds_of_answers() -> None:
    assert isinstance(promlab.query("1 + 1", requests()), Scalar)
    assert isinstance(promlab.query("'x'", requests()), StringResult)
    raw = promlab.query('value{instance="a"}[3m]', requests())
    assert isinstance(raw, RangeVector)
    assert raw.series[0].values.tolist() == [116.0, 118.0, 120.0]


def test_times_are_relative_to_the_end_of_the_data() -> None:
    assert values(promlab.query('value{instance="a"}', requests(), at="now-10m")) == {
        ("__name__=value", "code=200", "instance=a"): 100.0
    }
    result = promlab.query_range("value", requests(), start="now-5m", step="1m")
    assert isinstance(result, RangeVector)
    assert result.batch.sample_count == 12


def test_columns_of_numbers_are_metrics() -> None:
    frame = pl.DataFrame(
        {
            "time": [START, START + MINUTE],
            "host": ["x", "x"],
            "cpu": [0.5, 0.7],
            "memory": [100, None],
        }
    )
    source = Source(frame)
    assert source.metrics == ["cpu", "memory"]
    assert values(source.query("max_over_time(cpu[5m])")) == {("host=x",): 0.7}
    assert values(source.query("memory")) == {("__name__=memory", "host=x"): 100.0}


def test_wide_frames_of_results_come_back() -> None:
    first = promlab.query_range("value", requests())
    wide = first.wide()
    again = promlab.query("sum by (instance) (value)", wide)
    assert values(again) == {("instance=a",): 120.0, ("instance=b",): 360.0}
    assert values(promlab.query("count(value)", first)) == {(): 2.0}
    assert values(promlab.query("count(value)", first.polars())) == {(): 2.0}


def test_pandas_with_an_index_of_times() -> None:
    index = pd.date_range("2026-01-01", periods=30, freq="1min")
    frame = pd.DataFrame({"temp": np.arange(30.0), "hum": 1.0}, index=index)
    assert values(promlab.query("delta(temp[10m]) + hum", frame)) == pytest.approx({(): 11.0})
    series = pd.Series(np.arange(30.0), index=index, name="temp")
    assert values(promlab.query("max_over_time(temp[5m])", series)) == {(): 29.0}
    several = frame.assign(room="r").set_index("room", append=True)
    several.index.names = ["when", "room"]
    assert values(promlab.query("temp", several)) == {("__name__=temp", "room=r"): 29.0}
    shuffled = frame.reset_index(names="t").sample(frac=1, random_state=1)
    assert values(promlab.query("temp", shuffled)) == {("__name__=temp",): 29.0}


def test_parquet_and_csv(tmp_path: Path) -> None:
    requests().write_parquet(tmp_path / "r.parquet")
    requests().write_csv(tmp_path / "r.csv")
    for path in (tmp_path / "r.parquet", str(tmp_path / "*.parquet"), tmp_path / "r.csv"):
        assert values(promlab.query("sum(value)", path)) == {(): 480.0}
    with pytest.raises(FrameError, match="there is no file"):
        promlab.query("x", tmp_path / "none.parquet")
    (tmp_path / "bad.parquet").write_text("no")
    with pytest.raises(FrameError, match="can't be read"):
        promlab.query("x", tmp_path / "bad.parquet")


@pytest.mark.parametrize(("unit", "factor"), [("s", 1), ("ms", 1e3), ("us", 1e6), ("ns", 1e9)])
def test_numbers_as_times(unit: str, factor: float) -> None:
    seconds = START.timestamp()
    frame = pl.DataFrame({"ts": [int((seconds + i) * factor) for i in range(3)], "v": [1, 2, 3]})
    for given in (None, unit):
        source = Source(frame, unit=given)
        assert source.time_range == (int(seconds * 1000), int(seconds * 1000) + 2000)


def test_data_that_is_sparser_than_the_lookback() -> None:
    frame = pl.DataFrame({"day": [START.date() + timedelta(days=i) for i in range(9)], "v": 1.0})
    result = promlab.query_range("v", frame, step="6h")
    assert isinstance(result, RangeVector)
    assert result.batch.sample_count == 33
    short = promlab.query_range("v", frame, step="6h", lookback="5m")
    assert isinstance(short, RangeVector)
    assert short.batch.sample_count == 9


def test_several_frames_by_name() -> None:
    errors = requests().with_columns(pl.col("value") / 2)
    data = {"requests": requests(), "errors": errors}
    assert values(promlab.query("sum(errors) / sum(requests)", data)) == {(): 0.5}


def test_columns_can_be_said() -> None:
    frame = pl.DataFrame({"a": [START], "b": [START], "x": [1.5], "y": [2.5], "z": ["l"], "n": [7]})
    with pytest.raises(FrameError, match="several columns are times: 'a', 'b'"):
        promlab.query("x", frame)
    result = promlab.query("y", frame, timestamp="b", value="y", labels=["n"])
    assert values(result) == {("__name__=y", "n=7"): 2.5}


@pytest.mark.parametrize(
    ("frame", "options", "message"),
    [
        (pl.DataFrame({"v": [1.0]}), {}, "no column is a time; say which with timestamp="),
        (pl.DataFrame({"time": [START]}), {}, "no column holds numbers"),
        (pl.DataFrame({"time": [START], "v": [1]}), {"value": "w"}, "there is no column 'w'"),
        (pl.DataFrame({"time": ["noon"], "v": [1]}), {}, "can't be read"),
        (pl.DataFrame({"time": [START], "v": [1]}), {"unit": "h"}, "unit 'h': write one of s, ms"),
        (
            pl.DataFrame({"time": [None, START], "v": [1, 2]}),
            {},
            "1 rows with a value have no time",
        ),
        (
            pl.DataFrame({"time": [START, START], "v": [1.0, 2.0]}),
            {},
            r"has two values at 2026-01-01 00:00:00 UTC: 1.0 and 2.0",
        ),
        (pl.DataFrame({"time": [START], "v": [1], "l": [[1]]}), {}, "which is no label"),
        ([1, 2], {}, "a list is nothing to query"),
        (pl.DataFrame({"time": [START], "v": [1]}), {"lookback": "x"}, "lookback: 'x' is not"),
    ],
)
def test_refused(frame: object, options: dict[str, str], message: str) -> None:
    with pytest.raises(FrameError, match=message):
        promlab.query("v", frame, **options)


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("rate(value[10s])", "rate needs two samples, and [10s] holds fewer: value has one every "),
        ("sum(increase(value[10s] offset 1m)) / 2", "increase needs two samples"),
        ("rate(value[1h]) > 1e9", ""),
        ("rate(value[10s] anchored) > 1e9", ""),
    ],
)
def test_a_range_shorter_than_two_samples_is_told(query: str, reason: str) -> None:
    frame = pl.DataFrame({"time": [START + timedelta(seconds=15 * i) for i in range(40)],
                          "value": [float(i) for i in range(40)]})  # fmt: skip
    result = promlab.query(query, frame)
    assert isinstance(result, InstantVector)
    assert result.why_empty.startswith(reason)
    assert bool(result.why_empty) == bool(reason)
    if "offset" not in query and reason:
        assert result.why_empty.endswith("every 15s. Write [1m] or longer")
        assert "Write [1m]" in repr(result)
    assert len(promlab.query("rate(value[1m])", frame)) == 1


def test_mistakes_in_the_query() -> None:
    with pytest.raises(PromQLSyntaxError) as error:
        promlab.query("rate(value)", requests())
    assert error.value.hint == "Add a time range in brackets: rate(value[5m])."
    result = promlab.query("rats", requests())
    assert isinstance(result, InstantVector)
    assert result.why_empty == "no series is called rats; there are: value"
    with pytest.raises(FrameError, match="before it starts"):
        promlab.query_range("value", requests(), start="now", end="now-1h")
    with pytest.raises(FrameError, match="is not a time"):
        promlab.query("value", requests(), at="yesterday")


def test_missing_values_and_the_same_twice() -> None:
    twice = pl.concat([requests(3), requests(3)])
    assert values(promlab.query("sum(count_over_time(value[1h]))", twice)) == {(): 6.0}
    frame = pl.DataFrame({"time": [START, START + MINUTE], "v": [1.0, None], "l": [None, "x"]})
    assert values(promlab.query("v", frame)) == {("__name__=v",): 1.0}
    empty = Source(requests(3).clear())
    assert values(empty.query("vector(1)", at=START)) == {(): 1.0}
    with pytest.raises(FrameError, match="there are no samples"):
        empty.query_range("value")


def test_an_open_data_directory_is_data(tmp_path: Path) -> None:
    from promlab.model.labels import LabelTable
    from promlab.tsdb.head import Head
    from promlab.tsdb.options import HeadOptions

    head = Head.open(tmp_path, options=HeadOptions(sync="never"))
    refs = head.refs(LabelTable.from_dicts([{"__name__": "m"}], head.symbols))
    head.append_loose(refs, np.array([60_000]), np.array([4.0]))
    head.commit()
    with promlab.open(tmp_path) as reader:
        assert values(promlab.query("m", reader)) == {("__name__=m",): 4.0}
    head.close()


def test_importing_promlab_loads_no_frames() -> None:
    code = "import promlab, sys; print('polars' in sys.modules, 'promlab.frames' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.split() == ["False", "False"]
