from __future__ import annotations

import time
from typing import Any

import httpx
import numpy as np
import pytest
from fake_server import FakeWriter, client_of, make_context
from write_bodies import (
    V1,
    V2,
    Histogram,
    Series,
    compressed,
    headers,
    varint,
    version_1,
    version_2,
)

from promlab.errors import NotReady
from promlab.model.storage import SampleExtras
from promlab.server.channel import Columns
from promlab.server.context import Context
from promlab.server.settings import Settings
from promlab.server.write_columns import exemplar_batch, sample_extras


def series(labels: dict[str, str], *samples: tuple[float, int]) -> bytes:
    return version_1([Series(labels, [(t_ms, value, 0) for value, t_ms in samples])])


def one_series(name: str, t_ms: int) -> Series:
    return Series({"__name__": name}, [(t_ms, 1.0, 0)])


def one_of_each() -> Series:
    """A series with a float, a histogram, an exemplar, and start times."""
    made = Histogram(count=3, positive={0: 1, 1: 2})
    samples = [(10, 1.0, 5), (20, made, 5)]
    exemplars = [({"trace_id": "y"}, 2.0, 20), ({"trace_id": "x"}, 1.0, 20)]
    return Series({"__name__": "a"}, samples, exemplars, ("counter", "Help.", "s"))


class Storage:
    """What a writer does with references and samples."""

    def __init__(self, writer: FakeWriter) -> None:
        self.id = "one"
        self.known: list[dict[str, str]] = []
        self.samples: list[tuple[str, int, float]] = []
        self.refused: list[tuple[int, int, float]] = []  # number, why, the value it met
        self.exemplars: list[tuple[str, int, float, dict[str, str]]] = []
        self.extras: list[SampleExtras] = []
        self.late_exemplars = 0
        writer.answers = {"refs": self.refs, "write": self.write}

    def refs(self, body: Any, columns: Columns) -> Any:
        rows = len(columns["0"])
        found = []
        for row in range(rows):
            codes = ((name, columns[str(i)][row]) for i, name in enumerate(body["names"]))
            found.append({name: body["texts"][code] for name, code in codes if code})
        refs = np.arange(rows, dtype=np.uint64) + np.uint64(len(self.known))
        self.known += found
        return {"writer": self.id}, {"refs": refs}

    def write(self, body: Any, columns: Columns) -> Any:
        if body["writer"] != self.id:
            return {"writer": self.id}
        told = {
            "refused": np.array([row for row, _, _ in self.refused], np.int64),
            "why": np.array([why for _, why, _ in self.refused], np.uint8),
            "existing": np.array([value for *_, value in self.refused]).view(np.int64),
        }
        counts = {"samples": 0, "histograms": 0, "exemplars": 0}
        if not (body["atomic"] and self.refused):
            rows = zip(*(columns[k].tolist() for k in ("refs", "t_ms", "values")), strict=True)
            self.samples += [(self.known[ref]["__name__"], t, v) for ref, t, v in rows]
            self.extras.append(sample_extras(body, columns))
            index = columns.get("h_index", np.full(len(columns["refs"]), -1))
            counts["histograms"] = int((index >= 0).sum())
            counts["samples"] = len(index) - counts["histograms"] - len(self.refused)
            batch = exemplar_batch(body, columns)
            for row in range(batch.n if batch else 0):
                name = self.known[int(batch.refs[row])]["__name__"]
                exemplar = int(batch.t_ms[row]), float(batch.values[row]), batch.labels.row(row)
                self.exemplars.append((name, *exemplar))
            counts["exemplars"] = batch.n if batch else 0
        more = {"refused_count": len(self.refused), "late_exemplars": self.late_exemplars}
        return {"writer": self.id, **counts, **more}, told


@pytest.fixture
def storage(context: Context) -> Storage:
    writer: Any = context.writer
    return Storage(writer)


async def post(client: httpx.AsyncClient, body: bytes, **more: str) -> httpx.Response:
    named = {key.replace("_", "-"): value for key, value in more.items()}
    sent = headers() | named
    return await client.post("/api/v1/write", content=compressed(body), headers=sent)


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


