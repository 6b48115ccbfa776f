"""What the real Prometheus reads in each format, and what promtool says of it."""

from __future__ import annotations

import contextlib
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from notebook_server import has_samples, until
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Summary

from promlab.client import Client
from promlab.exporters.families import render
from promlab.exporters.serving import MetricsServer
from promlab.instrument import NativeHistogram, families_of
from tests.real_programs import prometheus

pytestmark = pytest.mark.peers

CONFIG = """\
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
  - job_name: made
    scrape_protocols: [{protocol}]
    static_configs: [{{targets: ["{target}"]}}]
"""


def made() -> CollectorRegistry:
    registry = CollectorRegistry()
    Counter("made_requests", "Requests.", ["path"], registry=registry).labels('/"\\\n').inc(
        3, {"trace_id": "t"}
    )
    Gauge("made_temperature_celsius", "Temperature.", registry=registry).set(-1.5)
    Summary("made_size_bytes", "Size.", registry=registry).observe(10)
    histogram = Histogram("made_took_seconds", "Time.", registry=registry, buckets=[1, 2])
    histogram.observe(1.5, {"trace_id": "u"})
    native = NativeHistogram("made_wait_seconds", "Wait.", registry=registry, bucket_factor=2)
    for value in (0.3, 1.5, 1.7, 100, -2, 0):
        native.observe(value, {"trace_id": "n"})
    NativeHistogram("made_idle_seconds", "Nothing yet.", registry=registry)
    return registry


@contextlib.contextmanager
def scraped(peers: Path, folder: Path, protocol: str) -> Iterator[Client]:
    registry = made()
    server = MetricsServer(("127.0.0.1", 0), lambda _: families_of(registry))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    config = CONFIG.format(protocol=protocol, target=f"127.0.0.1:{server.server_port}")
    features = "--enable-feature=native-histograms,exemplar-storage"
    try:
        with (
            prometheus(peers, folder, config, features) as asking,
            Client(str(asking.base_url).rstrip("/")) as client,
        ):
            until(lambda: has_samples(client, 'up{job="made"} == 1'))
            yield client
    finally:
        server.shutdown()
        server.server_close()


def value(client: Client, expr: str) -> float:
    found = client.query(expr)
    assert len(found) == 1, f"{expr}: {found}"
    return float(found.values[0])  # type: ignore[union-attr]


@pytest.mark.slow
@pytest.mark.parametrize(
    "protocol", ["PrometheusProto", "OpenMetricsText1.0.0", "PrometheusText0.0.4"]
)
def test_the_real_prometheus_scrapes_every_type(peers: Path, tmp_path: Path, protocol: str) -> None:
    with scraped(peers, tmp_path, protocol) as client:
        assert value(client, 'up{job="made"}') == 1
        assert value(client, r'made_requests_total{path="/\"\\\n"}') == 3
        assert value(client, "made_temperature_celsius") == -1.5
        assert value(client, "made_size_bytes_sum") == 10
        if protocol != "PrometheusProto":
            assert (
                value(
                    client, 'made_took_seconds_bucket{le="2.0"} or made_took_seconds_bucket{le="2"}'
                )
                == 1
            )
            assert value(client, "made_wait_seconds_count") == 6
            return
        assert value(client, "histogram_count(made_wait_seconds)") == 6
        assert value(client, "histogram_count(made_idle_seconds)") == 0
        assert value(client, "histogram_sum(made_wait_seconds)") == pytest.approx(101.5)
        assert value(client, "histogram_fraction(1, 2, made_wait_seconds) * 6") == pytest.approx(2)
        assert value(client, "histogram_fraction(-2, -1, made_wait_seconds) * 6") == pytest.approx(
            1
        )
        assert value(client, 'made_took_seconds_bucket{le="2.0"}') == 1


def test_promtool_finds_nothing(peers: Path) -> None:
    done = subprocess.run(
        [peers / "promtool", "check", "metrics"],
        input=render(families_of(made())),
        capture_output=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
