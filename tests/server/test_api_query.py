from __future__ import annotations

import io
import json
from typing import Any
from urllib.parse import unquote

import httpx
import msgspec
import polars as pl
import pytest
from fake_server import SERIES, client_of, make_context

from promlab.server.context import Context
from promlab.server.settings import Settings

pytestmark = pytest.mark.usefixtures("shared")
RANGE = {"query": "1", "start": "0", "end": "10", "step": "1"}
NO_TIME = "invalid time value for 'time': cannot parse \"foo\" to a valid timestamp"
BAD = [
    ("query", {}, 'parameter "query": unknown position: parse error: no expression found in input'),
    ("query", {"query": "up{"}, 'invalid parameter "query": 1:4: parse error'),
    ("query", {"query": "1", "time": "foo"}, f'invalid parameter "time": {NO_TIME}'),
    ("query", {"query": "1", "time": "2020-13-01T00:00:00Z"}, "to a valid timestamp"),
    ("query", {"query": "1", "timeout": "x"}, '"timeout": cannot parse "x" to a valid duration'),
    ("query", {"query": "1", "limit": "-1"}, '"limit": limit must be non-negative'),
    ("query", {"query": "1", "limit": "x"}, 'strconv.Atoi: parsing "x": invalid syntax'),
    ("query", {"query": "1", "lookback_delta": "x"}, "error parsing lookback delta duration: "),
    ("query_range", {**RANGE, "step": "0"}, "step widths are not accepted. Try a positive integer"),
    ("query_range", {**RANGE, "step": "-1"}, 'parameter "step": zero or negative query resolution'),
    ("query_range", {**RANGE, "step": ""}, '"step": cannot parse "" to a valid duration'),
    ("query_range", {**RANGE, "start": "x"}, '"start": cannot parse "x" to a valid timestamp'),
    ("query_range", {"query": "1"}, '"start": cannot parse "" to a valid timestamp'),
    ("query_range", {**RANGE, "start": "11"}, "end timestamp must not be before start time"),
    ("query_range", {**RANGE, "end": "11001"}, "resolution of 11,000 points per timeseries. Try"),
    ("query_range", {**RANGE, "step": "1e30"}, "It overflows int64"),
    ("query_range", {**RANGE, "query": "up[5m]"}, 'type "range vector" for range query, must be'),
    ("query_range", {**RANGE, "query": '"a"'}, 'expression type "string" for range query'),
    ("format_query", {}, "no expression found in input"),
    ("format_query", {"query": "sum("}, "parse error"),
]


@pytest.mark.parametrize(("path", "params", "words"), BAD)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_bad_requests(
    client: httpx.AsyncClient, valid: Any, method: str, path: str, params: Any, words: str
) -> None:
    where = {"params": params} if method == "GET" else {"data": params}
    answer = await client.request(method, f"/api/v1/{path}", **where)
    found = valid(answer, f"/{path}")
    assert answer.status_code == 400
    assert found["errorType"] == "bad_data"
    assert words in found["error"]


async def ask(client: httpx.AsyncClient, query: str, **params: Any) -> Any:
    answer = await client.get("/api/v1/query", params={"query": query, "time": 60, **params})
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


@pytest.mark.parametrize(
    "time", ["60", "60.0", "1970-01-01T00:01:00Z", "1970-01-01T02:01:00.000+02:00"]
)
async def test_instant_vector(client: httpx.AsyncClient, valid: Any, time: str) -> None:
    params = {"query": "up", "time": time}
    found = valid(await client.get("/api/v1/query", params=params), "/query")
    assert found == {
        "status": "success",
        "data": {
            "resultType": "vector",
            "result": [
                {"metric": {"__name__": "up", "instance": "a:1", "job": "api"}, "value": [60, "1"]},
                {"metric": {"__name__": "up", "instance": "b:1", "job": "api"}, "value": [60, "0"]},
            ],
        },
    }


async def test_other_kinds(client: httpx.AsyncClient) -> None:
    assert await ask(client, "1.5", time="1435781451.781") == {
        "resultType": "scalar",
        "result": [1435781451.781, "1.5"],
    }
    assert await ask(client, '"é<\\""') == {"resultType": "string", "result": [60, 'é<"']}
    assert (await ask(client, "evil[1m]"))["result"][0]["values"] == [
        [50, "NaN"],
        [55, "+Inf"],
        [60, "1e-07"],
    ]
    assert await ask(client, "nothing") == {"resultType": "vector", "result": []}


async def test_labels_come_back_as_they_are(client: httpx.AsyncClient) -> None:
    found = await ask(client, "evil")
    assert found["result"][0]["metric"] == SERIES[2][0]
    made = await ask(client, 'label_replace(evil, "new", "<$1>", "quote", "(?s)(.*)")')
    assert made["result"][0]["metric"]["new"] == '<a"b\\c\nd>'


