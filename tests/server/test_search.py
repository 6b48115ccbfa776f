"""/api/v1/search/*: names for whoever types one."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fake_server import client_of, make_context

from promlab.server.context import Context
from promlab.server.fuzzy import jaro_winkler, subsequence
from promlab.server.settings import Settings


@pytest.fixture
def settings() -> Settings:
    return Settings(route_prefix="", features=["search-api"], search_max_limit=3)


@pytest.fixture
async def client(context: Context) -> AsyncIterator[httpx.AsyncClient]:
    metrics = [("up", "gauge", "Is it up?", "")]
    context.writer.answers["metadata"] = [{"labels": {}, "metrics": metrics}]  # type: ignore[attr-defined]
    async with client_of(context) as found:
        yield found


async def lines(client: httpx.AsyncClient, path: str, **params: Any) -> list[dict[str, Any]]:
    named = {key.rstrip("_") + "[]" * key.endswith("_"): value for key, value in params.items()}
    answer = await client.get(f"/api/v1/search/{path}", params=named)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/x-ndjson; charset=utf-8"
    return [json.loads(line) for line in answer.text.splitlines()]


async def test_everything_without_a_term(client: httpx.AsyncClient) -> None:
    assert await lines(client, "metric_names") == [
        {"results": [{"name": "evil"}, {"name": "hits_total"}, {"name": "up"}]},
        {"status": "success", "has_more": False},
    ]


async def test_batches_and_the_limit(client: httpx.AsyncClient) -> None:
    found = await lines(client, "label_names", batch_size="2", limit="100")
    assert [len(each["results"]) for each in found[:-1]] == [2, 1]
    assert found[-1] == {"status": "success", "has_more": True}


async def test_the_best_come_first(client: httpx.AsyncClient) -> None:
    found = await lines(client, "metric_names", search_="it", sort_by="score", include_score="1")
    (result,) = found[0]["results"]
    assert result["name"] == "hits_total"
    assert 0.5 < result["score"] < 1


async def test_terms_are_alternatives(client: httpx.AsyncClient) -> None:
    found = await lines(client, "metric_names", search_=["HITS", "Up"], case_sensitive="false")
    assert [each["name"] for each in found[0]["results"]] == ["hits_total", "up"]
    assert await lines(client, "metric_names", search_="HITS") == [
        {"status": "success", "has_more": False}
    ]


async def test_order_of_names(client: httpx.AsyncClient) -> None:
    found = await lines(client, "metric_names", sort_by="alpha", sort_dir="dsc")
    assert [each["name"] for each in found[0]["results"]] == ["up", "hits_total", "evil"]


async def test_values_of_a_label(client: httpx.AsyncClient) -> None:
    found = await lines(client, "label_values", label="instance", match_="up", search_="b")
    assert found[0] == {"results": [{"value": "b:1"}]}


async def test_metadata_of_metrics(client: httpx.AsyncClient) -> None:
    found = await lines(client, "metric_names", search_="up", include_metadata="true")
    wanted = {"name": "up", "type": "gauge", "help": "Is it up?", "unit": ""}
    assert found[0] == {"results": [wanted]}


async def test_typing_mistakes(client: httpx.AsyncClient) -> None:
    strict = {"fuzz_alg": "jarowinkler", "fuzz_threshold": "80"}
    found = await lines(client, "metric_names", search_="hist_total", **strict)
    assert [each["name"] for each in found[0]["results"]] == ["hits_total"]


async def test_it_has_to_be_asked_for() -> None:
    async with client_of(make_context(Settings(route_prefix=""))) as client:
        answer = await client.get("/api/v1/search/metric_names")
    assert (answer.status_code, answer.json()["errorType"]) == (500, "unavailable")


def test_measures() -> None:
    assert subsequence("hrt", "http_requests_total") > 0
    assert subsequence("xyz", "http_requests_total") == 0
    assert subsequence("http", "http") == 1
    assert subsequence("http", "http_requests") > subsequence("hrqs", "http_requests")
    assert jaro_winkler("martha", "marhta") == pytest.approx(0.9611, abs=1e-4)
