"""Live charts without a page: what is sent, when it rests, what is left behind."""

from __future__ import annotations

import gzip
from typing import Any

import numpy as np
import pytest
from notebook_server import until

from promlab.client import Client, RangeVector
from promlab.client.charts import Points, line_spec, points
from promlab.errors import NotRunning
from promlab.model.labels import LabelTable, Symbols
from promlab.model.samples import SeriesBatch
from promlab.widgets import feed as feed_module
from promlab.widgets import vega
from promlab.widgets.feed import Feed
from promlab.widgets.live_chart import LiveChart, altair_renderer, pack

STEP = 1000


class Sent(LiveChart):
    """A chart that keeps what it would send to the page."""

    def __init__(self, *args: Any, **traits: Any) -> None:
        self.sent: list[dict[str, Any]] = []
        super().__init__(*args, **traits)

    def send(self, content: Any, buffers: Any = None) -> None:
        self.sent.append(content)


class Server:
    """Answers range queries from a list of label sets; `gone` refuses."""

    def __init__(self, *rows: dict[str, str]) -> None:
        self.rows, self.gone, self.asked = list(rows), False, []  # type: ignore[var-annotated]

    def query_range(self, expr: str, start: float, end: float, step: float) -> RangeVector:
        self.asked.append((start, end))
        if self.gone:
            raise NotRunning("gone")
        times = np.arange(round(start * 1000), round(end * 1000) + 1, STEP)
        return answer(self.rows, times)


def answer(rows: list[dict[str, str]], times: Any) -> RangeVector:
    table = LabelTable.from_dicts(rows, Symbols())
    batch = SeriesBatch.from_series(table, [times] * len(rows), [times * 1.0] * len(rows))
    return RangeVector(batch, query="q", step_ms=STEP)


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    clock = [10_000]
    monkeypatch.setattr(feed_module, "now_ms", lambda: clock[0])
    return clock


def made(server: Server) -> tuple[Sent, Feed]:
    first = answer(server.rows, np.arange(0, 10_001, STEP))
    chart = Sent(line_spec("q", "q"), points(first.batch, STEP))
    options = {"length_ms": 10_000, "end_ms": 10_000}
    return chart, Feed(chart, server, "q", first, **options)  # type: ignore[arg-type]


def test_only_new_steps_are_asked_for_and_old_rows_leave(now: list[int]) -> None:
    server = Server({"a": "1"})
    chart, feed = made(server)
    feed.tick()
    assert server.asked == []
    now[0] = 12_900
    feed.tick()
    assert server.asked == [(11.0, 12.0)]
    assert chart.points.t.tolist() == [float(t) for t in range(2000, 12_001, STEP)]
    assert chart.sent[-1] == {"kind": "append", "before": 2000.0, "reset": False}


def test_new_series_join_and_all_are_named_anew(now: list[int]) -> None:
    server = Server({"job": "x", "a": "1"})
    chart, feed = made(server)
    assert chart.points.names == ['{a="1", job="x"}']
    server.rows.append({"job": "x", "a": "2"})
    now[0] = 11_000
    feed.tick()
    assert chart.names == ["1", "2"]
    assert chart.sent[-1]["reset"] is True
    assert sorted(set(chart.points.s.tolist())) == [0, 1]


def test_a_series_that_pauses_leaves_a_gap(now: list[int]) -> None:
    server = Server({"a": "1"}, {"a": "2"})
    chart, feed = made(server)
    paused = server.rows.pop()
    now[0] = 13_000
    feed.tick()
    server.rows.append(paused)
    now[0] = 14_000
    feed.tick()
    second = chart.points.v[chart.points.s == 1]
    assert np.isnan(second[-2])
    assert second[-1] == 14_000


def test_beyond_twenty_series_it_says_so(now: list[int]) -> None:
    server = Server(*({"a": str(i)} for i in range(30)))
    chart, feed = made(server)
    assert "20 of 30 series shown" in chart.note
    now[0] = 11_000
    feed.tick()
    assert chart.note == "20 of 30 series shown"
    assert len(chart.names) == 20


def test_after_a_long_rest_the_window_is_drawn_anew(now: list[int]) -> None:
    server = Server({"a": "1"})
    chart, feed = made(server)
    now[0] = 100_000
    feed.tick()
    assert server.asked == [(90.0, 100.0)]
    assert chart.points.t.min() == 90_000


def test_views_and_a_server_that_is_gone(monkeypatch: pytest.MonkeyPatch, now: list[int]) -> None:
    monkeypatch.setattr(feed_module, "MIN_INTERVAL_S", 0.01)
    server = Server({"a": "1"})
    chart, feed = made(server)
    feed._interval_s = 0.01
    server.gone = True
    now[0] = 11_000
    feed.start()
    until(lambda: chart.status.startswith("server stopped at 1970-01-01 00:00:10"))
    server.gone = False
    until(lambda: chart.status.startswith("live"))
    chart._heard(chart, {"kind": "gone"}, [])
    until(lambda: not feed.running)
    chart._heard(chart, {"kind": "beat"}, [])
    assert feed.running
    feed.stop()
    assert not chart.live


def test_the_window_is_packed_as_numbers() -> None:
    drawn = Points(
        np.array([1.0, 2.0]), np.array([3.0, np.nan]), np.array([0, 1], np.uint16), ["a", "b"], "",
        np.zeros(0, np.int64),
    )  # fmt: skip
    raw = pack(drawn)
    assert np.frombuffer(raw, "<f8", 2).tolist() == [1.0, 2.0]
    assert np.frombuffer(raw, "<u2", 2, 32).tolist() == [0, 1]
    chart = LiveChart(line_spec("q", "q"), drawn)
    assert chart.get_state("rows")["rows"] == raw


def test_vega_is_carried_by_one_widget_for_all_charts() -> None:
    one, two = (LiveChart(line_spec("q", "q")) for _ in range(2))
    assert one.vega is two.vega
    script = gzip.decompress(one.vega.script)
    assert b"window.vegaEmbed" in script
    assert len(str(one.get_state())) < 40_000
    assert vega.bundle() == one.vega.script


def test_what_a_saved_notebook_keeps() -> None:
    first = answer([{"a": "<b>"}], np.arange(0, 5000, STEP))
    chart = LiveChart(line_spec("q", "a chart of q"), points(first.batch, STEP))
    bundle = chart._repr_mimebundle_()
    assert bundle["image/svg+xml"].startswith("<svg")
    assert "<b>" not in bundle["image/svg+xml"]
    assert bundle["text/plain"] == "a chart of q"
    assert "application/vnd.jupyter.widget-view+json" in bundle


def test_altair_charts_are_shown_by_the_same_widget() -> None:
    first = answer([{"a": "1"}], np.arange(0, 5000, STEP))
    bundle = altair_renderer(first.chart().to_dict())
    assert bundle["image/svg+xml"].startswith("<svg")
    assert "application/vnd.jupyter.widget-view+json" in bundle


@pytest.mark.peers
def test_a_real_server_feeds_a_chart(prometheus: str) -> None:
    client = Client(prometheus)
    first = client.query_range("up", "now-5s", "now", 1)
    assert isinstance(first, RangeVector)
    chart = Sent(line_spec("up", "up"), points(first.batch, STEP))
    end = int(first.batch.t_ms.max())
    feed = Feed(chart, client, "up", first, length_ms=5000, end_ms=end)
    feed.start()
    until(lambda: chart.points.t.max() > end + 1000)
    feed.stop()
    assert chart.sent
