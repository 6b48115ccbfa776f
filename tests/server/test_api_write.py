from __future__ import annotations

import struct
import time
from typing import Any

import cramjam
import httpx
import numpy as np
import pytest
from fake_server import FakeWriter, client_of, make_context

from promlab.errors import NotReady
from promlab.server.channel import Columns
from promlab.server.context import Context
from promlab.server.settings import Settings


def varint(number: int) -> bytes:
    out = b""
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def message(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def series(labels: dict[str, str], *samples: tuple[float, int]) -> bytes:
    pairs = (message(1, n.encode()) + message(2, v.encode()) for n, v in labels.items())
    body = b"".join(message(1, pair) for pair in pairs)
    for value, t_ms in samples:
        body += message(2, b"\x09" + struct.pack("<d", value) + b"\x10" + varint(t_ms))
    return message(1, body)


class Storage:
    """What a writer does with references and samples."""

    def __init__(self, writer: FakeWriter) -> None:
        self.id = "one"
        self.known: list[dict[str, str]] = []
        self.samples: list[tuple[str, int, float]] = []
        self.outcome = {"out_of_order": 0, "too_old": 0, "duplicate": 0}
        writer.answers = {"refs": self.refs, "append": self.append}

    def refs(self, body: Any, columns: Columns) -> Any:
        rows = len(columns["0"])
        found = []
        for row in range(rows):
            codes = ((name, columns[str(i)][row]) for i, name in enumerate(body["names"]))
            found.append({name: body["texts"][code] for name, code in codes if code})
        refs = np.arange(rows, dtype=np.uint64) + np.uint64(len(self.known))
        self.known += found
        return {"writer": self.id}, {"refs": refs}

    def append(self, body: Any, columns: Columns) -> Any:
        if body["writer"] != self.id:
            return {"writer": self.id}
        rows = zip(*(columns[k].tolist() for k in ("refs", "t_ms", "values")), strict=True)
        self.samples += [(self.known[ref]["__name__"], t, v) for ref, t, v in rows]
        return {"writer": self.id, **self.outcome}


@pytest.fixture
def storage(context: Context) -> Storage:
    writer: Any = context.writer
    return Storage(writer)


async def post(client: httpx.AsyncClient, body: bytes, **headers: str) -> httpx.Response:
    content = bytes(cramjam.snappy.compress_raw(body))
    defaults = {"Content-Type": "application/x-protobuf", "Content-Encoding": "snappy"}
    named = {key.replace("_", "-"): value for key, value in headers.items()}
    return await client.post("/api/v1/write", content=content, headers=defaults | named)


async def test_samples_arrive_and_series_are_asked_for_once(
    storage: Storage, client: httpx.AsyncClient, context: Context
) -> None:
    body = series({"__name__": "a", "x": "é"}, (1, 10), (2, 20)) + series(
        {"__name__": "b"}, (3, 10)
    )
    assert (await post(client, body)).status_code == 204
    assert (await post(client, body)).status_code == 204
    assert storage.samples == [("a", 10, 1), ("a", 20, 2), ("b", 10, 3)] * 2
    assert storage.known == [{"__name__": "a", "x": "é"}, {"__name__": "b"}]
    assert "prometheus_api_remote_write_samples_total 6.0" in (await client.get("/metrics")).text


async def test_bad_series_are_left_out(storage: Storage, client: httpx.AsyncClient) -> None:
    body = series({"x": "nameless"}, (1, 1)) + series({"__name__": "b"}, (2, 2))
    assert (await post(client, body)).status_code == 204
    assert storage.samples == [("b", 2, 2)]
    assert "invalid_labels_samples_total 1.0" in (await client.get("/metrics")).text
    assert (await post(client, series({"x": "nameless"}, (1, 1)))).status_code == 204


async def test_nothing_is_a_request_too(storage: Storage, client: httpx.AsyncClient) -> None:
    assert (await post(client, b"")).status_code == 204


async def test_a_writer_that_was_started_again(storage: Storage, client: httpx.AsyncClient) -> None:
    body = series({"__name__": "a"}, (1, 1))
    await post(client, body)
    storage.id, storage.known, storage.samples = "two", [{"__name__": "other"}], []
    assert (await post(client, body)).status_code == 204
    assert storage.samples == [("a", 1, 1)]


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("out_of_order", "out of order sample"),
        ("too_old", "too old sample"),
        ("duplicate", "duplicate sample for timestamp"),
    ],
)
async def test_refused_samples(
    storage: Storage, client: httpx.AsyncClient, key: str, words: str
) -> None:
    storage.outcome[key] = 1
    answer = await post(client, series({"__name__": "a"}, (1, 1)))
    assert answer.status_code == 400
    assert words in answer.text


async def test_the_future_is_refused(storage: Storage, client: httpx.AsyncClient) -> None:
    future = int(time.time() * 1000) + 700_000
    answer = await post(client, series({"__name__": "a"}, (1, future)))
    assert (answer.status_code, storage.samples) == (400, [])
    assert "10 minutes in the future" in answer.text


async def test_histograms_are_not_lost_silently(
    storage: Storage, client: httpx.AsyncClient
) -> None:
    labels = message(1, message(1, b"__name__") + message(2, b"h"))
    answer = await post(
        client, message(1, labels + message(4, b"")) + series({"__name__": "a"}, (1, 1))
    )
    assert answer.status_code == 400
    assert "native histograms are not stored" in answer.text
    assert storage.samples == [("a", 1, 1)]


@pytest.mark.parametrize(
    ("headers", "status", "words"),
    [
        ({"Content_Type": ""}, 204, ""),
        ({"Content_Type": "application/x-protobuf;proto=prometheus.WriteRequest"}, 204, ""),
        ({"Content_Type": "text/plain"}, 415, "expected application/x-protobuf"),
        ({"Content_Type": "application/x-protobuf;proto=foo"}, 415, "unknown remote write"),
        (
            {"Content_Type": "application/x-protobuf;proto=io.prometheus.write.v2.Request"},
            415,
            "not accepted remote write",
        ),
        ({"Content_Type": "application/x-protobuf;x"}, 415, "key-values"),
        ({"Content_Encoding": "gzip"}, 415, "gzip encoding (compression) is not accepted"),
    ],
)
async def test_content_types(
    storage: Storage, client: httpx.AsyncClient, headers: Any, status: int, words: str
) -> None:
    answer = await post(client, series({"__name__": "a"}, (1, 1)), **headers)
    assert answer.status_code == status
    assert words in answer.text


@pytest.mark.parametrize("body", [b"", b"x", b"\xff\xff\xff\xff\x0f123"])
async def test_bodies_that_are_not_snappy(
    storage: Storage, client: httpx.AsyncClient, body: bytes
) -> None:
    answer = await client.post("/api/v1/write", content=body)
    assert answer.status_code == 400
    assert answer.text.startswith("snappy: ")


async def test_damaged_protobuf(storage: Storage, client: httpx.AsyncClient) -> None:
    answer = await post(client, b"\x0a\x7f")
    assert answer.status_code == 400
    assert "not a WriteRequest" in answer.text


async def test_a_writer_that_is_away_is_worth_another_try(
    context: Context, client: httpx.AsyncClient
) -> None:
    context.writer.answers["refs"] = NotReady("away")  # type: ignore[attr-defined]
    assert (await post(client, series({"__name__": "a"}, (1, 1)))).status_code == 503


async def test_off_by_default() -> None:
    async with client_of(make_context(Settings(route_prefix=""))) as client:
        answer = await post(client, b"")
        assert answer.status_code == 404
        assert "--web.enable-remote-write-receiver" in answer.text
