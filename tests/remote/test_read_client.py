"""Asking by remote read: what is sent, both forms of answers, and what is made of them."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import numpy as np
import pytest
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st

from promlab.config import load_text
from promlab.errors import QueryCanceled, QueryTimeout, TooManySamples
from promlab.frames.querier import BatchQuerier
from promlab.model.histograms import HistogramColumn
from promlab.model.labels import LabelTable, Symbols
from promlab.model.matchers import Matcher, MatchType
from promlab.model.samples import STALE_BITS, SeriesBatch
from promlab.model.storage import Querier, SelectHints
from promlab.remote.encode import SeriesSamples
from promlab.remote.read import CONTENT_TYPES, SAMPLES, STREAMED, as_samples, frames, samples_body
from promlab.remote.read import read_request as asked
from promlab.remote.read_answers import BadReadAnswer, Found, samples_answer
from promlab.remote.read_sources import NO_LABELS, RemoteRead
from promlab.remote.read_stream import streamed_answer
from promlab.remote.snappy import uncompress
from tests.made_histograms import histogram
from tests.remote.written import fields

Series = dict[str, list[tuple[int, float]]]
UP = [Matcher("__name__", MatchType.EQUAL, "up")]


def batch(series: Series) -> SeriesBatch:
    """Series `up` by their instance."""
    rows = [{"__name__": "up", "instance": name} for name in series]
    times = [[t for t, _ in samples] for samples in series.values()]
    values = [[v for _, v in samples] for samples in series.values()]
    return SeriesBatch.from_series(LabelTable.from_dicts(rows, Symbols()), times, values)


def as_dict(found: SeriesBatch) -> Series:
    pairs = ((found.labels.row(s)["instance"], found.series(s)) for s in range(found.n))
    return {name: list(zip(t.tolist(), v.tolist(), strict=True)) for name, (t, v) in pairs}


def many() -> SeriesBatch:
    rng = np.random.default_rng(7)
    times = np.cumsum(rng.choice([0, 1, 15_000, 15_001, 10**7, 2**40], 500) + 1) - 10**6
    values = np.where(rng.random(500) < 0.3, 1.5, rng.normal(0, 1e3, 500))
    values[10:15] = [np.nan, np.inf, 0.0, -0.0, 5e-324]
    values.view(np.uint64)[15] = STALE_BITS
    rows = [{"__name__": "b", "ü": "1"}, {"__name__": "a"}, {"__name__": "one"}]
    table = LabelTable.from_dicts(rows, Symbols())
    return SeriesBatch.from_series(table, [times, times[:121], [5]], [values, values[:121], [2.5]])


def check_same(found: Found, sent: SeriesSamples) -> None:
    series = np.repeat(np.arange(sent.labels.n), np.diff(sent.offsets))
    order = np.lexsort((found.t_ms, found.series))
    assert [found.labels.row(i) for i in found.series[order].tolist()] == [
        sent.labels.row(i) for i in series.tolist()
    ]
    assert found.t_ms[order].tolist() == sent.t_ms.tolist()
    bits = found.values[order].view(np.uint64)
    assert bits.tolist() == sent.values.view(np.uint64).tolist()


def test_both_forms_come_back_bit_by_bit() -> None:
    sent = as_samples(many(), {"site": "lab"})
    check_same(samples_answer(samples_body([sent])), sent)
    check_same(streamed_answer(b"".join(frames([sent])), 1 << 20), sent)


def test_nothing_is_an_answer() -> None:
    none = as_samples(SeriesBatch.empty(Symbols()), {})
    assert samples_answer(samples_body([none])).labels.n == 0
    assert streamed_answer(b"", 1 << 20).labels.n == 0


def test_histograms_come_as_samples() -> None:
    table = histogram(schema=2, positive={1: 3.0, 4: 2.0}, sum=7.5)
    labels = LabelTable.from_dicts([{"__name__": "h"}], Symbols())
    column = HistogramColumn(table, np.array([-1, 0]))
    sent = SeriesSamples(labels, np.array([0, 2]), np.array([10, 20]), np.array([1.0, 0.0]), column)
    found = samples_answer(samples_body([sent]))
    assert found.t_ms.tolist() == [10, 20]
    assert found.histograms is not None
    assert found.histograms.index.tolist() == [-1, 0]
    assert found.histograms.table.count.tolist() == [5.0]


_GOOD = b"".join(frames([as_samples(many(), {})]))


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_damaged_streams_are_refused(data: st.DataObject) -> None:
    body = bytearray(_GOOD)
    places = st.sets(st.integers(0, len(body) - 1), min_size=1, max_size=3)
    for place in data.draw(places):
        body[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(BadReadAnswer):
        streamed_answer(bytes(body), 1 << 20)


@settings(max_examples=200, deadline=None)
@given(st.integers(1, len(_GOOD) - 1), st.binary(max_size=60))
def test_any_bytes_in_chunks_are_survived(size: int, tail: bytes) -> None:
    """Whatever a chunk has, with a checksum that is right: columns of some samples, or an error."""
    from promlab.remote.xor_kernels import read_chunks

    body = np.frombuffer(_GOOD[:size] + tail, np.uint8)
    counts = np.array([40], np.int64)
    t_ms, values = np.zeros(40, np.int64), np.zeros(40)
    ends = np.array([len(body)], np.int64)
    bad = read_chunks(body, np.array([min(size, 20)]), ends, counts, t_ms, values)
    assert bad in (-1, 0)


def test_frames_above_the_limit_are_refused() -> None:
    with pytest.raises(BadReadAnswer, match="exceeded the limit 100 bytes"):
        streamed_answer(_GOOD, 100)


# --- a server that is asked ------------------------------------------------------------


@dataclass
class End:
    """A remote end with some series; `form` is what it answers in."""

    series: Series
    form: int = STREAMED
    status: int = 200
    hang: bool = False
    url: str = ""
    over: asyncio.Event = field(default_factory=asyncio.Event)
    bodies: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.Response:
        self.bodies.append(await request.read())
        self.headers.append(dict(request.headers))
        if self.hang:
            await self.over.wait()
        if self.status != 200:
            return web.Response(status=self.status, reason="I'm a teapot", text="tea\npot")
        sent = as_samples(batch(self.series), {"site": "lab"})
        body = samples_body([sent]) if self.form == SAMPLES else b"".join(frames([sent]))
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPES[self.form]})


@pytest.fixture
async def end() -> AsyncIterator[End]:
    made = End(
        {"there": [(1000, 1.0), (2000, 2.0), (9000, 9.0)], "both": [(1000, -1.0), (3000, 3.0)]}
    )
    app = web.Application()
    app.router.add_post("/r", made.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/r"
    yield made
    made.over.set()
    await runner.cleanup()


@dataclass
class Scope:
    symbols: Symbols
    deadline: float = field(default_factory=lambda: time.monotonic() + 300)
    cancel: threading.Event | None = None
    warnings: list[str] = field(default_factory=list)

    def warn(self, text: str) -> None:
        self.warnings.append(text)


class Asking:
    """A remote read of one endpoint, and a local store with the series `both` and `here`."""

    def __init__(self, end: End, options: str, external: str = "") -> None:
        self.local = BatchQuerier(batch({"both": [(1000, 1.0), (2000, 2.0)], "here": [(500, 5.0)]}))
        self.oldest_ms: int | None = 500
        self.remote = RemoteRead(self.local, lambda: self.oldest_ms, margin_ms=1000, version="1")
        self.scope = Scope(self.local.symbols.overlay())
        text = f"{{global: {{external_labels: {{{external}}}}}, "
        self.config = load_text(text + f"remote_read: [{{url: '{end.url}', {options}}}]}}")

    async def ask(self, work: Callable[[Querier], object]) -> object:
        await self.remote.apply(self.config)
        try:
            return await asyncio.to_thread(work, self.remote.within(self.scope))
        finally:
            await self.remote.stop()

    async def select(self, start_ms: int = 0, end_ms: int = 5000, limit: int = 0) -> Series:
        hints = SelectHints(15_000, 60_000, "rate", limit)
        found = await self.ask(lambda querier: querier.select(UP, start_ms, end_ms, hints))
        assert isinstance(found, SeriesBatch)
        return as_dict(found)


@pytest.mark.parametrize("form", [SAMPLES, STREAMED])
async def test_what_both_have_is_joined(end: End, form: int) -> None:
    end.form = form
    found = await Asking(end, "read_recent: true", "site: lab").select()
    assert found == {
        "both": [(1000, 1.0), (2000, 2.0), (3000, 3.0)],
        "here": [(500, 5.0)],
        "there": [(1000, 1.0), (2000, 2.0)],
    }
    [headers] = end.headers
    assert headers["X-Prometheus-Remote-Read-Version"] == "0.1.0"
    assert headers["Content-Encoding"] == headers["Accept-Encoding"] == "snappy"
    assert headers["User-Agent"] == "promlab/1"
    [query] = asked(uncompress(end.bodies[0])).queries
    assert query[:2] == (0, 5000)
    assert [(m.name, m.value) for m in query.matchers] == [("__name__", "up"), ("site", "lab")]
    [(_, question), (_, accepted)] = fields(uncompress(end.bodies[0]))
    hints = dict(fields(dict(fields(question))[4]))
    assert hints == {1: 15_000, 2: b"rate", 4: 5000, 7: 60_000}
    assert list(accepted) == [STREAMED, SAMPLES]


async def test_external_labels_stay_where_that_is_wished(end: End) -> None:
    asking = Asking(end, "read_recent: true, filter_external_labels: false", "site: lab")
    labels = await asking.ask(lambda querier: querier.series(UP, 0, 5000))
    assert isinstance(labels, LabelTable)
    assert {row.get("site") for row in labels.rows()} == {"lab", None}
    assert len(asked(uncompress(end.bodies[0])).queries[0].matchers) == 1


async def test_an_external_label_that_is_asked_for_is_not_added(end: End) -> None:
    asking = Asking(end, "read_recent: true", "site: lab")
    matchers = [*UP, Matcher("site", MatchType.REGEX, "l.*")]
    await asking.ask(lambda querier: querier.select(matchers, 0, 5000))
    [query] = asked(uncompress(end.bodies[0])).queries
    assert [m.type for m in query.matchers] == [MatchType.EQUAL, MatchType.REGEX]


@pytest.mark.parametrize(
    ("oldest", "start", "until"), [(500, 0, 1500), (500, 1501, None), (None, 9000, 9100)]
)
async def test_what_is_recent_is_not_asked_for(
    end: End, oldest: int | None, start: int, until: int | None
) -> None:
    asking = Asking(end, "read_recent: false")
    asking.oldest_ms = oldest
    await asking.select(start, start + 100 if start > 500 else 5000)
    found = [asked(uncompress(body)).queries[0].end_ms for body in end.bodies]
    assert found == ([] if until is None else [until])


async def test_required_matchers(end: End) -> None:
    asking = Asking(end, "read_recent: true, required_matchers: {__name__: up, job: x}")
    assert "there" not in await asking.select()
    assert not end.bodies
    asking = Asking(end, "read_recent: true, required_matchers: {__name__: up}")
    assert "there" in await asking.select()


async def test_a_failure_is_a_warning_once(end: End) -> None:
    end.status = 418
    asking = Asking(end, "read_recent: true")

    def work(querier: Querier) -> list[Series]:
        return [as_dict(querier.select(UP, 0, 5000)) for _ in range(2)]

    found = await asking.ask(work)
    assert found == [{"both": [(1000, 1.0), (2000, 2.0)], "here": [(500, 5.0)]}] * 2
    assert asking.scope.warnings == [
        f"remote_read: remote server {end.url} returned http status 418 I'm a teapot: tea\npot"
    ]
    assert len(end.bodies) == 1


async def test_nobody_there(end: End) -> None:
    end.url = "http://127.0.0.1:1/r"
    asking = Asking(end, "read_recent: true")
    await asking.select()
    assert asking.scope.warnings == [
        'remote_read: error sending request: Post "http://127.0.0.1:1/r": '
        "dial tcp 127.0.0.1:1: connect: connection refused"
    ]


async def test_a_query_does_not_wait_longer_than_it_may(end: End) -> None:
    end.hang = True
    asking = Asking(end, "read_recent: true")
    asking.scope.deadline = time.monotonic()
    with pytest.raises(QueryTimeout):
        await asking.select()
    asking.scope.deadline += 300
    asking.scope.cancel = threading.Event()
    asking.scope.cancel.set()
    with pytest.raises(QueryCanceled):
        await asking.select()
    assert not asking.scope.warnings


async def test_too_many_samples(end: End) -> None:
    with pytest.raises(TooManySamples):
        await Asking(end, "read_recent: true").select(limit=5)


async def test_names_of_labels_are_local(end: End) -> None:
    asking = Asking(end, "read_recent: true")
    assert await asking.ask(lambda q: q.label_values("instance", UP, 0, 5000)) == ["both", "here"]
    assert asking.scope.warnings == [NO_LABELS]
    assert not end.bodies


async def test_unchanged_endpoints_stay_open(end: End) -> None:
    asking = Asking(end, "name: a")
    await asking.remote.apply(asking.config)
    before = asking.remote.readers
    await asking.remote.apply(asking.config)
    assert asking.remote.readers == before
    await asking.remote.apply(load_text("{}"))
    assert asking.remote.within(asking.scope) is asking.local
