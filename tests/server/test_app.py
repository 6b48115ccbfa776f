from __future__ import annotations

from typing import Any

import httpx
import msgspec
import pytest
from fake_server import client_of, make_context

from promlab.errors import NotReady
from promlab.server.context import Context
from promlab.server.settings import Settings

TARGET = {
    "discoveredLabels": {"__address__": "a:1"},
    "labels": {"job": "j"},
    "scrapePool": "j",
    "scrapeUrl": "http://a:1/metrics",
    "globalUrl": "http://a:1/metrics",
    "lastError": "",
    "lastScrape": "2026-01-01T00:00:00Z",
    "lastScrapeDuration": 0.1,
    "health": "up",
    "scrapeInterval": "15s",
    "scrapeTimeout": "10s",
}
DROPPED = {"discoveredLabels": {"__address__": "b:1"}, "scrapePool": "k"}
METADATA = [
    {"labels": {"job": "j"}, "metrics": [("up", "gauge", "Up.", ""), ("n", "counter", "N", "s")]},
    {"labels": {"job": "k"}, "metrics": [("up", "gauge", "Up?", ""), ("up", "gauge", "Up.", "")]},
]


@pytest.fixture
def asked(context: Context) -> Context:
    answers: Any = {
        "targets": {"active": [TARGET], "dropped": [DROPPED], "dropped_counts": {"j": 0, "k": 1}},
        "scrape_pools": ["k", "j"],
        "config": {"yaml": "global: {}\n", "reload_successful": True, "reloaded_s": 1.5},
        "head_stats": {
            "numSeries": 4, "numLabelPairs": 9, "chunkCount": 0, "minTime": 0, "maxTime": 1,
        },
        "metrics": {
            "pid": 1,
            "tasks": 2,
            "text": "# TYPE writer_things gauge\nwriter_things 1\n",
            "discovery": [["prometheus_sd_updates_total", {"name": "scrape"}, 2]],
        },
    }  # fmt: skip

    def metadata(wanted: str, _columns: Any) -> Any:
        return [
            {**each, "metrics": [m for m in each["metrics"] if wanted in ("", m[0])]}
            for each in METADATA
        ]

    context.writer.answers = {**answers, "metadata": metadata}  # type: ignore[attr-defined]
    return context


@pytest.mark.parametrize(
    "path",
    [
        "targets",
        "scrape_pools",
        "metadata",
        "targets/metadata",
        "status/buildinfo",
        "status/runtimeinfo",
        "status/config",
        "status/flags",
        "status/tsdb",
        "status/walreplay",
        "notifications",
    ],
)
async def test_answers_are_valid(
    asked: Context, client: httpx.AsyncClient, valid: Any, path: str
) -> None:
    found = valid(await client.get(f"/api/v1/{path}"), f"/{path}")
    assert found["status"] == "success"


@pytest.mark.parametrize(
    ("params", "active", "dropped"),
    [
        ({}, 1, 1),
        ({"state": "any"}, 1, 1),
        ({"state": "active"}, 1, 0),
        ({"state": "dropped"}, 0, 1),
        ({"scrapePool": "k"}, 0, 1),
        ({"scrapePool": "j"}, 1, 0),
    ],
)
async def test_targets(
    asked: Context, client: httpx.AsyncClient, params: Any, active: int, dropped: int
) -> None:
    found = (await client.get("/api/v1/targets", params=params)).json()["data"]
    assert (len(found["activeTargets"]), len(found["droppedTargets"])) == (active, dropped)


