"""The same requests to the real Prometheus and to promlab: status, kind, keys, message."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from fake_server import client_of, make_context

from promlab.server.settings import Settings
from tests import real_programs

pytestmark = pytest.mark.peers

REQUESTS = [
    ("query", {"query": "1", "time": "1"}),
    ("query", {"query": '"a"', "time": "1435781451.781"}),
    ("query", {"query": "vector(0.1)", "time": "1970-01-01T00:00:01.5Z"}),
    ("query", {"query": "1e21 + 0", "time": "-5"}),
    ("query", {"query": "vector(1e21)", "time": "-5"}),
    ("query", {"query": "vector(1/0)", "time": "1"}),
    ("query", {"query": "nothing", "time": "1"}),
    ("query", {"query": "nothing[5m]", "time": "1"}),
    ("query", {}),
    ("query", {"query": " "}),
    ("query", {"query": "1", "time": "1_0"}),
    ("query", {"query": "1", "time": "1__0"}),
    ("query", {"query": "1", "time": "0x1p4"}),
    ("query", {"query": "1", "time": "0x10"}),
    ("query", {"query": "1", "time": "1e400"}),
    ("query", {"query": "1", "time": "foo"}),
    ("query", {"query": "1", "timeout": "foo"}),
    ("query", {"query": "1", "limit": "-1"}),
    ("query", {"query": "1", "limit": "x"}),
    ("query", {"query": "1", "lookback_delta": "x"}),
    ("query_range", {"query": "1", "start": "0", "end": "1", "step": "0.1"}),
    ("query_range", {"query": "vector(2)", "start": "0", "end": "11000", "step": "1"}),
    ("query_range", {"query": "vector(2)", "start": "0", "end": "11001", "step": "1"}),
    ("query_range", {"query": "1", "start": "0", "end": "1", "step": "0"}),
    ("query_range", {"query": "1", "start": "0", "end": "1", "step": "-1"}),
    ("query_range", {"query": "1", "start": "0", "end": "1"}),
    ("query_range", {"query": "1", "start": "0", "end": "1", "step": "1e30"}),
    ("query_range", {"query": "1", "start": "2", "end": "1", "step": "1"}),
    ("query_range", {"query": "1", "start": "x", "end": "1", "step": "1"}),
    ("query_range", {"query": "up[5m]", "start": "0", "end": "1", "step": "1"}),
    ("query_range", {"query": '"s"', "start": "0", "end": "1", "step": "1"}),
    ("labels", {"match[]": "{}"}),
    ("labels", {"match[]": ""}),
    ("labels", {"match[]": "x{"}),
    ("labels", {"start": "x"}),
    ("labels", {"limit": "x"}),
    ("labels", {"start": "2024-01-01t00:00:00z"}),
    ("series", {"start": "x"}),
    ("metadata", {"limit_per_metric": "99999999999999999999"}),
    ("label/a-b/values", {}),
    ("series", {}),
    ("series", {"match[]": "nothing"}),
    ("series", {"match[]": "{}"}),
    ("series", {"match[]": ""}),
    ("series", {"match[]": " "}),
    ("series", {"match[]": "sum(x)"}),
    ("series", {"match[]": "x[5m]"}),
    ("series", {"match[]": "x offset 5m"}),
    ("series", {"match[]": "(x)"}),
    ("series", {"match[]": "by"}),
    ("series", {"match[]": "-1"}),
    ("query_exemplars", {"query": "x{"}),
    ("query_exemplars", {"query": "x", "start": "2", "end": "1"}),
    ("targets", {"state": "active"}),
    ("targets/metadata", {"match_target": "{}"}),
    ("metadata", {"limit": "x"}),
    ("metadata", {"limit_per_metric": "x"}),
    ("targets/metadata", {"metric": "nothing"}),
    ("status/tsdb", {"limit": "x"}),
    ("rules", {}),
    ("rules", {"type": "alert"}),
    ("rules", {"type": "x"}),
    ("rules", {"exclude_alerts": "True"}),
    ("rules", {"exclude_alerts": "x"}),
    ("rules", {"match[]": "{"}),
    ("rules", {"match[]": "{}"}),
    ("rules", {"group_limit": "x"}),
    ("rules", {"group_limit": "0"}),
    ("rules", {"group_limit": "2"}),
    ("rules", {"group_next_token": "x"}),
    ("rules", {"group_limit": "1", "group_next_token": "x"}),
    ("alerts", {}),
    ("alertmanagers", {}),
    ("format_query", {"query": "sum(up)by(job)"}),
    ("format_query", {}),
    ("parse_query", {}),
    ("parse_query", {"query": "sum("}),
    ("nope", {}),
]
TREES = [
    "up",
    'up{a="b",c!~"d.+"} offset 5m',
    "rate(up[5m] offset -1m)",
    "up @ 100.5",
    "up @ start()",
    "max_over_time(rate(up[5m])[1h:1m] @ end() offset 3m)",
    "max_over_time(up[1h:])",
    "a + on(x) group_left(y) b",
    "a / ignoring(x) group_right b",
    "a and ignoring(z) b",
    "1 + 2",
    "-(up)",
    '"s"',
    "topk by (x) (3, up)",
    'count_values without (a) ("v", up)',
    "a == bool 1",
    "time()",
    "hour()",
    "round(up, 5)",
    'label_join(up, "a", "b", "c", "d")',
    "NaN + Inf - -1e100",
    "1h",
    "histogram_quantile(0.9, sum by (le) (rate(x_bucket[5m])))",
    '{__name__=~"a.+", job=""}',
    '{job="b", "up", a!="c"}',
    '{"up", "down"}',
    'up{z="1", b=~"2", a!="3", b!="4"}',
]


@pytest.fixture(scope="module")
def prometheus(peers: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    folder = tmp_path_factory.mktemp("prometheus")
    with real_programs.prometheus(peers, folder, "global: {scrape_interval: 1h}\n") as client:
        yield client


@pytest.fixture
def promlab_writer(context: Any) -> None:
    targets = {"active": [], "dropped": [], "dropped_counts": {}}
    answers = {
        "metadata": lambda *_: [],
        "head_stats": lambda *_: {},
        "targets": lambda *_: targets,
    }
    context.writer.answers = answers


@pytest.mark.parametrize(("path", "params"), REQUESTS)
async def test_same_answer(
    prometheus: httpx.Client,
    client: httpx.AsyncClient,
    promlab_writer: None,
    path: str,
    params: Any,
) -> None:
    theirs = await asyncio.to_thread(prometheus.get, f"/api/v1/{path}", params=params)
    ours = await client.get(f"/api/v1/{path}", params=params)
    assert ours.status_code == theirs.status_code
    assert ours.headers["content-type"] == theirs.headers["content-type"]
    assert ours.text == theirs.text


@pytest.mark.parametrize("query", TREES)
async def test_same_tree(prometheus: httpx.Client, client: httpx.AsyncClient, query: str) -> None:
    where = {"params": {"query": query}}
    theirs = await asyncio.to_thread(prometheus.get, "/api/v1/parse_query", **where)  # type: ignore[arg-type]
    ours = await client.get("/api/v1/parse_query", **where)  # type: ignore[arg-type]
    assert ours.json() == theirs.json()


async def test_the_tree_of_a_long_chain(
    prometheus: httpx.Client, client: httpx.AsyncClient
) -> None:
    """Nested so deeply that no parser of JSON in Python reads it: the same characters, then."""
    where = {"data": {"query": " + ".join(["x", *(f"{i}" for i in range(3000))])}}
    theirs = await asyncio.to_thread(prometheus.post, "/api/v1/parse_query", **where)  # type: ignore[arg-type]
    ours = await client.post("/api/v1/parse_query", **where)  # type: ignore[arg-type]
    assert ours.status_code == theirs.status_code == 200
    assert sorted(ours.text) == sorted(theirs.text.strip())


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/v1/admin/tsdb/snapshot"),
        ("POST", "/api/v1/admin/tsdb/delete_series?match[]=up"),
        ("PUT", "/api/v1/admin/tsdb/clean_tombstones"),
        ("GET", "/api/v1/admin/tsdb/snapshot"),
        ("OPTIONS", "/api/v1/query"),
        ("OPTIONS", "/api/v1/nothing"),
        ("OPTIONS", "/graph"),
        ("OPTIONS", "/metrics"),
        ("OPTIONS", "/-/healthy"),
        ("OPTIONS", "/-/reload"),
        ("POST", "/-/healthy"),
        ("DELETE", "/api/v1/query"),
        ("DELETE", "/api/v1/series?match[]=x"),
        ("HEAD", "/api/v1/query?query=1"),
        ("HEAD", "/federate"),
        ("HEAD", "/metrics"),
        ("GET", "/-/healthy/"),
        ("GET", "/federate?match[]={}"),
        ("GET", "/federate?match[]="),
        ("GET", "/api/v1/query_exemplars?query=1"),
        ("GET", "/federate"),
        ("GET", "/federate?match[]=up["),
        ("GET", "/nothing"),
        ("GET", "/graph?g0.expr=up&g0.tab=1"),
        ("POST", "/-/reload"),
        ("GET", "/-/reload"),
        ("POST", "/-/quit"),
        ("GET", "/-/healthy"),
        ("GET", "/-/ready"),
    ],
)
async def test_same_status(
    prometheus: httpx.Client,
    settings: Settings,
    method: str,
    path: str,
) -> None:
    headers = {"Origin": "http://elsewhere"}
    theirs = await asyncio.to_thread(prometheus.request, method, path, headers=headers)
    context = make_context(msgspec.structs.replace(settings, enable_remote_write=False))
    async with client_of(context) as client:
        ours = await client.request(method, path, headers=headers)
    assert ours.status_code == theirs.status_code
    for name in (
        "content-type",
        "location",
        "access-control-allow-origin",
        "vary",
        "allow",
        "access-control-expose-headers",
    ):
        mine, other = ours.headers.get(name, ""), theirs.headers.get(name, "")
        assert set(mine.split(", ")) == set(other.split(", ")), name
    if theirs.status_code < 400 or "parse error" not in theirs.text:
        assert ours.text == theirs.text
