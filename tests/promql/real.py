"""The real Prometheus on a free port, loaded by remote write and asked over HTTP."""

from __future__ import annotations

import json
import socket
import struct
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import cramjam

from tests.promql.fake import FakeQuerier


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
                "--enable-feature=promql-experimental-functions",
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

    def load(self, data: FakeQuerier) -> None:
        """Send all samples, oldest first."""
        body = b""
        for labels, samples in data.samples.items():
            series = b"".join(
                field(1, field(1, name.encode()) + field(2, value.encode()))
                for name, value in labels
            )
            for t_ms in sorted(samples):
                sample = b"\x09" + struct.pack("<d", samples[t_ms]) + b"\x10" + varint(t_ms)
                series += field(2, sample)
            body += field(1, series)
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