async def test_metadata(asked: Context, client: httpx.AsyncClient) -> None:
    async def ask(path: str, **params: Any) -> Any:
        return (await client.get(f"/api/v1/{path}", params=params)).json()["data"]

    assert await ask("metadata") == {
        "up": [
            {"type": "gauge", "unit": "", "help": "Up."},
            {"type": "gauge", "unit": "", "help": "Up?"},
        ],
        "n": [{"type": "counter", "unit": "s", "help": "N"}],
    }
    assert list(await ask("metadata", limit=1)) == ["up"]
    assert len((await ask("metadata", limit_per_metric=1))["up"]) == 1
    assert list(await ask("metadata", metric="n")) == ["n"]
    found = await ask("targets/metadata", match_target='{job="k"}', limit=1)
    assert found[0] == {
        "target": {"job": "k"}, "metric": "up", "type": "gauge", "help": "Up?", "unit": ""
    }  # fmt: skip
    assert {one["target"]["job"] for one in found} == {"k"}  # no target ends in the middle
    assert await ask("targets/metadata", limit=0) == []
    assert "metric" not in (await ask("targets/metadata", metric="n"))[0]
    bad = await client.get("/api/v1/metadata", params={"limit": "x"})
    assert (bad.status_code, bad.json()["error"]) == (400, "limit must be a number")


async def test_cardinality(asked: Context, client: httpx.AsyncClient) -> None:
    found = (await client.get("/api/v1/status/tsdb", params={"limit": 1})).json()["data"]
    assert found["seriesCountByMetricName"] == [{"name": "up", "value": 2}]
    assert found["seriesCountByLabelValuePair"] == [{"name": "job=api", "value": 3}]
    assert found["labelValueCountByLabelName"] == [{"name": "__name__", "value": 3}]
    for limit in ("0", "x", "10001", "-1"):
        bad = await client.get("/api/v1/status/tsdb", params={"limit": limit})
        assert bad.json()["error"] == "limit must be a positive number"


async def test_metrics_of_both_processes(asked: Context, client: httpx.AsyncClient) -> None:
    from prometheus_client.parser import text_string_to_metric_families

    await client.get("/api/v1/query", params={"query": "up", "time": 60})
    families = {
        f.name: f for f in text_string_to_metric_families((await client.get("/metrics")).text)
    }
    requests = families["prometheus_http_requests"].samples[0]
    assert requests.labels == {"handler": "/api/v1/query", "code": "200"}
    for name in ("prometheus_build_info", "prometheus_ready", "prometheus_engine_queries",
                 "prometheus_engine_query_duration_seconds", "writer_things",
                 "process_resident_memory_bytes"):  # fmt: skip
        assert name in families
    context = asked
    context.writer.answers["metrics"] = NotReady("gone")  # type: ignore[attr-defined]
    assert "prometheus_ready 1" in (await client.get("/metrics")).text


async def test_a_writer_that_is_away_is_not_an_error_of_the_client(
    context: Context, client: httpx.AsyncClient
) -> None:
    context.writer.answers["targets"] = NotReady("away")  # type: ignore[attr-defined]
    assert (await client.get("/api/v1/targets")).status_code == 503


@pytest.mark.parametrize(
    ("method", "path", "status", "words"),
    [
        ("GET", "/-/healthy", 200, "Prometheus Server is Healthy.\n"),
        ("HEAD", "/-/healthy", 200, ""),
        ("GET", "/-/ready", 200, "Prometheus Server is Ready.\n"),
        ("GET", "/-/reload", 405, "Only POST or PUT requests allowed"),
        ("POST", "/-/reload", 403, "Lifecycle API is not enabled."),
        ("PUT", "/-/quit", 403, "Lifecycle API is not enabled."),
        ("GET", "/nope", 404, "404 page not found\n"),
        ("GET", "/api/v1/nope", 404, "404 page not found\n"),
        ("GET", "/static/app.py", 404, "404 page not found\n"),
        ("DELETE", "/api/v1/query", 405, "Method Not Allowed\n"),
        ("GET", "/api/v1/write", 405, "Method Not Allowed\n"),
        ("OPTIONS", "/api/v1/query", 204, ""),
    ],
)
async def test_plain_paths(
    client: httpx.AsyncClient, method: str, path: str, status: int, words: str
) -> None:
    answer = await client.request(method, path)
    assert (answer.status_code, answer.text) == (status, words)


