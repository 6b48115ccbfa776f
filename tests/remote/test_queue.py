"""Remote write: what is looked up, how it is sent, what becomes of refusals and restarts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
from aiohttp import web

from promlab.config import load_text
from promlab.config.remote import MESSAGES, RemoteWriteConfig
from promlab.model.labels import LabelTable, Symbols
from promlab.model.samples import STALE_BITS
from promlab.model.storage import ExemplarBatch, SampleExtras
from promlab.remote.queue import Queue
from promlab.remote.sender import RemoteWrite
from promlab.remote.snappy import uncompress
from promlab.remote.tail import LATE_MS, Tail
from promlab.remote.write import SeriesCache, exemplars_of, label_table
from promlab.tsdb.head import Head
from promlab.tsdb.reader import Reader
from tests.remote.written import Sample, fields, read_metadata, read_request

START = 1_700_000_000_000


class Storage:
    """A real head, and a reader beside it."""

    def __init__(self, folder: Path) -> None:
        self.head = Head.open(folder)
        self.head.commit()
        self.reader = Reader(folder)

    def put(self, name: str, t_ms: int, value: float, **labels: str) -> None:
        table = LabelTable.from_dicts([{"__name__": name, **labels}], self.head.symbols)
        refs = self.head.refs(table)
        self.head.append_loose(refs, np.array([t_ms]), np.array([value]))
        self.head.commit()


class Receiver:
    """Takes requests; `answers` are statuses to give before 204."""

    def __init__(self) -> None:
        self.samples: list[Sample] = []
        self.metadata: list[dict[int, object]] = []
        self.requests: list[web.Request] = []
        self.answers: list[int] = []
        self.url = ""

    async def handle(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.requests.append(request)
        if self.answers:
            return web.Response(status=self.answers.pop(0), text="no\nthanks")
        self.metadata += read_metadata(uncompress(body))
        self.samples += read_request(uncompress(body), v2="write.v2" in request.content_type_text)
        return web.Response(status=204)


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage(tmp_path / "data")


@pytest.fixture
async def receiver(request: pytest.FixtureRequest) -> AsyncIterator[Receiver]:
    made: Receiver = getattr(request, "param", Receiver)()

    @web.middleware
    async def note_type(request: web.Request, handler):  # type: ignore[no-untyped-def]
        request.content_type_text = request.headers["Content-Type"]
        return await handler(request)

    app = web.Application(middlewares=[note_type])
    app.router.add_post("/w", made.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/w"
    yield made
    await runner.cleanup()


class Clock:
    now_ms = START

    def __call__(self) -> int:
        return self.now_ms


def endpoint(receiver: Receiver, options: str = "") -> RemoteWriteConfig:
    queue = "queue_config: {batch_send_deadline: 0s, min_backoff: 1ms, max_backoff: 2ms}"
    text = f"remote_write: [{{url: '{receiver.url}', {options or queue}}}]"
    return load_text(text).remote_write[0]


def queue(
    receiver: Receiver, storage: Storage, clock: Clock, options: str = "", **external: str
) -> Queue:
    path = storage.reader.path / "remote_write" / "a.json"
    config = endpoint(receiver, options)
    return Queue(config, external, storage.reader, path, version="1", now_ms=clock)


async def test_new_samples_are_sent_once(receiver: Receiver, storage: Storage) -> None:
    clock = Clock()
    sending = queue(receiver, storage, clock, zone="q", job="never")
    storage.put("a", START + 10, 1.0, job="j")
    storage.put("b", START + 10, 2.0)
    clock.now_ms = START + 1000
    await sending.step()
    storage.put("a", START + 1500, 3.0, job="j")
    storage.put("late", START + 20, 4.0)
    clock.now_ms = START + 2000
    await sending.step()
    await sending.step()
    await sending.stop()
    assert sorted(receiver.samples, key=str) == sorted([
        ({"__name__": "a", "job": "j", "zone": "q"}, START + 10, 1.0),
        ({"__name__": "b", "job": "never", "zone": "q"}, START + 10, 2.0),
        ({"__name__": "a", "job": "j", "zone": "q"}, START + 1500, 3.0),
        ({"__name__": "late", "job": "never", "zone": "q"}, START + 20, 4.0),
    ], key=str)  # fmt: skip
    headers = receiver.requests[0].headers
    assert headers["X-Prometheus-Remote-Write-Version"] == "0.1.0"
    assert headers["Content-Encoding"] == "snappy"
    assert headers["User-Agent"] == "promlab/1"
    assert (sending.stats.sent.samples, sending.stats.highest_sent_ms) == (4, START + 1500)


async def test_a_restart_goes_on_where_it_ended(receiver: Receiver, storage: Storage) -> None:
    clock = Clock()
    first = queue(receiver, storage, clock)
    clock.now_ms += 1000
    await first.step()
    await first.stop()
    storage.put("a", START + 60_000, 1.0)
    clock.now_ms += 3_600_000
    second = queue(receiver, storage, clock)
    await second.step()
    await second.stop()
    assert receiver.samples == [({"__name__": "a"}, START + 60_000, 1.0)]


async def test_refusals(receiver: Receiver, storage: Storage) -> None:
    clock = Clock()
    sending = queue(receiver, storage, clock)
    for i, (answers, sent) in enumerate([([503, 500], 1), ([400], 1), ([429], 1), ([], 2)]):
        receiver.answers = answers
        storage.put("a", START + i * 1000 + 1, float(i))
        clock.now_ms = START + i * 1000 + 500
        await sending.step()
        assert len(receiver.samples) == sent
    await sending.stop()
    assert [request.headers.get("Retry-Attempt") for request in receiver.requests[:3]] == [
        None, "1", "2",
    ]  # fmt: skip
    assert sending.stats.failed.samples == 2
    assert sending.stats.retried.samples == 2


async def test_429_is_tried_again_where_that_is_wished(
    receiver: Receiver, storage: Storage
) -> None:
    clock = Clock()
    options = "queue_config: {retry_on_http_429: true, min_backoff: 1ms, batch_send_deadline: 0s}"
    sending = queue(receiver, storage, clock, options)
    receiver.answers = [429]
    storage.put("a", START + 1, 1.0)
    clock.now_ms += 500
    await sending.step()
    await sending.stop()
    assert len(receiver.samples) == 1


async def test_relabelling_age_batches_and_shards(receiver: Receiver, storage: Storage) -> None:
    clock = Clock()
    options = (
        "write_relabel_configs: [{source_labels: [__name__], regex: secret, action: drop},"
        " {target_label: by, replacement: x}], queue_config: {max_samples_per_send: 3,"
        " min_shards: 4, sample_age_limit: 10s, batch_send_deadline: 0s}"
    )
    sending = queue(receiver, storage, clock, options)
    for i in range(10):
        storage.put("a", START + i, float(i), i=str(i % 2))
    storage.put("secret", START + 5, 1.0)
    clock.now_ms += 1000
    await sending.step()
    assert len(receiver.samples) == 10
    assert all(labels["by"] == "x" for labels, _, _ in receiver.samples)
    for series in "01":
        times = [t for labels, t, _ in receiver.samples if labels["i"] == series]
        assert times == sorted(times)
    assert 4 <= len(receiver.requests) <= 6
    storage.put("a", START + 1001, 1.0)
    clock.now_ms += 60_000
    await sending.step()
    await sending.stop()
    assert len(receiver.samples) == 10
    assert {why: n.samples for why, n in sending.stats.dropped.items()} == {
        "dropped_series": 1,
        "too_old": 1,
    }


async def test_version_2_and_stale_markers(receiver: Receiver, storage: Storage) -> None:
    clock = Clock()
    options = "protobuf_message: io.prometheus.write.v2.Request"
    sending = queue(
        receiver, storage, clock, f"{options}, queue_config: {{batch_send_deadline: 0s}}"
    )
    table = LabelTable.from_dicts([{"__name__": "a", "ü": "\n"}], storage.head.symbols)
    stale = np.array([STALE_BITS], np.uint64).view(np.float64)
    storage.head.append_loose(storage.head.refs(table), np.array([START + 1]), stale)
    storage.head.commit()
    clock.now_ms += 500
    await sending.step()
    await sending.stop()
    [(labels, t_ms, value)] = receiver.samples
    assert (labels, t_ms) == ({"__name__": "a", "ü": "\n"}, START + 1)
    assert np.array([value]).view(np.uint64)[0] == STALE_BITS
    assert receiver.requests[0].headers["X-Prometheus-Remote-Write-Version"] == "2.0.0"


def test_a_backlog_is_taken_in_parts(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("promlab.remote.tail.MAX_SAMPLES", 40)
    for i in range(100):
        storage.put("a", START + i * 1000, float(i))
    tail, now_ms, found = Tail(storage.reader, START - 1), START + 100_000, []
    while tail.mark_ms < now_ms:
        fresh = tail.look(now_ms)
        found += fresh.t_ms.tolist()
        tail.sent(fresh)
    assert found == [START + i * 1000 for i in range(100)]
    assert tail.look(now_ms).n == 0
    storage.put("b", now_ms - LATE_MS + 1000, 1.0)
    assert tail.look(now_ms).n == 1


async def test_reload_keeps_adds_and_removes(receiver: Receiver, storage: Storage) -> None:
    remote = RemoteWrite(storage.reader, storage.reader.path / "remote_write", version="1")

    def config(*names: str, deadline: str = "1s"):  # type: ignore[no-untyped-def]
        each = [
            f"{{url: '{receiver.url}', name: {name},"
            f" queue_config: {{batch_send_deadline: {deadline}}}}}"
            for name in names
        ]
        return load_text(f"remote_write: [{', '.join(each)}]")

    await remote.apply(config("a", "b"))
    first = {queue.name: queue for queue in remote.queues}
    await remote.apply(config("b", "c"))
    second = {queue.name: queue for queue in remote.queues}
    assert list(second) == ["b", "c"]
    assert second["b"] is first["b"]
    await remote.apply(config("b", deadline="2s"))
    [third] = remote.queues
    assert third is not first["b"]
    await remote.stop()
    assert not [task for task in asyncio.all_tasks() if "remote write" in task.get_name()]


async def test_metadata(receiver: Receiver, storage: Storage) -> None:
    options = "metadata_config: {max_samples_per_send: 2}"
    sending = queue(receiver, storage, Clock(), options)
    families = [("a", "counter", "Help.", "m"), ("b", "unknown", "", ""), ("c", "info", "x", "")]
    await sending.tell(families)
    await sending.stop()
    assert receiver.metadata == [
        {1: 1, 2: b"a", 4: b"Help.", 5: b"m"}, {1: 0, 2: b"b"}, {1: 6, 2: b"c", 4: b"x"},
    ]  # fmt: skip
    assert (len(receiver.requests), sending.stats.sent.metadata) == (2, 3)


async def test_what_comes_late_or_out_of_order_is_sent_once(
    receiver: Receiver, storage: Storage
) -> None:
    clock = Clock()
    storage.head.configure(late_window_s=3600, max_exemplars=100)
    sending = queue(receiver, storage, clock)
    storage.put("a", START + 600_000, 1.0)
    storage.put("b", START + 600_000, 1.0)
    clock.now_ms = START + 601_000
    await sending.step()
    await sending.step()
    storage.put("new", START + 60_000, 2.0)  # late, but the first of its series
    storage.put("a", START + 300_000, 3.0)  # out of order
    storage.put("b", START + 595_000, 4.0)  # out of order, and not late
    clock.now_ms += 1000
    await sending.step()
    await sending.step()
    await sending.stop()
    found = sorted((labels["__name__"], t - START, value) for labels, t, value in receiver.samples)
    assert found == [
        ("a", 300_000, 3.0), ("a", 600_000, 1.0), ("b", 595_000, 4.0), ("b", 600_000, 1.0),
        ("new", 60_000, 2.0),
    ]  # fmt: skip
    # What comes late while nobody sends is told by the log at the next start.
    storage.put("a", START + 200_000, 5.0)
    again = queue(receiver, storage, clock)
    await again.step()
    await again.stop()
    assert ({"__name__": "a"}, START + 200_000, 5.0) in receiver.samples


class Richer(Receiver):
    """Keeps what version 2.0 and exemplars bring."""

    def __init__(self) -> None:
        super().__init__()
        self.bodies: list[bytes] = []

    async def handle(self, request: web.Request) -> web.Response:
        self.bodies.append(uncompress(await request.read()))
        return web.Response(status=204)


def put_with_extras(storage: Storage) -> None:
    """A counter with a start time, and an exemplar of it."""
    table = LabelTable.from_dicts([{"__name__": "hits_total", "job": "j"}], storage.head.symbols)
    refs = storage.head.refs(table)
    extras = SampleExtras(None, np.array([START - 5000]))
    storage.head.append_loose(refs, np.array([START + 10]), np.array([7.0]), extras)
    labels = LabelTable.from_dicts([{"trace_id": "abc"}], Symbols())
    batch = ExemplarBatch(refs, np.array([START + 9]), np.array([0.5]), labels)
    assert storage.head.append_exemplars(batch).appended == 1
    storage.head.commit()


@pytest.mark.parametrize("receiver", [Richer], indirect=True)
@pytest.mark.parametrize("version", [1, 2])
async def test_exemplars_starts_and_metadata(
    receiver: Richer, storage: Storage, version: int
) -> None:
    clock = Clock()
    message = f"protobuf_message: {MESSAGES[version - 1]}, send_exemplars: true, "
    options = message + "queue_config: {batch_send_deadline: 0s}"
    config = endpoint(receiver, options)
    path = storage.reader.path / "remote_write" / "a.json"
    found = [("hits", "counter", "Help.", "things")]

    async def metadata() -> list[tuple[str, str, str, str]]:
        return found

    sending = Queue(
        config, {"zone": "q"}, storage.reader, path, version="1", now_ms=clock, metadata=metadata
    )
    sending._families = {each[0]: each for each in found}
    storage.head.configure(late_window_s=0, max_exemplars=100)
    put_with_extras(storage)
    clock.now_ms = START + 1000
    await sending.step()
    await sending.stop()
    assert (sending.stats.sent.samples, sending.stats.sent.exemplars) == (1, 1)
    samples, exemplars = (SeriesCache().decode(body, version) for body in receiver.bodies)
    assert samples.floats.t_ms.tolist() == [START + 10]
    assert samples.floats.start_ms.tolist() == [START - 5000 if version == 2 else 0]
    assert (samples.n, exemplars.n, exemplars.floats.n) == (1, 1, 0)
    t_ms, values, own, _ = exemplars_of(exemplars)
    assert (t_ms.tolist(), values.tolist(), own.row(0)) == ([START + 9], [0.5], {"trace_id": "abc"})
    labels, _ = label_table(exemplars, np.arange(1))
    assert labels.row(0) == {"__name__": "hits_total", "job": "j", "zone": "q"}
    if version == 2:
        whole = receiver.bodies[0]
        symbols = [text.decode() for number, text in fields(whole) if number == 4]
        [series] = [dict(fields(content)) for number, content in fields(whole) if number == 5]
        told = dict(fields(series[5]))
        assert (told[1], symbols[told[3]], symbols[told[4]]) == (1, "Help.", "things")
    # None of it a second time, nor after a restart.
    again = Queue(config, {}, storage.reader, path, version="1", now_ms=clock)
    put_late = again._exemplars_at
    assert put_late == sending._exemplars_at
    await again.step()
    await again.stop()
    assert again.stats.sent.exemplars == 0
