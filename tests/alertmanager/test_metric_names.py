"""/metrics beside the real Alertmanager's, after the same traffic: names, types, labels."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.alertmanager.alertmanager_process import alertmanager, eventually, free_port, sink

pytestmark = pytest.mark.peers

# What only a program in Go has: its runtime, and its library of connections.
_OF_GO = ("go_", "net_conntrack_", "alertmanager_oversize_gossip_message_duration_seconds")


class Shown(NamedTuple):
    types: dict[str, str]
    labels: dict[str, set[frozenset[str]]]  # by sample name
    bounds: dict[str, set[str]]


def shown(text: str) -> Shown:
    found = Shown({}, {}, {})
    for family in text_string_to_metric_families(text):
        suffix = "_total" if family.type == "counter" else ""
        found.types[family.name + suffix] = family.type
        for sample in family.samples:
            found.labels.setdefault(sample.name, set()).add(frozenset(sample.labels))
            if "le" in sample.labels:
                found.bounds.setdefault(sample.name, set()).add(sample.labels["le"])
    return found


def traffic(folder: Path, real: Path | None) -> Shown:
    with sink() as hook:
        config = (
            "route: {receiver: a, group_wait: 0s}\n"
            f"receivers: [{{name: a, webhook_configs: [{{url: '{hook.url}/x'}}]}}]\n"
        )
        cluster = f"127.0.0.1:{free_port()}"
        flags = ("--cluster.settle-timeout=0s",)
        with alertmanager(folder, config, *flags, real=real, cluster=cluster) as am:
            am.post_alerts({"labels": {"alertname": "a"}})
            eventually(lambda: bool(hook.calls), am.log.read_text)
            made = am.silence(("alertname", "b"))
            am.get("/api/v2/silences")
            am.get("/api/v2/alerts")
            am.call("DELETE", f"/api/v2/silence/{made}")
            am.call("POST", "/api/v2/alerts", [{"labels": {}}])
            name = 'alertmanager_notifications_total{integration="webhook"} 1'
            eventually(lambda: name in am.call("GET", "/metrics")[1], am.log.read_text)
            return shown(am.call("GET", "/metrics")[1])


def test_names_types_and_labels(peers: Path, tmp_path: Path) -> None:
    ours, theirs = traffic(tmp_path / "ours", None), traffic(tmp_path / "theirs", peers)
    wanted = {name: kind for name, kind in theirs.types.items() if not name.startswith(_OF_GO)}
    assert len(wanted) > 60
    assert {name: ours.types.get(name) for name in wanted} == wanted
    for name, labels in theirs.labels.items():
        if not name.startswith(_OF_GO) and not name.endswith("_created"):
            assert ours.labels.get(name) == labels, name
    for name, bounds in theirs.bounds.items():
        if not name.startswith(_OF_GO):
            assert set(map(float, ours.bounds[name])) == set(map(float, bounds)), name
