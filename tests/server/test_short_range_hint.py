"""A header beside empty answers says that a range is too short for its function."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
from running import Target, running, until, write_config

from promlab.server.short_range_hint import header

HEADER = "x-promlab-hint"


async def hint(client: httpx.AsyncClient, query: str, path: str = "query", **more: Any) -> str:
    params = {"query": query, "time": 60} | more
    answer = await client.get(f"/api/v1/{path}", params=params)
    assert answer.status_code == 200
    return answer.headers.get(HEADER, "")


async def test_a_range_of_one_sample(client: httpx.AsyncClient) -> None:
    for _ in range(2):  # the second time it is remembered
        said = await hint(client, "sum(rate(hits_total[5s]))")
        assert said == (
            "rate needs two samples, and [5s] holds fewer: hits_total has one every 5s. "
            "Write [20s] or longer"
        )
    ranged = {"start": 50, "end": 60, "step": 5}
    assert "[20s] or longer" in await hint(
        client, "increase(hits_total[4s])", "query_range", **ranged
    )


@pytest.mark.parametrize(
    "query",
    [
        "rate(hits_total[1m])",  # it has an answer
        "rate(nothing[1s])",  # there is nothing at all
        "sum_over_time(nothing[1s])",
        "hits_total > 1e9",
        "rate(hits_total[5s] offset 10s)",  # not looked at
        "1",
    ],
)
async def test_none_elsewhere(client: httpx.AsyncClient, query: str) -> None:
    assert await hint(client, query) == ""


async def test_the_answer_itself_is_as_ever(client: httpx.AsyncClient) -> None:
    params = {"query": "rate(hits_total[5s])", "time": 60}
    answer = await client.get("/api/v1/query", params=params)
    found = answer.json()
    assert found["data"] == {"resultType": "vector", "result": []}
    assert HEADER in answer.headers


def test_names_cannot_add_headers() -> None:
    ((name, value),) = header("a\r\nSet-Cookie: x ä")
    assert (name, value) == (b"x-promlab-hint", b"a  Set-Cookie: x \\xe4")
    assert header("") == []


def test_a_real_server_says_it_at_once(tmp_path: Path) -> None:
    target = Target()
    write_config(tmp_path, target.address)
    with running(tmp_path) as server:
        until(lambda: (server.value("count_over_time(level[1m])") or 0) > 2, "scrapes")
        for _ in range(3):  # in a thread at first, then while the request is parsed
            answer = server.client.get("/api/v1/query", params={"query": "rate(level[100ms])"})
            assert "rate needs two samples" in answer.headers.get(HEADER, ""), answer.text
    target.close()
