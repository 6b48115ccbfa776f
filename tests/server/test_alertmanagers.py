"""Alertmanagers of a live server: found, relabelled, gone again; good ones beside bad ones.

Beside the real Prometheus with the same configuration, and with the real Alertmanager.
"""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from running import Running, Target, running, until
from test_rules import Recorder

from tests import real_programs
from tests.ports import free_port

pytestmark = [pytest.mark.slow, pytest.mark.peers]

CONFIG = """global: {scrape_interval: 1s, external_labels: {region: eu, replica: a}}
rule_files: [r.yml]
alerting:
  alert_relabel_configs:
  - {action: labeldrop, regex: replica}
  - {source_labels: [alertname], regex: Hidden, action: drop}
  alertmanagers:
  - timeout: 300ms
    file_sd_configs: [{files: [am.json]}]
    relabel_configs:
    - {source_labels: [role], regex: spare, action: drop}
    - {source_labels: [prefix], regex: (.+), target_label: __alerts_path__,
       replacement: "$1/api/v2/alerts"}
scrape_configs:
- job_name: t
  static_configs: [{targets: ['TARGET']}]
"""
RULES = """groups:
- name: g
  interval: 500ms
  rules:
  - {alert: Shown, expr: level < 1, labels: {severity: page}}
  - {alert: Hidden, expr: level < 1}
"""
COUNT = re.compile(
    r'^prometheus_notifications_(\w+_total)\{alertmanager="http://([^/"]+)[^"]*"\} (\S+)$', re.M
)


@contextmanager
def silent() -> Iterator[str]:
    """The address of somebody who takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield "{}:{}".format(*listener.getsockname())


def find(folder: Path, *groups: dict[str, Any]) -> None:
    """What discovery finds from now on; whole or not at all."""
    part = folder / "am.part"
    part.write_text(json.dumps(groups))
    part.replace(folder / "am.json")


def urls(client: httpx.Client) -> tuple[list[str], list[str]]:
    """Active and dropped."""
    data = client.get("/api/v1/alertmanagers").json()["data"]
    return (
        sorted(each["url"] for each in data["activeAlertmanagers"]),
        sorted(each["url"] for each in data["droppedAlertmanagers"]),
    )


def counts(client: httpx.Client) -> dict[tuple[str, str], float]:
    """Counters by name and address."""
    found = COUNT.findall(client.get("/metrics").text)
    return {(name, address): float(value) for name, address, value in found}


def configure(folder: Path, target: Target) -> None:
    (folder / "p.yml").write_text(CONFIG.replace("TARGET", target.address))
    (folder / "r.yml").write_text(RULES)


def test_good_and_bad_ones_beside_each_other(peers: Path, tmp_path: Path) -> None:
    target, recorder = Target(), Recorder()
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    for folder in (tmp_path, theirs):
        configure(folder, target)
    dead = f"127.0.0.1:{free_port()}"
    flags = ["--no-alertmanager.drain-notification-queue-on-shutdown"]
    with (
        real_programs.alertmanager(peers, tmp_path) as good,
        silent() as hanging,
    ):
        everybody = [
            {"targets": [good, dead, hanging]},
            {"targets": ["127.0.0.1:1"], "labels": {"role": "spare"}},
            {"targets": [recorder.address], "labels": {"prefix": "/am"}},
        ]
        for folder in (tmp_path, theirs):
            find(folder, *everybody)
        text = (theirs / "p.yml").read_text()
        with (
            running(tmp_path, *flags) as server,
            real_programs.prometheus(peers, theirs, text, *flags) as real,
        ):
            for client in (real, server.client):
                until(lambda client=client: len(urls(client)[0]) == 4, "all of them")
            assert urls(server.client) == urls(real)
            alerts = f"http://{good}/api/v2/alerts"
            until(lambda: httpx.get(alerts).json(), "an alert")
            until(lambda: recorder.alerts, "an alert under a prefix")
            for alert in httpx.get(alerts).json() + recorder.alerts:
                labels = alert["labels"]
                assert (labels["alertname"], labels["region"]) == ("Shown", "eu")
                assert "replica" not in labels
            for client in (real, server.client):
                tried(client, [good, recorder.address], [dead, hanging])
            for folder in (tmp_path, theirs):
                find(folder, everybody[1], everybody[2])
            for client in (real, server.client):
                until(lambda client=client: len(urls(client)[0]) == 1, "the others gone")
            assert urls(server.client) == urls(real)
            gone(server)
    recorder.close()
    target.close()


def tried(client: httpx.Client, good: list[str], bad: list[str]) -> None:
    """All were sent alerts, and some did not take them."""
    until(
        lambda: all(counts(client).get(("errors_total", each), 0) for each in bad),
        "errors of the bad ones",
    )
    found = counts(client)
    for each in good:
        assert found["sent_total", each] > 0
        assert found.get(("errors_total", each), 0) == 0
    for each in bad:
        assert found["sent_total", each] >= found["errors_total", each]


def gone(server: Running) -> None:
    text = server.client.get("/metrics").text
    assert "prometheus_notifications_alertmanagers_discovered 1\n" in text
    assert "prometheus_notifications_queue_capacity 10000\n" in text


def test_what_is_queued_is_sent_before_the_end(tmp_path: Path) -> None:
    target, recorder = Target(), Recorder()
    configure(tmp_path, target)
    find(tmp_path, {"targets": [recorder.address], "labels": {"prefix": "/am"}})
    text = (tmp_path / "p.yml").read_text().replace("timeout: 300ms", "timeout: 1m")
    (tmp_path / "p.yml").write_text(text)
    recorder.open.clear()
    with running(tmp_path) as server:
        until(lambda: server.value('ALERTS{alertname="Shown"}') == 1, "an alert")
        until(lambda: urls(server.client)[0], "an Alertmanager")
        assert not recorder.alerts
        threading.Timer(0.5, recorder.open.set).start()
        assert server.stop() == 0
        assert [alert["labels"]["alertname"] for alert in recorder.alerts][:1] == ["Shown"]
    recorder.close()
    target.close()