@pytest.mark.parametrize(
    ("method", "path", "status", "where"),
    [
        ("GET", "//x", 301, "/x"),
        ("GET", "/api//v1/query?query=1+%3C", 301, "/api/v1/query?query=1+%3C"),
        ("PUT", "/a/%2e%2e/b", 301, "/b"),
        ("GET", "/%2e%2e//evil.example/", 301, "/evil.example/"),
        ("GET", "/a//%20[%C3%A9%0d%0a", 301, "/a/%20%5B%C3%A9%0D%0A"),
        ("GET", "/api/v1/label//values", 301, "/api/v1/label/values"),
        ("GET", "/debug/pprof//heap", 301, "/debug/pprof/heap"),
        ("OPTIONS", "/api/v1", 301, "/api/v1/"),
        ("POST", "/debug/pprof?a=b", 301, "/debug/pprof/"),
        ("GET", "/debug", 301, "/debug/"),
        ("GET", "/static?a=b", 301, "/static/?a=b"),
        ("GET", "/metrics/", 301, "/metrics"),
        ("POST", "/metrics/", 404, None),
        ("OPTIONS", "/metrics/", 404, None),
        ("HEAD", "/-/healthy/", 307, "/-/healthy"),
        ("POST", "/-/reload/", 307, "/-/reload"),
        ("GET", "/api/v1/label/a/values/?limit=1", 301, "/api/v1/label/a/values?limit=1"),
        ("DELETE", "/api/v1/lab/queries/", 404, None),
        ("POST", "/api/v1/query/", 307, "/api/v1/query"),
        ("GET", "/graph", 302, "/query?"),
        ("GET", "/graph?a=b&c", 302, "/query?a=b&c"),
        ("GET", "/?a=b", 302, "/query"),
        ("POST", "/static/x", 405, None),
        ("HEAD", "/favicon.ico", 405, None),
        ("GET", "/favicon.ico", 404, None),
        ("HEAD", "/-/reload", 405, None),
        ("GET", "/debug/x", 404, None),
        ("POST", "/user/x", 404, None),
    ],
)
async def test_paths_that_lead_elsewhere(
    client: httpx.AsyncClient, method: str, path: str, status: int, where: str | None
) -> None:
    url = client.base_url.copy_with(raw_path=path.encode())
    answer = await client.request(method, url, follow_redirects=False)
    assert (answer.status_code, answer.headers.get("location")) == (status, where)
    if where is not None and method != "GET":
        assert not answer.content
    elif where is not None:
        assert answer.text.startswith('<a href="/')
        assert "&c" not in answer.text


async def test_labels_may_have_slashes(client: httpx.AsyncClient) -> None:
    url = client.base_url.copy_with(raw_path=b"/api/v1/label/a%2F%2Fb/values")
    assert (await client.get(url)).json()["data"] == []


async def test_paths_for_servers_and_unknown_ones_are_not_shared(
    client: httpx.AsyncClient,
) -> None:
    origin = {"Origin": "http://a"}
    for method, path in (("POST", "/api/v1/write"), ("POST", "/api/v1/read"), ("OPTIONS", "/x")):
        answer = await client.request(method, path, headers=origin)
        assert not {"vary", "access-control-allow-origin"} & set(answer.headers)
    answer = await client.options("/api/v1/write", headers=origin)
    assert (answer.status_code, answer.headers["vary"]) == (204, "Origin")


async def test_reload_and_its_failure(context: Context) -> None:
    settings = msgspec.structs.replace(context.settings, enable_lifecycle=True)
    context = make_context(settings)
    context.writer.answers["reload"] = lambda *_: {}  # type: ignore[attr-defined]
    config = {"version": "1", "text": "global: {external_labels: {a: b}}"}
    context.writer.answers["config_text"] = lambda *_: config  # type: ignore[attr-defined]
    async with client_of(context) as client:
        assert (await client.post("/-/reload")).status_code == 200
        del context.writer.answers["reload"]  # type: ignore[attr-defined]
        answer = await client.post("/-/reload")
        assert answer.status_code == 500
        assert answer.text.startswith("failed to reload config: ")