async def test_a_restart_that_another_request_meets_first(
    context: Context, storage: Storage, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    known, more = one_series("a", 1), one_series("b", 2)
    await post(client, version_1([known]))
    storage.id, storage.known, storage.samples = "two", [{"__name__": "other"}], []
    really_ask, others = context.writer.ask, [version_1([known])]

    async def ask(kind: str, body: Any = None, columns: Columns | None = None) -> Any:
        if kind == "refs" and others:
            assert (await post(client, others.pop())).status_code == 204
        return await really_ask(kind, body, columns)

    monkeypatch.setattr(context.writer, "ask", ask)
    assert (await post(client, version_1([known, more]))).status_code == 204
    assert storage.samples == [("a", 1, 1), ("a", 1, 1), ("b", 2, 1)]


async def test_restarts_without_end_are_worth_another_try(
    context: Context, storage: Storage, client: httpx.AsyncClient
) -> None:
    def another(_body: Any, _columns: Columns) -> Any:
        storage.id += "+"
        return {"writer": storage.id}

    context.writer.answers["write"] = another  # type: ignore[attr-defined]
    answer = await post(client, series({"__name__": "a"}, (1, 1)))
    assert answer.status_code == 503


@pytest.mark.parametrize(
    ("why", "words"),
    [
        (2, "duplicate sample for timestamp 1; overrides not allowed: existing 7, new value 1"),
        (3, "out of order sample"),
        (4, "too old sample"),
        (5, "out of bounds"),
    ],
)
@pytest.mark.parametrize("kind", [V1, V2])
async def test_refused_samples(
    storage: Storage, client: httpx.AsyncClient, why: int, words: str, kind: str
) -> None:
    storage.refused = [(0, why, 7.0)]
    body = [Series({"__name__": "a"}, [(1, 1.0, 0)]), Series({"__name__": "b"}, [(1, 2.0, 0)])]
    encode = version_1 if kind == V1 else version_2
    answer = await post(client, encode(body), **headers(kind))
    assert answer.status_code == 400
    # Version 1 is all or nothing; of version 2 the good ones are kept.
    if kind == V1:
        assert (answer.text, storage.samples) == (words + "\n", [])
    else:
        assert answer.text == words + ' for series {__name__="a"}\n'
        assert answer.headers["X-Prometheus-Remote-Write-Samples-Written"] == "1"


async def test_version_2_brings_everything(storage: Storage, client: httpx.AsyncClient) -> None:
    answer = await post(client, version_2([one_of_each()]), **headers(V2))
    assert answer.status_code == 204
    written = {
        kind: answer.headers[f"X-Prometheus-Remote-Write-{kind}-Written"]
        for kind in ("Samples", "Histograms", "Exemplars")
    }
    assert written == {"Samples": "1", "Histograms": "1", "Exemplars": "2"}
    assert storage.samples == [("a", 10, 1.0), ("a", 20, 0.0)]
    histograms, start_ms = storage.extras[0]
    assert start_ms.tolist() == [5, 5]
    assert histograms.index.tolist() == [-1, 0]
    assert histograms.table.positive.counts.tolist() == [1.0, 2.0]
    exemplars = [("a", 20, 1.0, {"trace_id": "x"}), ("a", 20, 2.0, {"trace_id": "y"})]
    assert storage.exemplars == exemplars


async def test_version_1_has_no_start_times(storage: Storage, client: httpx.AsyncClient) -> None:
    body = version_1([one_of_each()], [("counter", "a", "Help.", "s")])
    assert (await post(client, body)).status_code == 204
    assert storage.extras[0].start_ms is None
    assert storage.extras[0].histograms.table.n == 1
    assert len(storage.exemplars) == 2


async def test_version_2_names_what_is_wrong(storage: Storage, client: httpx.AsyncClient) -> None:
    future = int(time.time() * 1000) + 700_000
    body = [
        Series({"x": 'y"'}, [(1, 1.0, 0)]),
        Series({"__name__": "f", "é": "ü"}, [(future, 1.0, 0)]),
        Series({"__name__": "h"}, [(1, Histogram(count=5, positive={0: 1}), 0)]),
        Series({"__name__": "good"}, [(1, 2.0, 0)], [({"a": "b"}, 1.0, 1)]),
    ]
    storage.late_exemplars = 1
    answer = await post(client, version_2(body), **headers(V2))
    assert answer.status_code == 400
    assert answer.text.splitlines() == [
        'invalid metric name or labels, got {x="y\\""}',
        'out of bounds: timestamp is too far in the future for series {__name__="f", é="ü"}',
        "invalid histogram: its count does not equal the observations in its buckets"
        ' for series {__name__="h"}',
        "out of order exemplar (1 in this request)",
    ]
    assert storage.samples == [("good", 1, 2.0)]


async def test_the_future_is_refused(storage: Storage, client: httpx.AsyncClient) -> None:
    future = int(time.time() * 1000) + 700_000
    answer = await post(client, series({"__name__": "a"}, (1, future)))
    assert (answer.status_code, storage.samples) == (400, [])
    assert answer.text == "out of bounds: timestamp is too far in the future\n"


@pytest.mark.parametrize(
    ("given", "status", "words"),
    [
        ({"Content_Type": ""}, 204, ""),
        ({"Content_Type": "application/x-protobuf;proto=prometheus.WriteRequest"}, 204, ""),
        ({"Content_Type": "text/plain"}, 415, "expected application/x-protobuf"),
        ({"Content_Type": "application/x-protobuf;proto=foo"}, 415, "unknown remote write"),
        ({"Content_Type": "application/x-protobuf;x"}, 415, "key-values"),
        ({"Content_Encoding": "gzip"}, 415, "gzip encoding (compression) is not accepted"),
    ],
)
async def test_content_types(
    storage: Storage, client: httpx.AsyncClient, given: Any, status: int, words: str
) -> None:
    answer = await post(client, series({"__name__": "a"}, (1, 1)), **given)
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


async def test_only_accepted_messages() -> None:
    settings = Settings(route_prefix="", enable_remote_write=True, accepted_write_messages=(V1,))
    async with client_of(make_context(settings)) as client:
        answer = await post(client, b"", **headers(V2))
        assert answer.status_code == 415
        assert answer.text == f"not accepted remote write protobuf message {V2}, supported: {V1}\n"


@pytest.mark.parametrize("kind", [V1, V2])
async def test_bombs_are_refused_before_they_are_unpacked(
    storage: Storage, client: httpx.AsyncClient, kind: str
) -> None:
    bomb = varint(1 << 30) + b"\xfe\x01\x00" * 10
    answer = await client.post("/api/v1/write", content=bomb, headers=headers(kind))
    assert (answer.status_code, "above the limit" in answer.text) == (400, True)
    many = bytes([0x0A if kind == V1 else 0x2A, 0]) * 2_000_001
    answer = await post(client, many, **headers(kind))
    assert (answer.status_code, "in one request" in answer.text) == (400, True)
