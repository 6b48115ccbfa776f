"""Everything around the server misbehaves for a while: nothing is lost, and nothing leaks.

Wrong reloads, an Alertmanager and a receiver of remote write that hang, discovery that answers
garbage, clients that vanish in the middle of a request or of an answer. The length is 6 s, or
$PROMLAB_SOAK_S seconds; what was seen is printed (`pytest -s`).
"""

from __future__ import annotations

import os
import random
import re
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "server"))  # its helpers

from running import Running, Target, running, until

from tests.patience import PATIENCE_S

pytestmark = pytest.mark.slow

LENGTH_S = float(os.environ.get("PROMLAB_SOAK_S", "6"))
ASKED = b"GET /api/v1/query?query=up HTTP/1.1\r\nHost: x\r\n\r\n"
BIG = (
    b"GET /api/v1/query_range?query=vector(1)&start=0&end=10000&step=1 HTTP/1.1\r\nHost: x\r\n\r\n"
)
LIVE = b"GET /api/v1/notifications/live HTTP/1.1\r\nHost: x\r\n\r\n"


@contextmanager
def listening(answer: bytes) -> Iterator[str]:
    """`host:port` that accepts, and says this or (empty) nothing at all."""
    listener = socket.create_server(("127.0.0.1", 0))
    held: list[socket.socket] = []

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            if answer:
                connection.recv(4096)
                connection.sendall(answer)
                connection.close()
            else:
                held.append(connection)

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield "{}:{}".format(*listener.getsockname())
    finally:
        listener.close()
        for each in held:
            each.close()


def resources(server: Running) -> dict[str, int]:
    """Open files, threads, tasks and memory (PSS, KiB) of all processes."""
    main = psutil.Process(server.process.pid)
    found = {"fds": 0, "threads": 0, "kib": 0}
    for process in (main, *main.children()):
        found["fds"] += process.num_fds()
        found["threads"] += process.num_threads()
        found["kib"] += process.memory_full_info().pss // 1024
    metrics = server.client.get("/metrics").text
    tasks = re.findall(r"^promlab_asyncio_tasks\{.*\} (.*)$", metrics, re.M)
    assert len(tasks) == 2
    return {**found, "tasks": sum(int(float(each)) for each in tasks)}


def misbehave(server: Running, folder: Path, seconds: float) -> int:
    """All of it, for a while; returns how often."""
    config, good = folder / "p.yml", (folder / "p.yml").read_text()
    address = server.url.removeprefix("http://").split(":")
    rounds, shown, end = 0, time.monotonic(), time.monotonic() + seconds
    chance = random.Random(1)
    while time.monotonic() < end:
        rounds += 1
        for said in (ASKED, BIG, LIVE, ASKED[:9], b"POST /api/v1/query HTTP/1.1\r\nConte"):
            with socket.create_connection((address[0], int(address[1]))) as client:
                client.sendall(said)
                if said.endswith(b"\r\n\r\n") and said != LIVE and chance.random() < 0.5:
                    client.recv(10)
        if rounds % 10 == 0:
            config.write_text(chance.choice(["scrape_configs: {", "x: 1", "rule_files: [5: 6]"]))
            assert httpx.post(f"{server.url}/-/reload", timeout=PATIENCE_S).status_code == 500
            config.write_text(good)
        assert server.client.get("/api/v1/query", params={"query": "up"}).status_code == 200
        if LENGTH_S > 60:  # for hours: leave something of the machine to others
            time.sleep(0.05)
            if time.monotonic() > shown + 60:
                shown = time.monotonic()
                print(f"{end - shown:.0f} s left, {rounds} rounds: {resources(server)}")
    assert server.client.post("/-/reload").status_code == 200
    return rounds