async def test_range(client: httpx.AsyncClient, valid: Any) -> None:
    params = {"query": "sum(up)", "start": 0, "end": 1, "step": 0.4}
    found = valid(await client.post("/api/v1/query_range", data=params), "/query_range")
    assert found["data"] == {
        "resultType": "matrix",
        "result": [{"metric": {}, "values": [[0, "1"], [0.4, "1"], [0.8, "1"]]}],
    }
    answer = await client.get("/api/v1/query_range", params={**params, "query": "1"})
    assert "[0.400," in answer.text  # three decimals or none, as Prometheus prints them


async def test_11001_points_pass(client: httpx.AsyncClient) -> None:
    params = {"query": "vector(1)", "start": 0, "end": 11000, "step": 1}
    found = (await client.get("/api/v1/query_range", params=params)).json()
    assert len(found["data"]["result"][0]["values"]) == 11001


@pytest.mark.parametrize("query", ["up", "up[1m]"])
async def test_limit(client: httpx.AsyncClient, query: str) -> None:
    params = {"query": query, "time": 60, "limit": 1}
    found = (await client.get("/api/v1/query", params=params)).json()
    assert len(found["data"]["result"]) == 1
    assert found["warnings"] == ["results truncated due to limit"]
    found = (await client.get("/api/v1/query", params={**params, "limit": 2})).json()
    assert "warnings" not in found


async def test_stats(client: httpx.AsyncClient, valid: Any) -> None:
    params = {"query": "up", "time": 60, "stats": "true"}
    found = valid(await client.get("/api/v1/query", params=params), "/query")
    assert found["data"]["stats"]["samples"]["samplesRead"] >= 2
    assert found["data"]["stats"]["timings"]["execTotalTime"] > 0
    assert "samplesReadPerStep" not in found["data"]["stats"]["samples"]
    assert "warnings" not in found


async def test_other_values_of_stats_are_deprecated(client: httpx.AsyncClient, valid: Any) -> None:
    params = {"query": "up", "time": 60, "stats": 'a"b'}
    found = valid(await client.get("/api/v1/query", params=params), "/query")
    assert found["data"]["stats"]["samples"]["samplesRead"] >= 2
    assert found["warnings"] == [
        'value "a\\"b" for parameter "stats" is deprecated and will be rejected in the next '
        'major release, use "true" or "all"'
    ]


async def test_statistics_of_each_step(settings: Settings, valid: Any) -> None:
    context = make_context(msgspec.structs.replace(settings, features=["promql-per-step-stats"]))
    params = {"query": "sum_over_time(up[1m])", "start": 0.5, "end": 120.5, "step": 60}
    async with client_of(context) as client:
        found = {}
        for stats in ("true", "all"):
            asked = params | {"stats": stats}
            answer = valid(await client.get("/api/v1/query_range", params=asked), "/query_range")
            found[stats] = answer["data"]["stats"]["samples"]
    per_step = {name: found["all"].pop(name) for name in list(found["all"]) if "Per" in name}
    assert found["all"] == found["true"]
    assert per_step.keys() == {"totalQueryableSamplesPerStep", "samplesReadPerStep"}
    for name, pairs in per_step.items():
        assert [t for t, _ in pairs] == [0.5, 60.5, 120.5]
        assert sum(n for _, n in pairs) == found["true"][name.removesuffix("PerStep")] > 0


async def test_annotations(client: httpx.AsyncClient, valid: Any) -> None:
    params = {"query": "rate(up[1m])", "time": 60}
    found = valid(await client.get("/api/v1/query", params=params), "/query")
    assert found["infos"][0].startswith("PromQL info:")
    assert "warnings" not in found


async def test_too_many_samples_is_an_execution_error(
    client: httpx.AsyncClient, valid: Any
) -> None:
    params = {"query": "sum_over_time(up[100s])", "start": 0, "end": 1100, "step": 0.1}
    answer = await client.get("/api/v1/query_range", params=params)
    found = valid(answer, "/query_range")
    assert (answer.status_code, found["errorType"]) == (422, "execution")
    assert "too many samples into memory" in found["error"]


async def test_timeout(client: httpx.AsyncClient, valid: Any) -> None:
    params = {"query": "sum(up)", "time": 60, "timeout": "0"}
    answer = await client.get("/api/v1/query", params=params)
    assert (answer.status_code, valid(answer, "/query")["errorType"]) == (503, "timeout")


