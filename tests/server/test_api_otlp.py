"""/api/v1/otlp/v1/metrics on a real server."""

from __future__ import annotations

import gzip
import json
import time
from pathlib import Path

import pytest
from running import running, until, write_config

from tests.remote.otlp_bodies import everything

PATH = "/api/v1/otlp/v1/metrics"


def test_what_is_pushed_can_be_queried(tmp_path: Path) -> None:
    write_config(tmp_path)
    t_ms = time.time_ns() // 1_000_000 - 1000
    body = json.dumps(everything(t_ms)).encode()
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    with running(tmp_path, "--web.enable-otlp-receiver") as server:
        post = server.client.post
        packed = gzip.compress(body)
        until(lambda: post(PATH, content=packed, headers=headers).status_code == 200, "stored")
        assert server.value('http_requests_total{job="web/shop",instance="i-1"}') == 7.0
        assert server.value("histogram_count(exp_seconds{kind='exp'})") == 10.0
        older = json.dumps(everything(t_ms - 1000)).encode()
        refused = post(PATH, content=older, headers={"Content-Type": "application/json"})
        assert refused.status_code == 400
        assert "out of order" in refused.text
        for bad, kind, words in (
            (b"\xff", "application/x-protobuf", "damaged at byte 0"),
            (b"{", "application/json", "not JSON"),
            (b"", "text/plain", "unsupported content type"),
        ):
            answer = post(PATH, content=bad, headers={"Content-Type": kind})
            assert answer.status_code == 400
            assert words in answer.text
        for damaged in (b"zz", packed[:-9]):
            answer = post(PATH, content=damaged, headers=headers)
            assert answer.status_code == 400
            assert answer.text.startswith("gzip: ")


def test_differences_are_added_up(tmp_path: Path) -> None:
    write_config(tmp_path)
    headers = {"Content-Type": "application/json"}
    t_ms = time.time_ns() // 1_000_000 - 10_000
    flags = "--web.enable-otlp-receiver", "--enable-feature=otlp-deltatocumulative"
    with running(tmp_path, *flags) as server:
        for i in range(3):
            body = json.dumps(everything(t_ms + 1000 * i)).encode()
            answer = server.client.post(PATH, content=body, headers=headers)
            assert answer.status_code == 200, answer.text
        assert server.value("lost_total") == 9.0  # a counter of differences
        assert server.value("requests_total") == 8.0


@pytest.mark.parametrize("path", [PATH])
def test_off_by_default(tmp_path: Path, path: str) -> None:
    write_config(tmp_path)
    with running(tmp_path) as server:
        assert server.client.post(path, content=b"").status_code == 404
