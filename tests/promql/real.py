"""The real Prometheus on a free port, loaded by remote write and asked over HTTP."""

from __future__ import annotations

import itertools
import json
import socket
import struct
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cramjam

from promlab.promqltest.histograms import Plain
from promlab.promqltest.memory import Key, MemoryQuerier, Sample


class RealPrometheus:
    """A running server; use as a context manager."""

    def __init__(self, binary: Path, folder: Path) -> None:
        config = folder / "prometheus.yml"
        config.write_text("global: {}\n", encoding="utf-8")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self._process = subprocess.Popen(
            [
                binary,
                f"--config.file={config}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
                "--web.enable-remote-write-receiver",
                "--enable-feature=promql-experimental-functions,native-histograms",
                "--log.level=error",
            ]
        )

    def __enter__(self) -> RealPrometheus:
        deadline = time.monotonic() + 30
        while True:
            try:
                urllib.request.urlopen(f"{self.url}/-/ready", timeout=5).close()
                return self
            except OSError:
                assert self._process.poll() is None, "prometheus has ended"
                assert time.monotonic() < deadline, "prometheus does not get ready"
                time.sleep(0.05)

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(20)

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
        with urllib.request.urlopen(request, timeout=60) as answer:
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
        for i, (index, _) in enumerate(sorted(side.items())):
            offset = index if i == 0 else index - after
            made += field(spans, b"\x08" + varint(zigzag(offset)) + b"\x10\x01")
            after = index + 1
        numbers = b"".join(struct.pack("<d", count) for _, count in sorted(side.items()))
        made += field(counts, numbers) if numbers else b""
    made += b"\x70" + varint(histogram.hint or 0) + b"\x78" + varint(t_ms)
    if histogram.bounds:
        bounds = b"".join(struct.pack("<d", bound) for bound in histogram.bounds)
        made += varint(16 << 3 | 2) + varint(len(bounds)) + bounds
    return made


def double(number: int, value: float) -> bytes:
    return bytes([number << 3 | 1]) + struct.pack("<d", value)


def zigzag(number: int) -> int:
    return number << 1 if number >= 0 else (-number << 1) - 1
