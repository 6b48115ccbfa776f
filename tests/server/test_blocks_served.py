"""A real server makes blocks, answers from them, deletes, copies itself, and starts again."""

from __future__ import annotations

import time
from pathlib import Path

import cramjam
import pytest
from running import Running, running, until, write_config
from test_api_write import series

from promlab.tsdb.open import open as open_reader

pytestmark = pytest.mark.slow

FLAGS = (
    "--web.enable-admin-api",
    "--web.enable-remote-write-receiver",
    "--storage.tsdb.min-block-duration=1m",
    "--storage.tsdb.max-block-duration=9m",
)
STEPS = 960  # of 5 s: 80 minutes


def push(server: Running, start_ms: int) -> None:
    for first in range(0, STEPS, 240):
        samples = [(float(i), start_ms + 5_000 * i) for i in range(first, first + 240)]
        body = b"".join(series({"__name__": "pushed", "i": str(n)}, *samples) for n in range(3))
        answer = server.client.post(
            "/api/v1/write",
            content=bytes(cramjam.snappy.compress_raw(body)),
            headers={"Content-Type": "application/x-protobuf", "Content-Encoding": "snappy"},
        )
        assert answer.status_code == 204, answer.text


def test_blocks(tmp_path: Path) -> None:
    write_config(tmp_path)
    start_ms = int(time.time()) * 1000 - 5_000 * STEPS
    with running(tmp_path, *FLAGS) as server:
        push(server, start_ms)
        get = server.client.get
        blocks = until(lambda: get("/api/v1/status/tsdb/blocks").json()["data"]["blocks"], "blocks")
        assert {"ulid", "minTime", "maxTime", "stats", "compaction", "version"} <= set(blocks[0])
        count = f"sum(count_over_time(pushed[{6 * STEPS}s]))"
        assert server.value(count) == 3 * STEPS
        text = get("/metrics").text
        assert "prometheus_tsdb_compactions_total 0\n" not in text
        assert "prometheus_tsdb_blocks_loaded 0\n" not in text
        _delete(server, start_ms, count)
        answer = server.client.post("/api/v1/admin/tsdb/snapshot")
        name = answer.json()["data"]["name"]
        with open_reader(tmp_path / "data" / "snapshots" / name) as reader:
            assert reader.select([], 0, 2**62).sample_count == 3 * STEPS - 100
    with running(tmp_path, *FLAGS) as server:
        assert server.value(count) == 3 * STEPS - 100


def _delete(server: Running, start_ms: int, count: str) -> None:
    post = server.client.post
    where = {"match[]": 'pushed{i="1"}', "start": start_ms / 1000}
    to = (start_ms + 5_000 * 99) / 1000
    assert post("/api/v1/admin/tsdb/delete_series", params={**where, "end": to}).status_code == 204
    assert server.value(count) == 3 * STEPS - 100
    assert post("/api/v1/admin/tsdb/clean_tombstones").status_code == 204
    assert server.value(count) == 3 * STEPS - 100


def test_retention_by_size(tmp_path: Path) -> None:
    write_config(tmp_path)
    start_ms = int(time.time()) * 1000 - 5_000 * STEPS
    with running(tmp_path, *FLAGS, "--storage.tsdb.retention.size=1KB") as server:
        push(server, start_ms)

        def gone() -> bool:
            return (
                "prometheus_tsdb_size_retentions_total 0\n"
                not in server.client.get("/metrics").text
            )

        until(gone, "blocks deleted for their size")
        found = server.value("count_over_time(pushed{i='0'}[2h])")
        assert found is not None
        assert found < STEPS
