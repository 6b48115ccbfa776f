"""The same remote write requests to the real Prometheus and to this server: the same outcome."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from write_bodies import V1, V2, Histogram, Series, compressed, headers, version_1, version_2

from tests.real_programs import prometheus
from tests.server.running import running

pytestmark = [pytest.mark.peers, pytest.mark.slow]

FLAGS = [
    "--web.enable-remote-write-receiver",
    "--enable-feature=exemplar-storage,native-histograms",
]
MESSAGES = [f"--web.remote-write-receiver.accepted-protobuf-messages={kind}" for kind in (V1, V2)]
CONFIG = "global: {scrape_interval: 1h}\nstorage: {tsdb: {out_of_order_time_window: %s}}\n"


@pytest.fixture(params=["0s", "10m"])
def servers(request: pytest.FixtureRequest, tmp_path: Path, peers: Path) -> Iterator[Any]:
    """Clients of the real one and of this one, with and without an out-of-order window."""
    config = CONFIG % request.param
    (tmp_path / "p.yml").write_text(config)
    with (
        prometheus(peers, tmp_path / "real", config, *FLAGS, *MESSAGES) as client,
        running(tmp_path, *FLAGS, *MESSAGES) as own,
    ):
        yield client, own.client


def series(name: str, *samples: tuple[int, float | Histogram], **more: Any) -> Series:
    return Series({"__name__": name}, [(t, value, 0) for t, value in samples], **more)


def made(*counts: int, **more: Any) -> Histogram:
    buckets = dict(enumerate(counts))
    return Histogram(count=sum(counts), sum=1.0, positive=buckets, **more)


def requests(now: int) -> list[tuple[str, list[Series]]]:
    trace = {"trace_id": "x"}
    late = [(now - 1000 * i, 1.0) for i in range(1, 4)]
    hour, custom = 3_600_000, made(1, 2, schema=-53, bounds=(1.0, 2.0))
    each: list[list[Series]] = [
        [series("g", (now, 1.0)), series("h", (now, made(1, 2)))],
        [series("g", (now, 1.0)), series("h", (now, made(1, 2)))],  # once more
        [series("g", (now, 2.0)), series("g1", (now, 1.0))],
        [series("h", (now, made(2, 2))), series("h1", (now, made(1)))],
        [series("h", *((t, made(1)) for t, _ in late)), series("h2", (now, made(3, 0, 1)))],
        [series("g", *late), series("g2", (now, 1.0))],
        [series("g", *late), series("g2", (now, 1.0))],  # the late ones again
        [series("g", (now - 20 * hour, 1.0)), series("g3", (now, 1.0))],
        [series("g", (now + hour, 1.0)), series("g4", (now, 1.0))],
        [Series({"job": "nameless"}, [(now, 1.0, 0)]), series("g5", (now, 1.0))],
        [series("c", (now, custom), (now + 1000, made(2, 2, schema=-53, bounds=(1.0, 2.0))))],
        [series("f", (now, Histogram(count=1.5, positive={-2: 0.5, 7: 1.0}, floats=True)))],
        [series("z", (now, Histogram(count=3, zero_count=3, zero_threshold=0.25)))],
        [series("e", (now, 1.0), exemplars=[(trace, 1.5, now), ({"a": "b"}, 2.5, now)])],
        [series("e", (now, 1.0), exemplars=[({"a": "b"}, 2.5, now)])],
        [series("e", (now + 1, 1.0), exemplars=[({"a": "b" * 200}, 9.0, now + 1)])],
        [series("e", (now + 2, 1.0), exemplars=[(trace, 3.0, now + 2)])],
        [],
    ]  # fmt: skip
    # Of each version its own series, and its own time, so that neither is in the other's way.
    return [(kind, request) for kind in (V1, V2) for request in each]


def named(request: list[Series], kind: str) -> list[Series]:
    """The series with the version in their names."""
    suffix = "_1" if kind == V1 else "_2"
    found = []
    for one in request:
        labels = dict(one.labels)
        if "__name__" in labels:
            labels["__name__"] += suffix
        found.append(Series(labels, one.samples, one.exemplars))
    return found


def outcome(client: httpx.Client, kind: str, request: list[Series]) -> tuple[Any, ...]:
    body = version_1(request) if kind == V1 else version_2(request)
    answer = client.post("/api/v1/write", content=compressed(body), headers=headers(kind))
    counts = [(k, v) for k, v in sorted(answer.headers.items()) if "remote-write" in k]
    return answer.status_code, answer.text.strip(), counts


def data(client: httpx.Client, path: str, **parameters: Any) -> Any:
    found = client.get(f"/api/v1/{path}", params=parameters).json()["data"]
    rows = found["result"] if isinstance(found, dict) else found
    named = "metric" if path == "query" else "seriesLabels"
    return sorted(rows, key=lambda row: sorted(row[named].items()))


def test_same_requests_same_outcome(servers: tuple[httpx.Client, httpx.Client]) -> None:
    real, own = servers
    now = int(time.time()) * 1000 - 60_000
    for number, (kind, request) in enumerate(requests(now)):
        sent = named(request, kind)
        found, wanted = outcome(own, kind, sent), outcome(real, kind, sent)
        assert found == wanted, (number, kind)
    times = {"time": str((now + 10_000) / 1000)}
    every = '{__name__=~".+_[12]"}'
    for query in (f"{every}[2m]", every, "rate(g_1[2m])"):
        found, wanted = (data(client, "query", query=query, **times) for client in (own, real))
        assert found == wanted
    where = {"query": "e_1 + e_2", "start": str(now / 1000 - 60), "end": str(now / 1000 + 60)}
    found, wanted = (data(client, "query_exemplars", **where) for client in (own, real))
    assert found == wanted
    assert len(found) == 2