async def test_arrow(client: httpx.AsyncClient) -> None:
    accept = {"Accept": "application/vnd.apache.arrow.stream"}
    params = {"query": "up", "time": 60}
    answer = await client.get("/api/v1/query", params=params, headers=accept)
    assert answer.headers["content-type"] == accept["Accept"]
    frame = pl.read_ipc_stream(io.BytesIO(answer.content))
    assert frame["value"].to_list() == [1, 0]
    assert frame["instance"].cast(pl.String).to_list() == ["a:1", "b:1"]
    text = await client.get("/api/v1/query", params={"query": '"s"'}, headers=accept)
    assert text.headers["content-type"] == "application/json"
    bad = await client.get("/api/v1/query", params={"query": "("}, headers=accept)
    assert (bad.status_code, bad.headers["content-type"]) == (400, "application/json")


async def test_format_query(client: httpx.AsyncClient, valid: Any) -> None:
    answer = await client.get("/api/v1/format_query", params={"query": "sum(up)by(job)"})
    assert valid(answer, "/format_query")["data"] == "sum by (job) (up)"


@pytest.mark.parametrize("path", ["format_query", "parse_query", "query"])
async def test_markup_in_a_text_is_escaped(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(f"/api/v1/{path}", params={"query": '"<&>\u2028"'})
    assert b"\\u003c\\u0026\\u003e" in answer.content
    assert "\u2028" not in answer.text


async def test_markup_in_labels_stays(client: httpx.AsyncClient) -> None:
    query = 'label_replace(vector(1), "a", "<&>", "", "")'
    answer = await client.get("/api/v1/query", params={"query": query})
    assert b'{"a":"<&>"}' in answer.content


@pytest.mark.parametrize("unread", ["query=2;", "query=%zz", "query=%1", "query=2;a=b"])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_unreadable_parameters_are_left_out(
    client: httpx.AsyncClient, unread: str, method: str
) -> None:
    path = f"/api/v1/query?{unread}&query=1&time=5"
    url = client.base_url.copy_with(raw_path=path.encode())
    answer = await client.request(method, url)
    assert answer.json()["data"]["result"] == [5, "1"]


async def test_big_answers_come_in_chunks_and_packed_for_others(settings: Settings) -> None:
    series = [
        ({"__name__": "m", "i": str(i)}, [(t, t * 1.1) for t in range(0, 1000)]) for i in range(100)
    ]
    big = Settings(route_prefix="", max_samples=10_000_000)
    params = {"query": "m[1s]", "time": 0.999}
    async with client_of(make_context(big, series), "192.0.2.1") as far:
        for accepted, coding in [
            ("gzip", "gzip"),
            ("gzip, zstd", "zstd"),
            ("zstd;q=0.5,*", "zstd"),
            ("deflate", "deflate"),
            ("deflate, gzip;q=0.5;x=y", "deflate"),
        ]:
            asked = {"Accept-Encoding": accepted}
            answer = await far.get("/api/v1/query", params=params, headers=asked)
            assert answer.headers["content-encoding"] == coding
            assert len(answer.json()["data"]["result"]) == 100
        plain = await far.get(
            "/api/v1/query", params=params, headers={"Accept-Encoding": "gzip;q=0"}
        )
        assert "content-encoding" not in plain.headers
    async with client_of(make_context(big, series)) as near:
        local = await near.get("/api/v1/query", params=params)
        assert "content-encoding" not in local.headers
    assert answer.json() == plain.json() == local.json()
    result = json.loads(local.text)["data"]["result"]
    assert len(result) == 100
    assert [float(v) for _, v in result[99]["values"]] == [t * 1.1 for t in range(1000)]


async def test_not_ready(context: Context) -> None:
    context.querier = context.engine = None
    async with client_of(context) as client:
        answer = await client.get("/api/v1/query", params={"query": "up"})
        assert (answer.status_code, answer.text) == (503, "Service Unavailable")
        assert answer.headers["x-prometheus-stopping"] == "false"
        assert (await client.get("/-/ready")).status_code == 503
        assert (await client.get("/-/healthy")).status_code == 200


async def test_errors_of_queries_say_where_and_what_to_do(
    client: httpx.AsyncClient, valid: Any
) -> None:
    answer = await client.get("/api/v1/query", params={"query": "sum(rate(up))"})
    assert valid(answer, "/query").keys() == {"status", "errorType", "error"}
    assert unquote(answer.headers["x-promlab-hint"]) == (
        "Add a time range in brackets: rate(up[5m])."
    )
    assert answer.headers["x-promlab-position"] == "9-11"
    answer = await client.get("/api/v1/query_range", params={**RANGE, "query": "up[5m]"})
    assert "put a function around the range" in unquote(answer.headers["x-promlab-hint"])
    answer = await client.get("/api/v1/query", params={"query": "sum é\r\nx-evil: 1"})
    assert "x-evil" not in answer.headers
    answer = await client.get("/api/v1/query", params={"query": "1", "time": "foo"})
    assert "x-promlab-position" not in answer.headers