def test_nothing_leaks(tmp_path: Path) -> None:
    target = Target()
    garbage = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 3\r\n\r\n{[}"
    with listening(b"") as hanging, listening(garbage) as confused:
        (tmp_path / "p.yml").write_text(
            "global: {scrape_interval: 100ms, scrape_timeout: 100ms, evaluation_interval: 200ms}\n"
            "rule_files: [r.yml]\n"
            f"alerting: {{alertmanagers: [{{timeout: 500ms, static_configs: "
            f"[{{targets: ['{hanging}']}}]}}]}}\n"
            f"remote_write: [{{url: 'http://{hanging}/w', remote_timeout: 200ms, "
            "queue_config: {batch_send_deadline: 100ms, max_backoff: 100ms}}]\n"
            "scrape_configs:\n"
            f"- job_name: t\n  static_configs: [{{targets: ['{target.address}']}}]\n"
            f"- job_name: stuck\n  static_configs: [{{targets: ['{hanging}']}}]\n"
            f"- job_name: found\n  http_sd_configs: [{{url: 'http://{confused}/', "
            "refresh_interval: 200ms}]\n"
        )
        (tmp_path / "r.yml").write_text(
            "groups: [{name: g, rules: [{alert: A, expr: level < 1}]}]\n"
        )
        flags = ["--web.enable-lifecycle", "--no-alertmanager.drain-notification-queue-on-shutdown"]
        with running(tmp_path, *flags) as server:
            until(lambda: server.value('up{job="t"}') == 1, "a sample")
            until(lambda: server.value("ALERTS") == 1, "an alert")
            misbehave(server, tmp_path, LENGTH_S / 2)
            before = resources(server)
            assert misbehave(server, tmp_path, LENGTH_S / 2) > 3

            def settled() -> bool:
                now = resources(server)
                few = now["fds"] <= before["fds"] + 10 and now["threads"] <= before["threads"] + 4
                return (
                    few
                    and now["tasks"] <= before["tasks"] + 5
                    and now["kib"] <= before["kib"] + 60_000
                )

            until(settled, "as few files, threads and memory as before")
            metrics = server.client.get("/metrics").text
            assert "prometheus_config_last_reload_successful 1" in metrics
            assert server.value('count_over_time(up{job="t"}[5m]) > 0') is not None
            assert server.value('up{job="stuck"}') == 0
    target.close()


RELOADS = 12
VARIANT = """\
global: {{scrape_interval: {interval}, scrape_timeout: 50ms, external_labels: {{n: '{n}'}}}}
alerting: {{alertmanagers: [{{timeout: 500ms, static_configs: [{{targets: ['{target}']}}]}}]}}
rule_files: [r.yml]
remote_write: [{{url: 'http://{target}/', name: w, queue_config: {{batch_send_deadline: 50ms}}}}]
remote_read: [{{url: 'http://{target}/', name: r, read_recent: true}}]
scrape_configs:
- job_name: t
  static_configs: [{{targets: ['{target}'], labels: {{n: '{n}'}}}}]
- job_name: f
  file_sd_configs: [{{files: [sd*.json]}}]
  params: {{n: ['{n}']}}
- job_name: h
  http_sd_configs: [{{url: 'http://{target}/?{n}', refresh_interval: 100ms}}]
"""


def reload_often(server: Running, folder: Path, address: str, times: int) -> None:
    """Take over a configuration in which everything is another, again and again."""
    for n in range(times):
        interval = "100ms" if n % 2 else "150ms"
        text = VARIANT.format(interval=interval, target=address, n=n)
        (folder / "p.yml").write_text(text)
        assert server.client.post("/-/reload").status_code == 200
        wanted = f'n: "{n}"', f"n: '{n}'", f"n: {n}"

        def shown(wanted: tuple[str, ...] = wanted) -> bool:
            found = server.client.get("/api/v1/status/config").json()["data"]["yaml"]
            return any(each in found for each in wanted)

        until(shown, "the new configuration")
        # Everything is used: what is not opened can't be left open.
        assert server.client.get("/api/v1/query", params={"query": "up"}).status_code == 200


def test_a_reload_leaves_nothing_open(tmp_path: Path) -> None:
    """One file, thread or connection that a reload leaves behind would be seen."""
    target = Target()
    (tmp_path / "sd.json").write_text(f'[{{"targets": ["{target.address}"]}}]')
    (tmp_path / "r.yml").write_text("groups: [{name: g, rules: [{alert: A, expr: level < 1}]}]\n")
    (tmp_path / "p.yml").write_text("{}")
    with running(tmp_path, "--web.enable-lifecycle") as server:
        reload_often(server, tmp_path, target.address, 3)
        until(lambda: server.value('up{job="f"}') == 1, "a sample")
        before = resources(server)
        reload_often(server, tmp_path, target.address, RELOADS)

        def settled() -> bool:
            now = resources(server)
            limit = RELOADS // 2
            return now["fds"] <= before["fds"] + limit and now["threads"] <= (
                before["threads"] + limit
            )

        until(settled, "as few files and threads as before")
    target.close()
