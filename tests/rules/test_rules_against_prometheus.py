"""What /api/v1/rules and /api/v1/alerts say of the same rule file, here and in Prometheus."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest
from rule_world import World

from promlab.config import load
from promlab.rules.manager import RuleManager
from promlab.rules.status import alert_status, group_status

pytestmark = pytest.mark.peers

RULES = """
groups:
- name: mixed
  interval: 1s
  labels: {team: a}
  rules:
  - {record: "two:x", expr: "1+1", labels: {team: "", k: v}}
  - record: labelled
    expr: label_replace(vector(3),"a","x","","") or label_replace(vector(4),"a","y","","")
  - {record: seen, expr: "sum by(a)(labelled)"}
  - {record: text, expr: "'s'"}
  - {record: twice, expr: labelled, labels: {a: ""}}
  - alert: Firing
    expr: labelled>3
    labels: {sev: "{{ $value }}"}
    annotations: {s: "{{ . }}", t: "{{ $labels.a }}"}
  - {alert: Pending, expr: "labelled > bool 3", for: 1h, keep_firing_for: 5m}
  - {alert: Bad, expr: "labelled + on() labelled"}
  - {alert: Inactive, expr: "labelled > 99"}
  - {alert: NaN, expr: "vector(0)/0", annotations: {v: "{{ $value }} {{ humanize $value }}"}}
- name: limited
  interval: 1s
  limit: 1
  rules:
  - {record: many, expr: labelled}
  - {alert: Many, expr: labelled}
"""
VOLATILE = {"evaluationTime", "lastEvaluation", "activeAt", "file"}


def settled(value: Any) -> Any:
    """The same without what differs between two runs, alerts in order."""
    if isinstance(value, dict):
        return {name: settled(each) for name, each in value.items() if name not in VOLATILE}
    if isinstance(value, list):
        return sorted((settled(each) for each in value), key=repr)
    return value


@pytest.fixture(scope="module")
def real(peers: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("prometheus")
    (folder / "r.yml").write_text(RULES)
    (folder / "p.yml").write_text("rule_files: [r.yml]\n")
    log = (folder / "log").open("w+")
    process = subprocess.Popen(
        [
            peers / "prometheus",
            f"--config.file={folder}/p.yml",
            f"--storage.tsdb.path={folder}/data",
            "--web.listen-address=127.0.0.1:0",
            "--web.external-url=http://me",
        ],
        stderr=log,
    )
    try:
        yield asked(folder / "log", process)
    finally:
        process.kill()
        process.wait()
        log.close()


def asked(log: Path, process: subprocess.Popen[bytes]) -> dict[str, Any]:
    """Both answers, once every rule has been evaluated with the others' results."""
    while process.poll() is None:
        lines = [line for line in log.read_text().splitlines() if 'msg="Listening on"' in line]
        if not lines:
            continue
        base = f"http://{lines[0].rpartition('address=')[2].split()[0]}/api/v1"
        try:
            groups = httpx.get(f"{base}/rules").json()["data"]["groups"]
            alerts = httpx.get(f"{base}/alerts").json()["data"]["alerts"]
        except (httpx.HTTPError, ValueError, KeyError):
            continue
        rules = {rule["name"]: rule for group in groups for rule in group["rules"]}
        if len(rules) == 12 and all(
            rules[name]["health"] == "err" for name in ("twice", "many", "Many", "text")
        ):
            return {"groups": groups, "alerts": alerts}
    raise AssertionError(log.read_text())


async def ours(folder: Path) -> dict[str, Any]:
    (folder / "r.yml").write_text(RULES)
    (folder / "p.yml").write_text("rule_files: [r.yml]\n")
    world = World(1_700_000_000_000)
    manager = RuleManager(world.options, "http://me")
    await manager.apply(load(folder / "p.yml", supported_only=False))
    await world.clock.advance(5_000)
    await manager.stop()
    return {
        "groups": [group_status(group) for group in manager.groups()],
        "alerts": [alert_status(alert) for alert in manager.active_alerts()],
    }


async def test_rules_and_alerts_as_prometheus_tells(real: Any, tmp_path: Path) -> None:
    found = await ours(tmp_path)
    assert settled(found["alerts"]) == settled(real["alerts"])
    assert [g["name"] for g in found["groups"]] == [g["name"] for g in real["groups"]]
    for mine, theirs in zip(found["groups"], real["groups"], strict=True):
        for rule, other in zip(mine["rules"], theirs["rules"], strict=True):
            assert settled(rule) == settled(other)
            assert set(rule) == set(other)
        assert set(mine) == set(theirs)
