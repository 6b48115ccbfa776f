"""Every path of the API's OpenAPI document: good answers and bad ones have the shape it says."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
import yaml
from fake_server import client_of, make_context

from promlab.errors import NotReady
from promlab.server import pages
from promlab.server.context import Context
from promlab.server.routes import routes
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
CONFIG = """
global: {external_labels: {region: eu, instance: far}}
scrape_configs:
- job_name: j
  basic_auth: {username: u, password: hidden-word}
  relabel_configs:
  - {source_labels: [__address__], target_label: x}
  - {source_labels: [x], regex: bad, action: drop}
"""


@pytest.fixture
def settings() -> Settings:
    return Settings(route_prefix="", features=["search-api"], enable_admin=True, max_samples=1000)


@pytest.fixture
def context(settings: Settings) -> Context:
    context = make_context(settings, config=CONFIG)
    answers: dict[str, Any] = {
        "targets": {"active": [TARGET], "dropped": [], "dropped_counts": {"j": 0}},
        "scrape_pools": ["j"],
        "metadata": [{"labels": {"job": "j"}, "metrics": [("up", "gauge", "Up.", "")]}],
        "config": {"yaml": "global: {}\n", "reload_successful": True, "reloaded_s": 1.5},
        "head_stats": {
            "numSeries": 4, "numLabelPairs": 9, "chunkCount": 0, "minTime": 0, "maxTime": 1,
        },
        "metrics": {"pid": 1, "tasks": 2, "text": "# TYPE a gauge\na 1\n", "discovery": []},
        "replay": {"min": 0, "max": 0, "current": 0},
        "blocks": [],
        "snapshot": "20260101T000000Z-0123456789abcdef",
        "delete_series": True,
        "clean_tombstones": True,
    }  # fmt: skip
    context.writer.answers = answers  # type: ignore[attr-defined]
    return context


GOOD: list[tuple[str, str, dict[str, Any]]] = [
    ("GET", "/query", {"query": "up", "time": "60"}),
    ("POST", "/query", {"query": "up", "time": "60", "stats": "all"}),
    ("GET", "/query", {"query": "up[1m]", "time": "60", "limit": "1"}),
    ("GET", "/query", {"query": "1"}),
    # A string has no schema that fits: the document says that its time is text, too.
    ("GET", "/query", {"query": "time()", "lookback_delta": "1m"}),
    ("GET", "/query_range", {"query": "up", "start": "0", "end": "60", "step": "10"}),
    ("POST", "/query_range", {"query": "evil", "start": "40", "end": "70", "step": "5s"}),
    ("GET", "/format_query", {"query": "sum(up)by(job)"}),
    ("POST", "/format_query", {"query": "up"}),
    ("GET", "/parse_query", {"query": "a+on(x)group_left(y)b"}),
    ("POST", "/parse_query", {"query": "max_over_time(up[5m:1m] @ end())"}),
    ("GET", "/labels", {}),
    ("POST", "/labels", {"match[]": ["up", "evil"], "limit": "1"}),
    ("GET", "/label/job/values", {"start": "0", "end": "100"}),
    ("GET", "/series", {"match[]": "up"}),
    ("POST", "/series", {"match[]": ["up", "evil"], "limit": "2"}),
    ("GET", "/metadata", {"limit_per_metric": "1"}),
    ("GET", "/scrape_pools", {}),
    ("GET", "/scrape_pools/config", {"scrapePool": "j"}),
    ("GET", "/targets", {"state": "any"}),
    ("GET", "/targets/metadata", {"match_target": '{job="j"}'}),
    ("GET", "/targets/relabel_steps", {"scrapePool": "j", "labels": '{"__address__":"a:1"}'}),
    ("GET", "/targets/relabel_steps", {"scrapePool": "j", "labels": '{"__address__":"bad"}'}),
    ("GET", "/rules", {"type": "alert"}),
    ("GET", "/alerts", {}),
    ("GET", "/alertmanagers", {}),
    ("GET", "/status/config", {}),
    ("GET", "/status/runtimeinfo", {}),
    ("GET", "/status/buildinfo", {}),
    ("GET", "/status/flags", {}),
    ("GET", "/status/tsdb", {"limit": "3"}),
    ("GET", "/status/tsdb/blocks", {}),
    ("GET", "/status/walreplay", {}),
    ("GET", "/status/self_metrics", {"metric_name_pattern": "prometheus_.+"}),
    ("GET", "/features", {}),
    ("GET", "/notifications", {}),
    ("POST", "/admin/tsdb/snapshot", {"skip_head": "true"}),
    ("PUT", "/admin/tsdb/snapshot", {}),
]

# Path, parameters, status, kind, and how its text begins.
BAD: list[tuple[str, dict[str, Any], int, str, str]] = [
    ("/query", {"query": "up["}, 400, "bad_data", 'invalid parameter "query": 1:4: parse error'),
    ("/query", {"query": "up", "time": "x"}, 400, "bad_data", 'invalid parameter "time"'),
    ("/query", {"query": "up", "limit": "-1"}, 400, "bad_data", 'invalid parameter "limit"'),
    ("/query", {"query": "up", "timeout": "x"}, 400, "bad_data", 'invalid parameter "timeout"'),
    ("/query", {"query": "up", "timeout": "0s"}, 503, "timeout", "query timed out"),
    ("/query", {"query": "up", "lookback_delta": "x"}, 400, "bad_data", "error parsing lookback"),
    ("/query", {"query": "up + on() group_left() up", "time": "60"}, 422, "execution", ""),
    ("/query_range", {"query": "up"}, 400, "bad_data", 'invalid parameter "start"'),
    (
        "/query_range",
        {"query": "up", "start": "0", "end": "1e6", "step": "1"},
        400, "bad_data", "exceeded maximum resolution of 11,000 points",
    ),
    (
        "/query_range",
        {"query": "up[1m]", "start": "0", "end": "1", "step": "1"},
        400, "bad_data", 'invalid parameter "query": invalid expression type "range vector"',
    ),
    ("/format_query", {}, 400, "bad_data", 'invalid parameter "query"'),
    ("/parse_query", {"query": "sum("}, 400, "bad_data", 'invalid parameter "query"'),
    ("/labels", {"match[]": "{}"}, 400, "bad_data", "match[] must contain at least one non-empty"),
    ("/labels", {"limit": "x"}, 400, "bad_data", 'invalid parameter "limit"'),
    ("/series", {}, 400, "bad_data", "no match[] parameter provided"),
    ("/series", {"match[]": "up + up"}, 400, "bad_data", 'invalid parameter "match[]"'),
    ("/metadata", {"limit": "x"}, 400, "bad_data", "limit must be a number"),
    ("/scrape_pools/config", {}, 400, "bad_data", "scrapePool parameter is required"),
    ("/scrape_pools/config", {"scrapePool": "n"}, 404, "not_found", 'scrape pool "n" not found'),
    ("/targets/relabel_steps", {}, 400, "bad_data", "no scrapePool parameter"),
    ("/targets/relabel_steps", {"scrapePool": "j"}, 400, "bad_data", "no labels parameter"),
    (
        "/targets/relabel_steps",
        {"scrapePool": "j", "labels": "[1]"},
        400, "bad_data", 'invalid parameter "labels"',
    ),
    ("/targets/metadata", {"match_target": "{"}, 400, "bad_data", ""),
    ("/rules", {"exclude_alerts": "x"}, 400, "bad_data", 'invalid parameter "exclude_alerts"'),
    ("/status/tsdb", {"limit": "0"}, 400, "bad_data", "limit must be a positive number"),
    ("/status/self_metrics", {"metric_name_pattern": "("}, 400, "bad_data", "invalid parameter"),
    ("/search/metric_names", {"fuzz_alg": "x"}, 400, "bad_data", 'invalid parameter "fuzz_alg"'),
    ("/search/metric_names", {"fuzz_threshold": "101"}, 400, "bad_data", "invalid parameter"),
    ("/search/metric_names", {"sort_dir": "asc"}, 400, "bad_data", "invalid parameter"),
    ("/search/metric_names", {"limit": "0"}, 400, "bad_data", 'invalid parameter "limit"'),
    ("/search/label_values", {}, 400, "bad_data", 'invalid parameter "label"'),
]  # fmt: skip

# Answered by parts of the server that may not be there yet.
ELSEWHERE = {"/query_exemplars", "/read", "/otlp/v1/metrics"}


@pytest.mark.shared
def test_every_documented_path_is_there(shared: Any) -> None:
    document = yaml.safe_load((shared / "contract" / "openapi_3.1.yaml").read_text())
    ours = {p.removeprefix("/api/v1"): route for p, route in routes().items() if route.is_api}
    assert set(document["paths"]) - set(ours) <= ELSEWHERE
    for path, operations in document["paths"].items():
        if path in ours:
            assert {method.upper() for method in operations} <= ours[path].methods


@pytest.mark.shared
def test_every_documented_path_is_tried(shared: Any) -> None:
    document = yaml.safe_load((shared / "contract" / "openapi_3.1.yaml").read_text())
    tried = {path for _, path, _ in GOOD} | {path for path, *_ in BAD}
    tried = {"/label/{name}/values" if path.startswith("/label/") else path for path in tried}
    elsewhere = {"/write", "/search/label_names", "/admin/tsdb/delete_series"}
    elsewhere |= {"/admin/tsdb/clean_tombstones"}
    assert set(document["paths"]) - tried <= ELSEWHERE | elsewhere


@pytest.mark.shared
@pytest.mark.parametrize(("method", "path", "params"), GOOD, ids=lambda each: str(each)[:40])
async def test_good_answers(
    client: httpx.AsyncClient, valid: Any, method: str, path: str, params: dict[str, Any]
) -> None:
    where = {"params": params} if method == "GET" else {"data": params}
    if path.startswith("/admin"):
        where = {"params": params}
    answer = await client.request(method, f"/api/v1{path}", **where)  # type: ignore[arg-type]
    assert answer.status_code == 200, answer.text
    documented = "/label/{name}/values" if path.startswith("/label/") else path
    assert valid(answer, documented)["status"] == "success"


@pytest.mark.shared
@pytest.mark.parametrize(("path", "params", "status", "kind", "words"), BAD)
async def test_bad_answers(
    client: httpx.AsyncClient,
    valid: Any,
    path: str,
    params: dict[str, Any],
    status: int,
    kind: str,
    words: str,
) -> None:
    answer = await client.get(f"/api/v1{path}", params=params)
    assert (answer.status_code, answer.json()["errorType"]) == (status, kind), answer.text
    found = valid(answer, path)
    assert found["status"] == "error"
    assert found["error"].startswith(words)


@pytest.mark.parametrize("path", sorted(routes()))
async def test_nothing_is_answered_before_the_server_is_ready(path: str, context: Context) -> None:
    context.querier = context.engine = context.rules = None
    route = routes()[path]
    method = "GET" if "GET" in route.methods else max(route.methods)
    if route.handler is pages.missing or path in (
        "/user/{path*}",
        "/-/reload",
        "/-/quit",
        "/api/v1/notifications/live",
    ):
        return
    context.writer.answers["metrics"] = NotReady("not yet")  # type: ignore[attr-defined]
    async with client_of(context) as client:
        answer = await client.request(method, path.replace("{name}", "job").replace("{id}", "1"))
    if route.waits or path == "/-/ready":
        assert (answer.status_code, answer.text) == (503, "Service Unavailable")
        assert answer.headers["x-prometheus-stopping"] == "false"
    else:
        assert answer.status_code in (200, 301, 302)


async def test_an_agent_has_no_queries(settings: Settings) -> None:
    import msgspec

    context = make_context(msgspec.structs.replace(settings, agent=True))
    async with client_of(context) as client:
        for path in ("query?query=1", "labels", "rules", "alerts", "status/tsdb", "series"):
            answer = await client.get(f"/api/v1/{path}")
            assert answer.status_code == 422
            assert answer.json()["errorType"] == "execution"
            assert answer.json()["error"] == "unavailable with Prometheus Agent"
        for path in ("/api/v1/read", "/federate"):
            answer = await client.request("POST" if "read" in path else "GET", path)
            assert answer.status_code == 500
            assert answer.text == "unsupported operation with WAL-only storage\n"
        assert (await client.get("/api/v1/status/buildinfo")).status_code == 200
        assert (await client.get("/-/healthy")).text == "Prometheus Agent is Healthy.\n"
        assert (await client.get("/")).headers["location"] == "/agent"
        assert "agent.js" in (await client.get("/agent")).text
        for path in ("/query", "/alerts", "/rules", "/tsdb-status"):
            assert (await client.get(path)).status_code == 404


async def test_the_configuration_of_a_pool_keeps_its_secrets(client: httpx.AsyncClient) -> None:
    answer = await client.get("/api/v1/scrape_pools/config", params={"scrapePool": "j"})
    assert "hidden-word" not in answer.text
    assert "<secret>" in answer.json()["data"]["yaml"]


async def test_steps_of_relabelling_end_where_a_target_is_dropped(
    client: httpx.AsyncClient,
) -> None:
    params = {"scrapePool": "j", "labels": '{"__address__":"bad"}'}
    answer = await client.get("/api/v1/targets/relabel_steps", params=params)
    steps = answer.json()["data"]["steps"]
    assert [step["keep"] for step in steps] == [True, False]
    assert steps[0]["output"] == {"__address__": "bad", "x": "bad"}
    assert steps[1]["rule"]["regex"] == "bad"


@pytest.mark.parametrize("path", ["delete_series?match[]=up", "clean_tombstones", "snapshot"])
async def test_admin_paths_are_off_unless_asked_for(path: str, settings: Settings) -> None:
    import msgspec

    context = make_context(msgspec.structs.replace(settings, enable_admin=False))
    async with client_of(context) as client:
        answer = await client.post(f"/api/v1/admin/tsdb/{path}")
    assert answer.status_code == 500
    assert answer.json() == {
        "status": "error",
        "errorType": "unavailable",
        "error": "admin APIs disabled",
    }


async def test_deleting_series_asks_the_writer(client: httpx.AsyncClient, context: Context) -> None:
    params = {"match[]": ['up{a!="b"}', "evil"], "start": "1", "end": "2"}
    answer = await client.put("/api/v1/admin/tsdb/delete_series", params=params)
    assert (answer.status_code, answer.content) == (204, b"")
    kind, body, _ = context.writer.asked[-1]  # type: ignore[attr-defined]
    assert kind == "delete_series"
    assert body["matchers"][0] == [["__name__", "=", "up"], ["a", "!=", "b"]]
    assert (body["start_ms"], body["end_ms"]) == (1000, 2000)
    assert (await client.post("/api/v1/admin/tsdb/clean_tombstones")).status_code == 204
    missing = await client.post("/api/v1/admin/tsdb/delete_series")
    assert missing.json()["error"] == "no match[] parameter provided"
    bad = await client.post("/api/v1/admin/tsdb/snapshot", params={"skip_head": "x"})
    assert bad.json()["error"].startswith('invalid parameter "skip_head": unable to parse boolean')


@pytest.mark.shared
async def test_features_are_those_that_are_documented(
    client: httpx.AsyncClient, shared: Any
) -> None:
    """Everything that Prometheus names is named here, and is on unless it is listed below."""
    theirs = json.loads((shared / "contract" / "features.json").read_text())
    ours = (await client.get("/api/v1/features")).json()["data"]
    off = {
        ("api", "openapi_3.1"),
        ("api", "openapi_3.2"),
        ("prometheus", "stringlabels"),  # how its memory is laid out
    }
    categories = set(theirs) - {"service_discovery_providers", "tsdb", "scrape"}
    for category in categories:
        for name, on in theirs[category].items():
            if on and (category, name) not in off:
                assert ours[category][name], (category, name)
    assert set(ours["service_discovery_providers"]) == set(theirs["service_discovery_providers"])
