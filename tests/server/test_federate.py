"""/federate: what another server gets to scrape."""

from __future__ import annotations

import time
from typing import Any

import httpx
import numpy as np
import pytest
from fake_server import FakeQuerier, client_of, make_context

from promlab.model.histograms import Buckets, HistogramColumn, HistogramTable
from promlab.model.labels import LabelTable
from promlab.model.samples import STALE_NAN, SeriesBatch
from promlab.server.api_federate import Form, negotiated
from promlab.server.context import Context
from promlab.server.settings import Settings

NOW = time.time_ns() // 1_000_000
SERIES: list[Any] = [
    ({"__name__": "up", "job": "b", "instance": "i:1"}, [(NOW - 2000, 0.5), (NOW - 1000, 1)]),
    ({"__name__": "up", "job": "a", "region": "own"}, [(NOW - 1000, float("inf"))]),
    ({"__name__": "ended", "job": "a"}, [(NOW - 2000, 1), (NOW - 1000, STALE_NAN)]),
    ({"__name__": "old", "job": "a"}, [(NOW - 400_000, 1)]),
    ({"job": "nameless"}, [(NOW - 1000, 1)]),
    ({"__name__": "odd.name", "job": 'q"\\\n', "é": "ü"}, [(NOW - 1000, 1e-7)]),
]


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is still when the samples were made."""
    monkeypatch.setattr(time, "time_ns", lambda: NOW * 1_000_000)


CONFIG = "global: {external_labels: {region: eu, zone: z}}"


def make(settings: Settings, series: Any = SERIES) -> Context:
    return make_context(settings, series, config=CONFIG)


async def ask(context: Context, *matchers: str, accept: str = "") -> httpx.Response:
    async with client_of(context) as client:
        params = {"match[]": list(matchers)}
        return await client.get("/federate", params=params, headers={"Accept": accept})


async def test_newest_samples_with_external_labels(settings: Settings) -> None:
    answer = await ask(make(settings), '{job!=""}')
    assert answer.status_code == 200
    kind = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"
    assert answer.headers["content-type"] == kind
    assert answer.text.splitlines() == [
        "# TYPE odd_name untyped",
        f'odd_name{{job="q\\"\\\\\\n",_="ü",instance="",region="eu",zone="z"}} 1e-07 {NOW - 1000}',
        "# TYPE up untyped",
        f'up{{instance="i:1",job="b",region="eu",zone="z"}} 1 {NOW - 1000}',
        f'up{{job="a",region="own",instance="",zone="z"}} +Inf {NOW - 1000}',
    ]


async def test_a_series_that_two_selectors_find_comes_once(settings: Settings) -> None:
    answer = await ask(make(settings), "up", '{job="b"}')
    assert answer.text.count('job="b"') == 1


async def test_names_as_they_are_for_who_takes_them(settings: Settings) -> None:
    accept = "text/plain;version=1.0.0;escaping=allow-utf-8"
    answer = await ask(make(settings), '{"odd.name"}', accept=accept)
    assert answer.headers["content-type"].endswith("escaping=allow-utf-8")
    assert answer.text.splitlines()[0] == '# TYPE "odd.name" untyped'
    assert answer.text.splitlines()[1].startswith('{"odd.name",job="q\\"\\\\\\n","é"="ü",')


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("", Form()),
        ("*/*", Form()),
        ("application/json, text/plain", Form()),
        ("application/vnd.google.protobuf", Form()),
        (
            "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;"
            "encoding=delimited;q=0.7,text/plain;q=0.3",
            Form(protobuf=True),
        ),
        (
            "text/plain;q=0.3,application/vnd.google.protobuf;"
            "proto=io.prometheus.client.MetricFamily;encoding=delimited",
            Form(),
        ),
    ],
)
def test_the_first_known_form_is_taken(accept: str, form: Form) -> None:
    assert negotiated(accept) == form


@pytest.mark.parametrize("selector", ["up[", "sum(up)"])
async def test_bad_selectors_are_counted(settings: Settings, selector: str) -> None:
    context = make(settings)
    answer = await ask(context, selector)
    assert answer.status_code == 400
    assert b"prometheus_web_federation_errors_total 1.0" in context.metrics.render()


class HistogramQuerier(FakeQuerier):
    """One histogram with exponential buckets, one with bounds of its own."""

    def select(self, *args: Any, **kwargs: Any) -> SeriesBatch:
        labels = LabelTable.from_dicts(
            [{"__name__": "native", "job": "a"}, {"__name__": "custom", "job": "a"}], self.symbols
        )
        batch = SeriesBatch.from_series(labels, [[NOW - 1000]] * 2, [[0.0]] * 2)
        table = HistogramTable(
            np.array([0, -53], np.int8),
            np.array([0.001, 0.0]),
            np.array([1.0, 0.0]),
            np.array([7.0, 5.0]),
            np.array([2.5, 9.0]),
            np.zeros(2, np.int8),
            Buckets(
                np.array([0, 3, 5]),
                np.array([1, 2, 5, 0, 2], np.int32),
                np.array([2.0, 1, 3, 4, 1]),
            ),
            Buckets(np.array([0, 0, 0]), np.zeros(0, np.int32), np.zeros(0)),
            np.array([-1, 0], np.int32),
            ((0.5, 1.0),),
        )
        column = HistogramColumn(table, np.array([0, 1]))
        return SeriesBatch(
            batch.labels, batch.offsets, batch.times_at, batch.t_ms, batch.values, column
        )


def with_histograms(settings: Settings) -> Context:
    context = make(settings)
    context.querier = HistogramQuerier([])
    return context


async def test_histograms_in_text_are_those_with_bounds(settings: Settings) -> None:
    answer = await ask(with_histograms(settings), '{job="a"}')
    own = 'job="a",instance="",region="eu",zone="z"'
    assert answer.text.splitlines() == [
        "# TYPE custom histogram",
        f'custom_bucket{{{own},le="0.5"}} 4 {NOW - 1000}',
        f'custom_bucket{{{own},le="1"}} 4 {NOW - 1000}',
        f'custom_bucket{{{own},le="+Inf"}} 5 {NOW - 1000}',
        f"custom_sum{{{own}}} 9 {NOW - 1000}",
        f"custom_count{{{own}}} 5 {NOW - 1000}",
    ]


async def test_histograms_in_protobuf_are_native(settings: Settings) -> None:
    accept = (
        "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"
    )
    answer = await ask(with_histograms(settings), '{job="a"}', accept=accept)
    assert answer.headers["content-type"].startswith("application/vnd.google.protobuf; proto=io.")
    families = read_families(answer.content)
    assert [name for name, *_ in families] == ["custom", "native"]
    name, kind, metric = families[1]
    histogram = read(metric[7][0])
    assert (name, kind) == ("native", 4)
    assert histogram[1] == [7]  # observations
    assert histogram[7] == [1]  # in the zero bucket
    assert [signed(each) for each in histogram[5]] == [0]  # schema
    spans = [read(span) for span in histogram[12]]
    assert [(signed(span[1][0]), span[2][0]) for span in spans] == [(1, 2), (2, 1)]
    assert varints(histogram[13][0]) == [2, -1, 2]
    classic = read(families[0][2][7][0])
    assert [read(bucket)[1][0] for bucket in classic[3]] == [4, 4, 5]


def read_families(body: bytes) -> list[tuple[str, int, dict[int, list[Any]]]]:
    found, at = [], 0
    while at < len(body):
        size, at = varint(body, at)
        family = read(body[at : at + size])
        at += size
        found.append((family[1][0].decode(), family[3][0], read(family[4][0])))
    return found


def varint(body: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        value |= (body[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if body[at - 1] < 0x80:
            return value, at


def varints(body: bytes) -> list[int]:
    found, at = [], 0
    while at < len(body):
        value, at = varint(body, at)
        found.append(signed(value))
    return found


def signed(value: int) -> int:
    return value >> 1 if value % 2 == 0 else -(value + 1 >> 1)


def read(body: bytes) -> dict[int, list[Any]]:
    """The fields of a message, by number; what they mean the caller knows."""
    found: dict[int, list[Any]] = {}
    at = 0
    while at < len(body):
        key, at = varint(body, at)
        value: Any
        if key & 7 == 0:
            value, at = varint(body, at)
        elif key & 7 == 1:
            value, at = body[at : at + 8], at + 8
        else:
            size, at = varint(body, at)
            value, at = body[at : at + size], at + size
        found.setdefault(key >> 3, []).append(value)
    return found
