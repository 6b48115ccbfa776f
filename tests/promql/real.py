"""The real Prometheus on a free port, loaded by remote write and asked over HTTP."""

from __future__ import annotations

import itertools
import json
import struct
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cramjam

from promlab.promqltest.histograms import Plain
from promlab.promqltest.memory import Key, MemoryQuerier, Sample
from tests.real_programs import prometheus

FEATURES = "--enable-feature=promql-experimental-functions,native-histograms,promql-per-step-stats"


class RealPrometheus:
    """A running server; use as a context manager."""

    def __init__(self, peers: Path, folder: Path) -> None:
        flags = ["--web.enable-remote-write-receiver", FEATURES]
        self._running = prometheus(peers, folder, "global: {}\n", *flags)

    def __enter__(self) -> RealPrometheus:
        self.url = str(self._running.__enter__().base_url).rstrip("/")
        return self

    def __exit__(self, *error: Any) -> None:
        self._running.__exit__(*error)

    def load(self, data: MemoryQuerier) -> None:
        """Send all samples, oldest first; a series' floats and histograms in turn."""
        runs: dict[Key, list[list[int]]] = {}
        for labels, samples in data.samples.items():
            kinds = ((t, isinstance(samples[t], Plain)) for t in sorted(samples))
            turns = itertools.groupby(kinds, lambda pair: pair[1])
            runs[labels] = [[t for t, _ in pairs] for _, pairs in turns]
        for turn in range(max(map(len, runs.values()))):
            body = b""
            for labels, turns in runs.items():
                if turn < len(turns):
                    body += field(1, series_message(labels, data.samples[labels], turns[turn]))
            headers = {"Content-Encoding": "snappy", "Content-Type": "application/x-protobuf"}
            packed = bytes(cramjam.snappy.compress_raw(body))
            self._open(urllib.request.Request(f"{self.url}/api/v1/write", packed, headers))

    def ask(self, path: str, **params: object) -> dict[str, Any]:
        """The API's answer, errors too."""
        body = urllib.parse.urlencode(params).encode()
        try:
            answer = self._open(urllib.request.Request(f"{self.url}/api/v1/{path}", body))
        except urllib.error.HTTPError as error:
            with error:
                answer = error.read()
        found: dict[str, Any] = json.loads(answer)
        return found

    def _open(self, request: urllib.request.Request) -> bytes:
        with urllib.request.urlopen(request, timeout=300) as answer:
            body: bytes = answer.read()
            return body


def varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def field(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | 2]) + varint(len(content)) + content


def series_message(labels: Key, samples: Mapping[int, Sample], times: list[int]) -> bytes:
    """A series with its samples at these times."""
    series = b"".join(
        field(1, field(1, name.encode()) + field(2, value.encode())) for name, value in labels
    )
    for t_ms in times:
        sample = samples[t_ms]
        if isinstance(sample, Plain):
            series += field(4, histogram_message(sample, t_ms))
        else:
            series += field(2, b"\x09" + struct.pack("<d", sample) + b"\x10" + varint(t_ms))
    return series


def histogram_message(histogram: Plain, t_ms: int) -> bytes:
    """A float histogram as remote write 1.0 has it."""
    made = double(2, histogram.count) + double(3, histogram.sum)
    made += b"\x20" + varint(zigzag(histogram.schema)) + double(5, histogram.zero_threshold)
    made += double(7, histogram.zero_count)
    for side, spans, counts in ((histogram.negative, 8, 10), (histogram.positive, 11, 13)):
        after = 0
        for first, last in runs_of(sorted(side)):
            offset, length = first - after, last - first + 1
            made += field(spans, b"\x08" + varint(zigzag(offset)) + b"\x10" + varint(length))
            after = last + 1
        numbers = b"".join(struct.pack("<d", count) for _, count in sorted(side.items()))
        made += field(counts, numbers) if numbers else b""
    made += b"\x70" + varint(histogram.hint or 0) + b"\x78" + varint(t_ms)
    if histogram.bounds:
        bounds = b"".join(struct.pack("<d", bound) for bound in histogram.bounds)
        made += varint(16 << 3 | 2) + varint(len(bounds)) + bounds
    return made


def runs_of(indices: list[int]) -> list[tuple[int, int]]:
    """First and last of each run of neighbours: to Prometheus, two spans are not one of both."""
    runs: list[tuple[int, int]] = []
    for index in indices:
        joined = bool(runs) and index == runs[-1][1] + 1
        runs[-1:] = [(runs[-1][0], index)] if joined else [*runs[-1:], (index, index)]
    return runs


def double(number: int, value: float) -> bytes:
    return bytes([number << 3 | 1]) + struct.pack("<d", value)


def zigzag(number: int) -> int:
    return number << 1 if number >= 0 else (-number << 1) - 1
