"""The gateway as a process: client libraries, kill -9, pages, switches."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from gateways import Running, ours
from prometheus_client import (
    CollectorRegistry,
    Gauge,
    Histogram,
    delete_from_gateway,
    push_to_gateway,
    pushadd_to_gateway,
)

from tests.patience import PATIENCE_S, until


@pytest.fixture(scope="module")
def gateway() -> Iterator[Running]:
    with ours("--web.enable-admin-api") as running:
        yield running


@pytest.fixture(autouse=True)
def empty(gateway: Running) -> None:
    assert gateway.ask("PUT", "/api/v1/admin/wipe").status == 202


def pushed(gateway: Running) -> dict[str, float]:
    own = ("pushgateway_", "process_", "push_time", "push_failure")
    return {name: v for name, v in gateway.metrics().items() if not name.startswith(own)}


def test_the_python_client(gateway: Running) -> None:
    registry = CollectorRegistry()
    Gauge("last_success_unixtime", "When.", registry=registry).set(5)
    Histogram("took_seconds", "Time.", registry=registry, buckets=[1]).observe(0.5)
    push_to_gateway(gateway.url, job="batch", registry=registry)
    push_to_gateway(gateway.url, "a/b", registry, grouping_key={"path": "/x", "empty": ""})
    found = pushed(gateway)
    assert found['last_success_unixtime{instance="",job="batch"}'] == 5
    assert found['took_seconds_bucket{empty="",instance="",job="a/b",path="/x",le="+Inf"}'] == 1
    more = CollectorRegistry()
    Gauge("more", "More.", registry=more).set(1)
    pushadd_to_gateway(gateway.url, "batch", more, compression="gzip")
    assert pushed(gateway)['more{instance="",job="batch"}'] == 1
    push_to_gateway(gateway.url, "batch", more)
    assert 'last_success_unixtime{instance="",job="batch"}' not in pushed(gateway)
    delete_from_gateway(gateway.url, "batch")
    delete_from_gateway(gateway.url, "a/b", {"path": "/x", "empty": ""})
    assert pushed(gateway) == {}


def test_expiry_is_asked_for_in_the_url(gateway: Running) -> None:
    assert gateway.ask("PUT", "/metrics/job/a?ttl=1h", "x 1\n").status == 200
    assert any(name.startswith("push_expiry_time_seconds") for name in gateway.metrics())
    bad = gateway.ask("PUT", "/metrics/job/a?ttl=soon", "x 1\n")
    assert bad.status == 400
    assert b'not a valid duration string: "soon"; write a duration, as in ttl=10m' in bad.body
    assert gateway.ask("PUT", "/metrics/job/b?ttl=1ms", "y 1\n").status == 200
    until(lambda: not any(name.startswith("y{") for name in gateway.metrics()))


def test_a_large_push(gateway: Running) -> None:
    body = "".join(f'x{{n="{i}"}} {i}\n' for i in range(20_000))
    assert gateway.ask("PUT", "/metrics/job/large", body).status == 200
    assert len(pushed(gateway)) == 20_000


def test_pages_and_status(gateway: Running) -> None:
    for path in ("/", "/status", "/static/groups.js", "/static/status.js", "/static/page.css"):
        got = gateway.ask("GET", path)
        assert got.status == 200
        assert "default-src 'none'" in got.headers["content-security-policy"]
    status = json.loads(gateway.ask("GET", "/api/v1/status").body)["data"]
    assert status["flags"]["web.enable-admin-api"] == "true"
    assert status["build_information"]["version"]
    gateway.ask("PUT", "/metrics/job/a", "x 1\n")
    metrics = gateway.metrics()
    assert metrics['pushgateway_http_push_size_bytes_count{method="put"}'] >= 1
    assert metrics['pushgateway_http_requests_total{code="200",handler="push",method="put"}'] >= 1


def test_nothing_is_lost_when_it_is_killed(tmp_path: Path) -> None:
    flag = f"--persistence.file={tmp_path / 'groups'}"
    acknowledged: list[int] = []
    with ours(flag) as first:
        killer = threading.Event()

        def push() -> None:
            for i in range(1_000_000):
                with contextlib.suppress(OSError):
                    if first.ask("PUT", f"/metrics/job/j{i}", f"x {i}\n").status == 200:
                        acknowledged.append(i)
                        if len(acknowledged) >= 50:
                            killer.set()
                        continue
                return

        pusher = threading.Thread(target=push)
        pusher.start()
        assert killer.wait(PATIENCE_S)
        first.kill()
        pusher.join()
    with ours(flag) as second:
        found = second.metrics()
        assert all(found[f'x{{instance="",job="j{i}"}}'] == i for i in acknowledged)
        second.process.terminate()
        assert second.process.wait(PATIENCE_S) == 0
    with ours(flag) as third:
        assert all(f'x{{instance="",job="j{i}"}}' in third.metrics() for i in acknowledged[:3])


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--web.listen-address=nonsense", "is not host:port"),
        ("--web.telemetry-path=metrics", "must be a path like /metrics"),
        ("--persistence.interval=often", "--persistence.interval: not a valid duration"),
        ("--log.level=loud", "--log.level: 'loud' is none of"),
        ("--web.external-url=ftp://x", "is not an HTTP URL"),
        ("--web.systemd-socket", "systemd has passed no sockets"),
    ],
)
def test_bad_flags(flag: str, message: str) -> None:
    command = [sys.executable, "-m", "promlab", "pushgateway", "--web.listen-address=127.0.0.1:0"]
    done = subprocess.run([*command, flag], capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode in (1, 2)
    assert message in done.stderr
    assert "Traceback" not in done.stderr
