"""Results as text, HTML, frames and charts; hostile labels."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from promlab.client import InstantVector, RangeVector
from promlab.client.charts import MAX_POINTS, MAX_SERIES, chart_spec, points, short_names
from promlab.client.client import _escaped_name, choose_step_ms
from promlab.client.tables import number, series_text
from promlab.client.times import show_time, to_duration_ms, to_ms
from promlab.client.transport import offset_of, to_error
from promlab.errors import ClientError, PromQLSyntaxError, QueryTimeout
from promlab.model.labels import LabelTable, Symbols
from promlab.model.samples import SeriesBatch

HOSTILE = '<img src=x onerror=alert(1)>"\n\u202e\x00{{'


def vector(*series: tuple[dict[str, str], list[int], list[float]]) -> SeriesBatch:
    table = LabelTable.from_dicts([labels for labels, _, _ in series], Symbols())
    return SeriesBatch.from_series(table, [t for _, t, _ in series], [v for _, _, v in series])


def test_hostile_labels_never_become_markup() -> None:
    batch = vector(({"__name__": HOSTILE, HOSTILE: HOSTILE}, [0, 1], [1.0, 2.0]))
    for result in (InstantVector(vector(({HOSTILE: HOSTILE}, [0], [1.0]))), RangeVector(batch)):
        page = result._repr_html_()
        assert "<img" not in page
        assert "\u202e" not in page
        assert "\x00" not in repr(result)
    bundle = RangeVector(batch)._repr_mimebundle_()
    assert "<img" not in bundle["image/svg+xml"]
    spec = chart_spec(RangeVector(batch))
    channels = [channel for channel in spec["encoding"].values() if isinstance(channel, dict)]
    assert {channel["field"] for channel in channels} == {"t", "v", "s"}


def test_clashing_label_names_get_columns_of_their_own() -> None:
    batch = vector(
        ({"timestamp": "a", "value": "b", "label_value": "c"}, [0], [1.0]), ({}, [0], [2.0])
    )
    frame = InstantVector(batch).polars()
    assert frame.columns == [
        "timestamp", "value", "label_value", "label_timestamp", "label_label_value",
    ]  # fmt: skip
    assert frame["label_label_value"].to_list() == ["b", ""]


def test_wide_frame_has_null_where_a_series_has_no_sample() -> None:
    batch = vector(({"a": "1"}, [0, 10], [1.0, math.nan]), ({"a": "2"}, [10], [3.0]))
    wide = RangeVector(batch).wide()
    assert wide.columns == ["timestamp", '{a="1"}', '{a="2"}']
    assert wide['{a="2"}'].to_list() == [None, 3.0]
    assert wide['{a="1"}'].null_count() == 0


def test_cuts() -> None:
    batch = vector(
        ({"a": "1"}, [0, 1000, 2000], [1.0, 2.0, 9.0]), ({"a": "2"}, [0], [5.0]),
        ({"a": "3"}, [2000], [math.nan]),
    )  # fmt: skip
    result = RangeVector(batch)
    assert [s.labels["a"] for s in result.top(3).series] == ["1", "2", "3"]
    cut = result.between((1, 2))
    assert [(s.labels["a"], s.t_ms.tolist()) for s in cut.series] == [
        ("1", [1000, 2000]),
        ("3", [2000]),
    ]
    assert result.series[-1].labels == {"a": "3"}
    with pytest.raises(IndexError, match="3 series"):
        result.series[3]


def test_many_series_are_cut_and_say_so() -> None:
    result = InstantVector(vector(*(({"i": str(i)}, [0], [float(i)]) for i in range(312))))
    assert "20 of 312 series shown" in repr(result)
    assert "20 of 312 series shown" in result._repr_html_()
    drawn = points(result.batch)
    assert len(drawn.names) == MAX_SERIES
    assert "20 of 312" in drawn.note
    assert drawn.names[-1] == "311"


def test_charts_draw_a_bounded_number_of_points() -> None:
    times = list(range(0, 3_000_000, 1000))
    batch = vector(*(({"i": str(i)}, times, [0.0] * 3000) for i in range(10)))
    drawn = points(batch, 1000)
    assert len(drawn.t) <= MAX_POINTS
    assert "one sample in 6 drawn" in drawn.note
    assert drawn.t[len(drawn.t) // 10 - 1] == times[-1]  # the newest sample is always there


def test_gaps_break_the_line() -> None:
    drawn = points(vector(({}, [0, 1000, 5000], [1.0, 2.0, 3.0])), 1000)
    assert drawn.t.tolist() == [0, 1000, 2000, 5000]
    assert np.isnan(drawn.v).tolist() == [False, False, True, False]


def test_names_in_a_legend_are_short_and_distinct() -> None:
    rows = [{"job": "a", "mode": "idle"}, {"job": "a", "mode": "user"}]
    assert short_names(LabelTable.from_dicts(rows, Symbols())) == ["idle", "user"]
    long = [{"a": "x" * 200 + end} for end in ("1", "2")]
    assert len(set(short_names(LabelTable.from_dicts(long, Symbols())))) == 2


@pytest.mark.parametrize(
    ("value", "shown"),
    [(1.0, "1"), (0.1, "0.1"), (math.inf, "+Inf"), (-math.inf, "-Inf"), (math.nan, "NaN")],
)
def test_numbers(value: float, shown: str) -> None:
    assert number(value) == shown


def test_series_text_is_promql() -> None:
    assert series_text({"__name__": "up", "a": 'x"\\\n'}) == 'up{a="x\\"\\\\\\n"}'
    assert series_text({"__name__": "a.b", "c.d": "e"}) == '{"a.b", "c.d"="e"}'
    assert series_text({}) == "{}"


NOW = 1_700_000_000_000


@pytest.mark.parametrize(
    ("when", "t_ms"),
    [
        (None, NOW), ("now", NOW), ("now-15m", NOW - 900_000), ("-1h30m", NOW - 5_400_000),
        ("now+5s", NOW + 5000), (12.5, 12_500), ("12.5", 12_500), ("-3", -3000),
        ("2023-11-14T22:13:20Z", NOW), (datetime(2023, 11, 14, 22, 13, 20), NOW),
        (datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC), NOW),
    ],
)  # fmt: skip
def test_times(when: object, t_ms: int) -> None:
    assert to_ms(when, NOW) == t_ms  # type: ignore[arg-type]


@pytest.mark.parametrize("when", ["yesterday", "now-", "now-5x", float("nan"), "1e300", ""])
def test_bad_times(when: object) -> None:
    with pytest.raises(ValueError, match="is not"):
        to_ms(when, NOW)  # type: ignore[arg-type]


def test_durations() -> None:
    assert to_duration_ms("15m") == 900_000
    assert to_duration_ms(timedelta(seconds=2)) == 2000
    assert to_duration_ms(0.25) == 250
    for bad in ("", "0", "-5m", "5 m"):
        with pytest.raises(ValueError, match="duration"):
            to_duration_ms(bad)
    assert show_time(NOW + 5) == "2023-11-14 22:13:20.005"


def test_steps_are_round_and_long_enough() -> None:
    assert choose_step_ms(900_000) == 1000
    assert choose_step_ms(900_000, 250) == 5000
    assert choose_step_ms(30 * 86_400_000) == 3_600_000
    assert choose_step_ms(900_000, at_least_ms=15_000) == 15_000


def test_label_names_in_paths() -> None:
    assert _escaped_name("__name__") == "__name__"
    assert _escaped_name("a.b_c") == "U__a_2e_b__c"
    assert "/" not in _escaped_name("../x")


def test_errors_of_servers() -> None:
    body = json.dumps({"status": "error", "errorType": "timeout", "error": "slow"}).encode()
    assert isinstance(to_error(body, 503, "u", "up"), QueryTimeout)
    page = to_error(b"<html>Bad gateway", 502, "http://x/y")
    assert isinstance(page, ClientError)
    assert "<html" not in str(page)
    said = '{"errorType":"bad_data","error":"invalid parameter \\"query\\": 2:3: parse error: no"}'
    error = to_error(said.encode(), 400, "u", "up\n  +")
    assert isinstance(error, PromQLSyntaxError)
    assert (error.start, error.message) == (5, "no")
    assert offset_of("a", 99, 99) == 1


@pytest.mark.parametrize("url", ["ftp://x", "http://", "http:///x"])
def test_bad_addresses(url: str) -> None:
    from promlab.client import Client

    with pytest.raises(ClientError, match="not the address"):
        Client(url)


def test_importing_the_client_is_light() -> None:
    heavy = "{'polars', 'pandas', 'altair', 'httpx', 'numba', 'vl_convert', 'IPython'}"
    code = f"import sys, promlab.client; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
