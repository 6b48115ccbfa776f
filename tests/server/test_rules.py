"""Rules in a real server: recorded, fired, sent to an Alertmanager, resolved, reloaded."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import cramjam
import pytest
from running import PATIENCE_S, Running, Target, run_to_its_end, running, until, write_config
from test_api_write import series

from promlab.server.times import rfc3339

pytestmark = pytest.mark.slow

RULES = """groups:
- name: g
  interval: 200ms
  rules:
  - {record: "double:level", expr: level * 2, labels: {made: "by rule"}}
  - alert: High
    expr: double:level > 1
    for: 400ms
    labels: {severity: page}
    annotations: {summary: "{{ $labels.job }} is at {{ $value }}"}
"""
MORE = '  - {record: "triple:level", expr: level * 3}\n'


class Recorder:
    """Takes alerts as an Alertmanager does, while it is `open`."""

    def __init__(self) -> None:
        self.alerts: list[dict[str, Any]] = []
        self.open = threading.Event()
        self.open.set()
        recorder = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                recorder.open.wait(PATIENCE_S)
                if self.path == "/am/api/v2/alerts":
                    recorder.alerts += json.loads(body)
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class World:
    """A server with rules, its target, and the Alertmanager that it tells."""

    def __init__(self, folder: Path, target: Target, recorder: Recorder, server: Running) -> None:
        self.target, self.recorder, self.server = target, recorder, server
        self.rules = folder / "rules.yml"

    def level(self, value: float) -> None:
        self.target.lines = f"# TYPE level gauge\nlevel {value}\n"

    def rule(self, name: str) -> Any:
        groups = self.server.client.get("/api/v1/rules").json()["data"]["groups"]
        return next((r for g in groups for r in g["rules"] if r["name"] == name), None)


def config_with_rules(folder: Path, target: str, alertmanager: str) -> None:
    write_config(folder, target)
    with (folder / "p.yml").open("a") as file:
        file.write("rule_files: [rules*.yml]\n")
        file.write(
            "alerting: {alertmanagers: [{path_prefix: /am, "
            f"static_configs: [{{targets: ['{alertmanager}']}}]}}]}}\n"
        )
    (folder / "rules.yml").write_text(RULES)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("rules")
    target, recorder = Target(), Recorder()
    try:
        config_with_rules(folder, target.address, recorder.address)
        with running(folder, "--web.enable-lifecycle") as server:
            yield World(folder, target, recorder, server)
    finally:
        target.close()
        recorder.close()


def test_a_rule_is_recorded_and_an_alert_fires_is_sent_and_resolves(world: World) -> None:
    server = world.server
    world.level(0.25)
    until(lambda: server.value('double:level{made="by rule"}') == 0.5, "a recorded series")
    assert world.rule("High")["state"] == "inactive"
    assert world.rule("High")["health"] == "ok"

    world.level(4)
    # It may be over before it is asked for.
    pending = 'last_over_time(ALERTS{alertname="High",alertstate="pending"}[5m])'
    until(lambda: server.value(pending), "pending")
    until(lambda: server.value('ALERTS{alertname="High",alertstate="firing"}'), "firing")
    assert server.value('ALERTS{alertname="High",alertstate="pending"}') is None
    assert (server.value("ALERTS_FOR_STATE") or 0) > 1e9
    sent = until(lambda: world.recorder.alerts and world.recorder.alerts[0], "a firing alert")
    assert sent["labels"]["alertname"] == "High"
    assert sent["labels"]["severity"] == "page"
    assert sent["annotations"] == {"summary": "t is at 8"}
    assert "/graph?g0.expr=double" in sent["generatorURL"]
    (active,) = server.client.get("/api/v1/alerts").json()["data"]["alerts"]
    assert active["state"] == "firing"
    assert active["labels"] == sent["labels"]

    world.level(0.25)
    until(lambda: world.rule("High")["state"] == "inactive", "the end of the alert")
    ended = until(
        lambda: next((a for a in world.recorder.alerts if a["endsAt"] < sent["endsAt"]), None),
        "a resolved alert",
    )
    assert ended["labels"] == sent["labels"]
    last = world.rule("High")["lastEvaluation"]
    until(lambda: world.rule("High")["lastEvaluation"] > last, "the end of that evaluation")
    # A staleness marker, not five minutes of lookback.
    until(lambda: server.value("ALERTS") is None, "the end of its series")


@pytest.mark.parametrize("path", ["rules", "alerts", "alertmanagers"])
def test_answers_are_valid(world: World, valid: Any, path: str) -> None:
    world.level(4)
    until(lambda: (world.rule("High") or {}).get("alerts"), "an alert")
    found = valid(world.server.client.get(f"/api/v1/{path}"), f"/{path}")
    assert all(found["data"][key] for key in found["data"] if key != "droppedAlertmanagers")
    if path == "alertmanagers":
        url = f"http://{world.recorder.address}/am/api/v2/alerts"
        assert found["data"]["activeAlertmanagers"] == [{"url": url}]


@pytest.mark.parametrize(
    ("params", "names"),
    [
        ({}, ["double:level", "High"]),
        ({"type": "alert"}, ["High"]),
        ({"type": "record"}, ["double:level"]),
        ({"rule_name[]": "High"}, ["High"]),
        ({"rule_group[]": "other"}, []),
        ({"file[]": "other"}, []),
        ({"match[]": '{severity="page"}'}, ["High"]),
        ({"match[]": '{made=~"by.*"}'}, ["double:level"]),
        ({"group_limit": "1"}, ["double:level", "High"]),
    ],
)
def test_rules_are_filtered(world: World, params: Any, names: list[str]) -> None:
    def found() -> list[str]:
        data = world.server.client.get("/api/v1/rules", params=params).json()["data"]
        return [rule["name"] for group in data["groups"] for rule in group["rules"]]

    until(lambda: found() == names, "these rules")


def test_alerts_can_be_left_out(world: World) -> None:
    world.level(4)
    until(lambda: (world.rule("High") or {}).get("alerts"), "an alert")
    answer = world.server.client.get("/api/v1/rules", params={"exclude_alerts": "true"})
    (group,) = answer.json()["data"]["groups"]
    assert group["rules"][1]["alerts"] is None


def test_metrics_of_rules(world: World) -> None:
    from prometheus_client.parser import text_string_to_metric_families

    until(lambda: world.recorder.alerts, "an alert that was sent")
    text = world.server.client.get("/metrics").text
    families = {family.name: family.samples for family in text_string_to_metric_families(text)}
    (evaluations,) = families["prometheus_rule_evaluations"]
    assert evaluations.labels == {"rule_group": f"{world.rules};g"}
    assert evaluations.value > 1
    assert families["prometheus_notifications_sent"][0].value >= 1
    assert families["prometheus_notifications_alertmanagers_discovered"][0].value == 1


def test_reloads(world: World) -> None:
    client = world.server.client
    world.rules.write_text(RULES + MORE)
    assert client.post("/-/reload").status_code == 200
    assert world.rule("triple:level") is not None
    until(lambda: world.server.value("triple:level"), "what the new rule gives")

    world.rules.write_text(RULES + '  - {record: "bad", expr: "sum("}\n')
    refused = client.post("/-/reload")
    assert refused.status_code == 500
    assert "rules.yml:11" in refused.text
    assert "could not parse expression" in refused.text
    info = client.get("/api/v1/status/runtimeinfo").json()["data"]
    assert info["reloadConfigSuccess"] is False
    assert world.rule("triple:level")["health"] == "ok"

    world.rules.write_text(RULES)
    assert client.post("/-/reload").status_code == 200
    assert world.rule("triple:level") is None
    until(lambda: world.server.value("triple:level") is None, "the end of its series")


@pytest.mark.parametrize("name", ["writer", "reader"])
def test_rules_go_on_after_a_process_was_killed(world: World, name: str) -> None:
    child = world.server.child(name)
    assert child is not None
    child.kill()
    until(lambda: (new := world.server.child(name)) and new.pid != child.pid, f"a new {name}")
    count = "count_over_time(double:level[1h])"
    before = until(lambda: world.server.value(count), "samples of before")
    until(lambda: (world.server.value(count) or 0) > before + 2, "new samples beside the old")
    until(lambda: world.rule("double:level")["health"] == "ok", "a good evaluation")


def test_a_restart_restores_since_when_an_alert_has_been_pending(tmp_path: Path) -> None:
    now_s = int(time.time())
    write_config(tmp_path)
    with running(tmp_path, "--web.enable-remote-write-receiver") as before:
        labels = {"__name__": "ALERTS_FOR_STATE", "alertname": "Slow"}
        body = series(labels, (float(now_s - 300), now_s * 1000))
        content = bytes(cramjam.snappy.compress_raw(body))
        assert before.client.post("/api/v1/write", content=content).status_code == 204
    (tmp_path / "p.yml").write_text("rule_files: [rules.yml]\n")
    (tmp_path / "rules.yml").write_text(
        "groups: [{name: g, interval: 200ms, rules: [{alert: Slow, expr: vector(1), for: 20m}]}]\n"
    )
    with running(tmp_path) as server:
        started_s = time.time()

        def alert() -> Any:
            found = server.client.get("/api/v1/alerts").json()["data"]["alerts"]
            return found[0] if found and found[0]["activeAt"] < rfc3339(started_s - 200) else None

        assert until(alert, "the alert's state of before")["state"] == "pending"
        until(lambda: (server.value("time() - ALERTS_FOR_STATE") or 0) > 200, "the same, stored")


def test_sighup_reaches_the_rules(world: World) -> None:
    world.rules.write_text(RULES + MORE)
    world.server.process.send_signal(signal.SIGHUP)
    until(lambda: world.rule("triple:level"), "a new rule")
    world.rules.write_text(RULES)
    world.server.process.send_signal(signal.SIGHUP)
    until(lambda: world.rule("triple:level") is None, "the rules of before")


def test_what_is_queued_is_sent_before_the_server_stops(tmp_path: Path) -> None:
    """The Alertmanager takes its time for the first alert: the second one waits for it."""
    recorder = Recorder()
    recorder.open.clear()
    config_with_rules(tmp_path, "127.0.0.1:1", recorder.address)
    rules = ", ".join(f"{{alert: A{i}, expr: vector({i})}}" for i in range(2))
    text = f"groups: [{{name: g, interval: 200ms, rules: [{rules}]}}]\n"
    (tmp_path / "rules.yml").write_text(text)
    try:
        with running(tmp_path) as server:
            queued = "prometheus_notifications_queue_length 1\n"
            until(lambda: queued in server.client.get("/metrics").text, "a queued alert")
            assert recorder.alerts == []
            server.process.send_signal(signal.SIGTERM)
            recorder.open.set()
            assert server.process.wait(PATIENCE_S) == 0
        assert {alert["labels"]["alertname"] for alert in recorder.alerts} == {"A0", "A1"}
    finally:
        recorder.open.set()
        recorder.close()


@pytest.mark.parametrize("expr", ["sum(", "limitk(1, level)"])  # the latter is experimental
def test_a_bad_rule_file_exits_with_2(tmp_path: Path, expr: str) -> None:
    config_with_rules(tmp_path, "127.0.0.1:1", "127.0.0.1:1")
    (tmp_path / "rules.yml").write_text(RULES + f'  - {{record: "bad", expr: "{expr}"}}\n')
    code, text = run_to_its_end(tmp_path, "--web.listen-address=127.0.0.1:0")
    assert code == 2
    assert "rules.yml:11" in text
    assert "could not parse expression" in text
    assert "Traceback" not in text
