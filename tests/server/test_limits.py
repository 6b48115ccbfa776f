"""What one query may cost, seen over HTTP: time, samples, memory, its turn, who waits for it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from running import Running, running, until

from tests.patience import PATIENCE_S

# A minute of work at least, in many steps; no term is the same as another one.
LONG = " + ".join(f"quantile_over_time({i / 1000}, vector({i})[1h:1s])" for i in range(1, 401))
RANGE = {"start": 1_700_000_000, "end": 1_700_011_000, "step": 1}
BIG = "count_over_time(vector(1)[100d:1s])"  # 8.6 million samples
TOO_BIG = "count_over_time(vector(1)[300d:1s])"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("limits")
    (folder / "p.yml").write_text("{}")
    flags = "--query.max-concurrency=1", "--query.max-memory=256MB", "--web.enable-lab-api=true"
    with running(folder, *flags) as made:
        yield made


def kind(answer: httpx.Response) -> tuple[int, str, str]:
    found: dict[str, Any] = answer.json()
    return answer.status_code, found["errorType"], found["error"]


def active(server: Running) -> list[int]:
    """Ids of the queries that are being evaluated."""
    found = server.client.get("/api/v1/lab/queries").json()["data"]["queries"]
    return [each["id"] for each in found]


def begin(server: Running) -> socket.socket:
    """A client that asks for the long one, and waits."""
    host, _, port = server.url.removeprefix("http://").partition(":")
    body = urlencode({"query": LONG, **RANGE}).encode()
    head = "POST /api/v1/query_range HTTP/1.1\r\nHost: x\r\n"
    head += "Content-Type: application/x-www-form-urlencoded\r\n"
    client = socket.create_connection((host, int(port)))
    client.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    until(lambda: active(server), "the long query")
    return client


def test_a_query_ends_in_the_middle_when_its_time_is_over(server: Running) -> None:
    asked = {"query": LONG, "timeout": "300ms", **RANGE}
    answer = server.client.post("/api/v1/query_range", data=asked)
    assert kind(answer) == (503, "timeout", "query timed out in expression evaluation")
    assert active(server) == []


def test_a_client_that_goes_takes_its_query_along(server: Running) -> None:
    begin(server).close()
    until(lambda: not active(server), "nothing to be evaluated")
    gauge = "prometheus_engine_queries 0"
    until(lambda: gauge in server.client.get("/metrics").text, "no query")


def test_queries_wait_for_their_turn_and_not_for_ever(server: Running) -> None:
    with begin(server):
        asked = {"query": f"{BIG} + 1", "timeout": "200ms"}
        answer = server.client.post("/api/v1/query", data=asked)
        assert kind(answer) == (503, "timeout", "query timed out in query queue")
        waiting: list[int] = []

        def wait() -> None:
            asked = {"query": "count_over_time(vector(2)[1d:1s])"}
            url = f"{server.url}/api/v1/query"
            waiting.append(httpx.post(url, data=asked, timeout=PATIENCE_S).status_code)

        thread = threading.Thread(target=wait)
        thread.start()
        [running_now] = active(server)
        assert server.client.delete(f"/api/v1/lab/queries/{running_now}").status_code == 200
        thread.join(PATIENCE_S)
        assert waiting == [200]


def test_memory_of_a_query_is_limited_and_given_back(server: Running) -> None:
    message = "query processing would load too many samples into memory in query execution"
    answer = server.client.post("/api/v1/query", data={"query": TOO_BIG})
    assert kind(answer) == (422, "execution", message)
    reader = server.child("reader")
    assert reader is not None
    before = reader.memory_info().rss
    answer = server.client.post("/api/v1/query", data={"query": BIG})
    assert answer.json()["data"]["result"][0]["value"][1] == f"{100 * 86_400}"
    # The query held 140 MB and more.
    until(lambda: reader.memory_info().rss < before + (70 << 20), "memory as before")
