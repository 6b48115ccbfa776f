"""The same requests to the real Prometheus and to promlab: status, kind, keys, message."""

from __future__ import annotations

import asyncio
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from running import until

pytestmark = pytest.mark.peers

REQUESTS = [
    ("query", {"query": "1", "time": "1"}),
    ("query", {"query": '"a"', "time": "1435781451.781"}),
    ("query", {"query": "vector(0.1)", "time": "1970-01-01T00:00:01.5Z"}),
    ("query", {"query": "1e21 + 0", "time": "-5"}),
    ("query", {"query": "vector(1e21)", "time": "-5"}),
    ("query", {"query": "vector(1/0)", "time": "1"}),
    ("query", {"query": "nothing", "time": "1"}),
    ("query", {"query": "nothing[5m]", "time": "1"}),
    ("query", {}),
    ("query", {"query": "1", "time": "foo"}),
    ("query", {"query": "1", "timeout": "foo"}),
    ("query", {"query": "1", "limit": "-1"}),
    ("query", {"query": "1", "limit": "x"}),
    ("query", {"query": "1", "lookback_delta": "x"}),
    ("query_range", {"query": "1", "start": "0", "end": "1", "step": "0.1"}),
    ("query_range", {"query": "vector(2)", "start": "0", "end": "11000", "step": "1"}),
    ("query_range", {"query": "vector(2)", "start": "0", "end": "11001", "step": "1"}),
    ("query_range", {"query": "1", "start": "0", "end": "1", "step": "0"}),
    ("query_range", {"query": "1", "start": "0", "end": "1", "step": "-1"}),
    ("query_range", {"query": "1", "start": "0", "end": "1"}),
    ("query_range", {"query": "1", "start": "0", "end": "1", "step": "1e30"}),
    ("query_range", {"query": "1", "start": "2", "end": "1", "step": "1"}),
    ("query_range", {"query": "1", "start": "x", "end": "1", "step": "1"}),
    ("query_range", {"query": "up[5m]", "start": "0", "end": "1", "step": "1"}),
    ("query_range", {"query": '"s"', "start": "0", "end": "1", "step": "1"}),
    ("labels", {"match[]": "{}"}),
    ("labels", {"start": "x"}),
    ("labels", {"limit": "x"}),
    ("label/a-b/values", {}),
    ("series", {}),
    ("series", {"match[]": "nothing"}),
    ("metadata", {"limit": "x"}),
    ("metadata", {"limit_per_metric": "x"}),
    ("targets/metadata", {"metric": "nothing"}),
    ("status/tsdb", {"limit": "x"}),
    ("rules", {}),
    ("rules", {"type": "alert"}),
    ("rules", {"type": "x"}),
    ("rules", {"exclude_alerts": "True"}),
    ("rules", {"exclude_alerts": "x"}),
    ("rules", {"match[]": "{"}),
    ("rules", {"match[]": "{}"}),
    ("rules", {"group_limit": "x"}),
    ("rules", {"group_limit": "0"}),
    ("rules", {"group_limit": "2"}),
    ("rules", {"group_next_token": "x"}),
    ("rules", {"group_limit": "1", "group_next_token": "x"}),
    ("alerts", {}),
    ("alertmanagers", {}),
    ("format_query", {"query": "sum(up)by(job)"}),
    ("format_query", {}),
    ("nope", {}),
]


@pytest.fixture(scope="module")
def prometheus(peers: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    folder = tmp_path_factory.mktemp("prometheus")
    (folder / "p.yml").write_text("global: {scrape_interval: 1h}\n")
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    command = [peers / "prometheus", f"--config.file={folder}/p.yml"]
    command += [f"--storage.tsdb.path={folder}/data", f"--web.listen-address={address}"]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        with httpx.Client(base_url=f"http://{address}") as client:
            until(lambda: client.get("/-/ready").status_code == 200, "Prometheus")
            yield client
    finally:
        process.terminate()
        process.wait()


@pytest.fixture
def promlab_writer(context: Any) -> None:
    context.writer.answers = {"metadata": lambda *_: [], "head_stats": lambda *_: {}}


@pytest.mark.parametrize(("path", "params"), REQUESTS)
async def test_same_answer(
    prometheus: httpx.Client,
    client: httpx.AsyncClient,
    promlab_writer: None,
    path: str,
    params: Any,
) -> None:
    theirs = await asyncio.to_thread(prometheus.get, f"/api/v1/{path}", params=params)
    ours = await client.get(f"/api/v1/{path}", params=params)
    assert ours.status_code == theirs.status_code
    assert ours.headers["content-type"] == theirs.headers["content-type"]
    assert ours.text == theirs.text
