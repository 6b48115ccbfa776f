"""Native histograms in chunks of remote read: the real Prometheus reads ours, and we its own."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import cramjam
import httpx
import numpy as np
import pytest

from promlab.model.histograms import CUSTOM_SCHEMA, HistogramColumn, HistogramTable
from promlab.model.labels import LabelTable, Symbols
from promlab.model.matchers import Matcher, MatchType
from promlab.model.samples import STALE_BITS
from promlab.model.storage import NO_HINTS
from promlab.remote.encode import SeriesSamples, write_request
from promlab.remote.read import CONTENT_TYPES, STREAMED
from promlab.remote.read_answers import REQUEST_HEADERS, read_request
from tests.made_histograms import histogram
from tests.real_programs import prometheus
from tests.server.running import running

pytestmark = pytest.mark.peers
FLAGS = "--web.enable-remote-write-receiver", "--enable-feature=native-histograms"
N, STEP_MS = 150, 1000
WRITE = {"Content-Type": "application/x-protobuf", "Content-Encoding": "snappy"}


def counter(i: int, factor: float = 1.0) -> HistogramTable:
    """Grows, gets new buckets, and starts again at 70."""
    n = (i if i < 70 else i - 70) + 1
    positive = {k * k: factor * n for k in range(-3, 3 + n // 10)} | {-40: factor}
    negative = {2: factor * n, 3: 2 * factor * n}
    return histogram(schema=2, positive=positive, negative=negative, zero_count=factor * n,
                     zero_threshold=0.0001, sum=1.25 * n)  # fmt: skip


def custom(i: int) -> HistogramTable:
    positive = {0: i + 1.0, 2: 2.0 * i, 3: 1.0}
    return histogram(schema=CUSTOM_SCHEMA, bounds=(0.1, 0.25, 1 / 3), positive=positive, sum=i)


def body(now_ms: int) -> bytes:
    """Integer, float and gauge histograms, custom ones, and a series that was all kinds."""
    gauge = [histogram(positive={1: abs(i - 30.0)}, hint=3) for i in range(N)]
    sets = {
        "integers": [counter(i) for i in range(N)],
        "floats": [counter(i, 0.5) for i in range(N)],
        "gauge": gauge,
        "custom": [custom(i) for i in range(N)],
        "mixed": [None if i % 50 > 40 else counter(i, 1 + i // 100 / 4) for i in range(N)],
    }
    index, tables, total = [], [], 0
    for rows in sets.values():
        for row in rows:
            index.append(-1 if row is None else total)
            total += row is not None
            tables += [row] if row is not None else []
    values = np.arange(len(index), dtype=np.float64)
    values.view(np.uint64)[-1] = STALE_BITS
    index[-1] = -1
    labels = LabelTable.from_dicts([{"__name__": name} for name in sets], Symbols())
    times = np.tile(now_ms + (np.arange(N) - N) * STEP_MS, len(sets))
    offsets = np.arange(len(sets) + 1) * N
    column = HistogramColumn(HistogramTable.stack(tables), np.array(index))
    return write_request(SeriesSamples(labels, offsets, times, values, column))


def answers(client: httpx.Client, now_s: float) -> list[object]:
    asked = [
        *(f"{{__name__='{name}'}}" for name in ("integers", "floats", "gauge", "custom", "mixed")),
        "rate(integers[20s])", "rate(floats[20s])", "delta(gauge[20s])", "rate(mixed[20s])",
        "resets(integers[3m])", "resets(floats[3m])", "histogram_quantile(0.7, rate(custom[30s]))",
        "count_over_time(mixed[3m])",
    ]  # fmt: skip
    found = []
    for query in asked:
        span = {"query": query, "start": now_s - N - 10, "end": now_s, "step": 7}
        answer = client.get("/api/v1/query_range", params=span).json()
        assert answer["status"] == "success", answer
        found.append((query, answer["data"]["result"], answer.get("warnings")))
    return found


def numbers(found: object, as_number: Callable[[float], object]) -> object:
    """The same with texts of numbers as numbers."""
    if isinstance(found, (list, tuple)):
        return [numbers(each, as_number) for each in found]
    if isinstance(found, dict):
        return {key: numbers(each, as_number) for key, each in found.items()}
    try:
        return as_number(float(found))  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return found


def nearly(number: float) -> object:
    """Sums may differ in their last digit."""
    return pytest.approx(number, rel=1e-12, nan_ok=True)


def test_both_read_what_the_other_has(peers: Path, tmp_path: Path) -> None:
    now_ms = int(time.time() * 1000)
    sent = bytes(cramjam.snappy.compress_raw(body(now_ms)))
    for name in ("a", "d"):
        (tmp_path / name).mkdir()
    (tmp_path / "a" / "p.yml").write_text("{}")
    reading = "remote_read: [{{url: '{}/api/v1/read', read_recent: true}}]\n"
    with (
        running(tmp_path / "a", *FLAGS) as ours,
        prometheus(peers, tmp_path / "b", "{}", *FLAGS) as real,
    ):
        for client in (ours.client, real):
            answer = client.post("/api/v1/write", content=sent, headers=WRITE)
            assert answer.is_success, answer.text
        there = str(real.base_url).rstrip("/")
        (tmp_path / "d" / "p.yml").write_text(reading.format(there))
        asked = read_request([Matcher("__name__", MatchType.EQUAL, "mixed")], 0, now_ms, NO_HINTS)
        answer = ours.client.post("/api/v1/read", content=asked, headers=REQUEST_HEADERS)
        assert answer.headers["content-type"] == CONTENT_TYPES[STREAMED]
        with (
            prometheus(peers, tmp_path / "c", reading.format(ours.url), *FLAGS) as real_reader,
            running(tmp_path / "d", *FLAGS) as our_reader,
        ):
            for reader, source in ((real_reader, ours.client), (our_reader.client, real)):
                for found, want in zip(
                    answers(reader, now_ms / 1000), answers(source, now_ms / 1000), strict=True
                ):
                    assert want[1], want[0]
                    assert numbers(found, float) == numbers(want, nearly), want[0]
