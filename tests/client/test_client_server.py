"""The client against a real Prometheus."""

from __future__ import annotations

import polars as pl
import pytest

from promlab.client import Client, InstantVector, RangeVector, Scalar, StringResult
from promlab.errors import ClientError, NotRunning, PromQLSyntaxError, QueryError

pytestmark = pytest.mark.peers


@pytest.fixture
def client(prometheus: str) -> Client:
    return Client(prometheus)


def test_each_kind_of_result(client: Client) -> None:
    up = client.query("up")
    assert isinstance(up, InstantVector)
    assert [series.labels["job"] for series in up.series] != []
    assert set(up.values) == {1.0}
    assert isinstance(client.query("up[1m]"), RangeVector)
    three = client.query("1 + 2")
    assert isinstance(three, Scalar)
    assert float(three) == 3
    text = client.query('"a\\"b"')
    assert isinstance(text, StringResult)
    assert str(text) == 'a"b'


def test_range_is_on_the_steps_that_were_asked(client: Client) -> None:
    found = client.query_range("vector(time())", 1_700_000_000.5, 1_700_000_010.5, 2.5)
    assert isinstance(found, RangeVector)
    assert found.series[0].t_ms.tolist() == [1_700_000_000_500 + 2500 * i for i in range(5)]
    assert found.series[0].values.tolist() == [1_700_000_000.5 + 2.5 * i for i in range(5)]
    assert found.step_ms == 2500


@pytest.mark.parametrize(
    ("expr", "value"),
    [("1/0", float("inf")), ("-1/0", float("-inf")), ("4.9e-324", 4.9e-324),
     ("1.7976931348623157e308", 1.7976931348623157e308), ("0.1 + 0.2", 0.1 + 0.2)],
)  # fmt: skip
def test_values_are_exact(client: Client, expr: str, value: float) -> None:
    found = client.query(f"vector({expr})")
    assert isinstance(found, InstantVector)
    assert found.values.tolist() == [value]


def test_nan_is_a_value(client: Client) -> None:
    found = client.query("vector(0/0)")
    assert isinstance(found, InstantVector)
    assert found.polars()["value"].is_nan().to_list() == [True]


def test_index_calls(client: Client) -> None:
    assert {"__name__", "instance", "job"} <= set(client.labels())
    assert client.labels("up") == ["__name__", "instance", "job"]
    assert client.label_values("job", 'up{job="node"}') == ["node"]
    assert [labels["job"] for labels in client.series(['up{job="node"}'])] == ["node"]
    assert client.metadata("node_cpu_seconds_total")["node_cpu_seconds_total"][0]["type"] == (
        "counter"
    )
    assert {target["health"] for target in client.targets()} == {"up"}
    assert client.status("buildinfo")["version"]
    assert client.rules() == []
    assert client.is_ready()


def test_syntax_error_keeps_its_place(client: Client) -> None:
    with pytest.raises(PromQLSyntaxError) as caught:
        client.query("sum(up)\n  by (job) +")
    assert caught.value.line_column[0] == 2
    assert caught.value.caret().split("\n")[0] == "  by (job) +"


def test_execution_error(client: Client) -> None:
    with pytest.raises(QueryError, match="many-to-many"):
        client.query("up * on () up")


def test_bad_selector_is_the_servers_own_message(client: Client) -> None:
    with pytest.raises((ClientError, QueryError), match="parse error"):
        client.series("{")


def test_unknown_page(client: Client) -> None:
    with pytest.raises(ClientError) as caught:
        client.status("nothing")
    assert caught.value.status == 404


def test_nobody_answers() -> None:
    with pytest.raises(NotRunning, match=r"no server answers at http://127\.0\.0\.1:9 "):
        Client("http://user:secret@127.0.0.1:9").query("up")


def test_end_before_start(client: Client) -> None:
    with pytest.raises(ClientError, match="before its start"):
        client.query_range("up", 10, 5)


def test_large_answers_are_refused(prometheus: str) -> None:
    with pytest.raises(ClientError, match="larger than 1,000 bytes"):
        Client(prometheus, max_bytes=1000).query('{__name__=~".+"}')


def test_frames_of_a_real_answer(client: Client) -> None:
    found = client.query_range("node_cpu_seconds_total", "now-10s", "now", 1)
    assert isinstance(found, RangeVector)
    frame = found.polars()
    assert frame.schema["timestamp"] == pl.Datetime("ms", "UTC")
    assert frame.columns == ["timestamp", "value", "__name__", "cpu", "instance", "job", "mode"]
    assert frame.height == found.batch.sample_count
    assert str(found.pandas().dtypes["timestamp"]) == "datetime64[ms, UTC]"
    assert found.wide().width == len(found) + 1
    assert len(found.top(2)) == 2
    assert found.last().values.tolist() == [s.values[-1] for s in found.series]


def test_picture_of_a_range(client: Client) -> None:
    found = client.query_range("up", "now-10s", "now", 1)
    assert isinstance(found, RangeVector)
    bundle = found._repr_mimebundle_()
    assert bundle["image/svg+xml"].startswith("<svg")
    assert 'up{instance="' in bundle["text/plain"]


def test_chart_is_an_altair_chart_that_can_be_extended(client: Client) -> None:
    found = client.query_range("up", "now-10s", "now", 1)
    assert isinstance(found, RangeVector)
    chart = found.chart().properties(height=99)
    assert chart.to_dict()["height"] == 99