async def test_cors(client: httpx.AsyncClient) -> None:
    path = "/api/v1/status/buildinfo"
    answer = await client.get(path, headers={"Origin": "http://a"})
    assert answer.headers["access-control-allow-origin"] == "http://a"
    assert answer.headers["vary"] == "Origin"
    assert "access-control-allow-origin" not in (await client.get(path)).headers
    picky = make_context(Settings(route_prefix="", cors_origin=r"https://(a|b)\.com"))
    async with client_of(picky) as other:
        for origin, allowed in (("https://a.com", True), ("https://a.com.evil", False)):
            answer = await other.get(path, headers={"Origin": origin})
            assert ("access-control-allow-origin" in answer.headers) == allowed
            assert answer.headers["access-control-expose-headers"] == "Date"


async def test_route_prefix() -> None:
    context = make_context(Settings(route_prefix="/lab"))
    async with client_of(context) as client:
        assert (await client.get("/lab/api/v1/query", params={"query": "1"})).status_code == 200
        assert (await client.get("/lab/api/v1/label/job/values")).json()["data"] == ["api"]
        assert (await client.get("/lab/-/healthy")).status_code == 200
        for path in ("/api/v1/query", "/labs/api/v1/query", "/-/healthy"):
            assert (await client.get(path)).status_code == 404
        for path in ("/", "/lab"):
            assert (await client.get(path)).headers["location"] == "/lab/"
        for path, where in {
            "/lab/api/v1": "/lab/api/v1/",
            "/lab/-/ready/": "/lab/-/ready",
            "/lab/%2e%2e/x": "/x",
            "/lab/debug/pprof": "/lab/debug/pprof/",
        }.items():
            url = client.base_url.copy_with(raw_path=path.encode())
            answer = await client.get(url)
            assert (answer.status_code, answer.headers["location"]) == (301, where)
        assert (await client.get("/lab/")).headers["location"] == "/lab/query"


async def test_pages(client: httpx.AsyncClient) -> None:
    scripts = {"query": "query", "alerts": "rules", "rules": "rules", "targets": "targets"}
    scripts |= {"service-discovery": "discovery", "status": "status", "tsdb-status": "status"}
    scripts |= {"flags": "status", "config": "status", "alertmanager-discovery": "status"}
    for page, script in scripts.items():
        answer = await client.get(f"/{page}")
        assert answer.status_code == 200
        assert "script-src 'self'" in answer.headers["content-security-policy"]
        assert f'<a href="{page}" aria-current="page">' in answer.text
        assert "{{" not in answer.text
        for asset in ("static/pages.css", f"static/{script}.js"):
            assert f'"{asset}"' in answer.text
            assert (await client.get(f"/{asset}")).status_code == 200
    ours = ("pages", "graph", "query", "panel", "explorer", "times", "rules", "targets", "status")
    for name in (*ours, "discovery"):
        script = (await client.get(f"/static/{name}.js")).text
        for danger in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
            assert danger not in script
    assert "promqlEditor" in (await client.get("/static/editor.js")).text
    answer = await client.get("/graph", params={"g0.expr": 'up{a="b"}', "x": "\r\nSet-Cookie: a=b"})
    assert answer.status_code == 302
    assert answer.headers["location"].startswith("/query?g0.expr=up")
    assert "\n" not in answer.headers["location"]


async def test_a_title_is_text() -> None:
    context = make_context(Settings(route_prefix="", page_title="<script>alert(1)</script>"))
    async with client_of(context) as client:
        assert "<script>alert" not in (await client.get("/query")).text


async def test_an_unexpected_error_tells_nothing(
    context: Context, client: httpx.AsyncClient
) -> None:
    context.querier.label_names = None  # type: ignore[union-attr,assignment]
    answer = await client.get("/api/v1/labels")
    assert answer.status_code == 500
    assert answer.json() == {
        "status": "error",
        "errorType": "internal",
        "error": "internal error: the server's log says more",
    }
