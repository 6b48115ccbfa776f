"""What the real Prometheus reads in each format, and what promtool says of it."""

from __future__ import annotations

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

PROTOCOLS = "PrometheusProto", "OpenMetricsText1.0.0", "PrometheusText0.0.4"
JOB = """\
- job_name: {protocol}
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


@pytest.fixture(scope="module")
def scraped(peers: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A Prometheus that scrapes the registry in every format, each by a job of its name."""
    registry = made()
    server = MetricsServer(("127.0.0.1", 0), lambda _: families_of(registry))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    target = f"127.0.0.1:{server.server_port}"
    jobs = "".join(JOB.format(protocol=protocol, target=target) for protocol in PROTOCOLS)
    config = f"global: {{scrape_interval: 1s, scrape_timeout: 1s}}\nscrape_configs:\n{jobs}"
    features = "--enable-feature=native-histograms,exemplar-storage"
    try:
        with (
            prometheus(peers, tmp_path_factory.mktemp("real"), config, features) as asking,
            Client(str(asking.base_url).rstrip("/")) as client,
        ):
            until(lambda: has_samples(client, "up == 1", len(PROTOCOLS)))
            yield client
    finally:
        server.shutdown()
        server.server_close()


def value(client: Client, expr: str) -> float:
    found = client.query(expr)
    assert len(found) == 1, f"{expr}: {found}"
    return float(found.values[0])  # type: ignore[union-attr]


@pytest.mark.slow
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_real_prometheus_scrapes_every_type(scraped: Client, protocol: str) -> None:
    def of(name: str, *matchers: str) -> str:
        own = f'job="{protocol}"'
        return f"{name}{{{','.join((own, *matchers))}}}"

    def has(expr: str, wanted: float) -> None:
        assert value(scraped, expr) == pytest.approx(wanted), expr

    has(of("up"), 1)
    has(of("made_requests_total", r'path="/\"\\\n"'), 3)
    has(of("made_temperature_celsius"), -1.5)
    has(of("made_size_bytes_sum"), 10)
    wait = of("made_wait_seconds")
    if protocol != "PrometheusProto":
        has(of("made_took_seconds_bucket", 'le=~"2|2.0"'), 1)
        has(of("made_wait_seconds_count"), 6)
        return
    has(f"histogram_count({wait})", 6)
    has(f"histogram_count({of('made_idle_seconds')})", 0)
    has(f"histogram_sum({wait})", 101.5)
    has(f"histogram_fraction(1, 2, {wait}) * 6", 2)
    has(f"histogram_fraction(-2, -1, {wait}) * 6", 1)
    has(of("made_took_seconds_bucket", 'le="2.0"'), 1)


def test_promtool_finds_nothing(peers: Path) -> None:
    done = subprocess.run(
        [peers / "promtool", "check", "metrics"],
        input=render(families_of(made())),
        capture_output=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
