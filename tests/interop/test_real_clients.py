"""What people put beside a Prometheus, put beside this server: none of them needs a change."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests import real_programs

sys.path.insert(0, str(Path(__file__).parent.parent / "server"))  # its helpers

from running import Running, Target, running, until, write_config

pytestmark = pytest.mark.peers


@pytest.fixture(scope="module")
def alertmanager(peers: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with real_programs.alertmanager(peers, tmp_path_factory.mktemp("alertmanager")) as address:
        yield address


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, alertmanager: str) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("promlab")
    target = Target()
    write_config(folder, target.address)
    config = folder / "p.yml"
    config.write_text(
        config.read_text().replace("global: {", "global: {external_labels: {region: eu}, ")
        + "rule_files: [r.yml]\n"
        + f"alerting: {{alertmanagers: [{{static_configs: [{{targets: ['{alertmanager}']}}]}}]}}\n"
    )
    (folder / "r.yml").write_text(
        "groups:\n- name: g\n  interval: 200ms\n  rules:\n"
        "  - {record: twice, expr: 2 * level}\n"
        "  - {alert: Low, expr: level < 1, labels: {severity: page}, "
        "annotations: {text: 'level is {{ $value }}'}}\n"
    )
    with running(folder, "--web.enable-remote-write-receiver") as found:
        until(lambda: found.value("twice") == 0.5, "a recorded series")
        yield found
    target.close()


def promtool(peers: Path, *arguments: str) -> str:
    done = subprocess.run([peers / "promtool", *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_promtool_asks(server: Running, peers: Path) -> None:
    assert "level{" in promtool(peers, "query", "instant", server.url, "level")
    answer = promtool(peers, "query", "instant", "-o", "json", server.url, "level * 4")
    assert json.loads(answer)[0]["value"][1] == "1"
    assert "things_total" in promtool(peers, "query", "series", "--match=things_total", server.url)
    assert "level" in promtool(peers, "query", "labels", server.url, "__name__")
    ranged = promtool(peers, "query", "range", "--step=1s", server.url, "vector(7)")
    assert "7 @[" in ranged
    promtool(peers, "check", "healthy", f"--url={server.url}")
    promtool(peers, "check", "ready", f"--url={server.url}")


def test_the_real_prometheus_federates(server: Running, peers: Path, tmp_path: Path) -> None:
    address = server.url.removeprefix("http://")
    protocols = "PrometheusText0.0.4", "PrometheusProto"
    config = "scrape_configs:\n" + "".join(
        f"- job_name: {protocol}\n  honor_labels: true\n  metrics_path: /federate\n"
        f"  scrape_interval: 500ms\n  scrape_timeout: 500ms\n  scrape_protocols: [{protocol}]\n"
        "  params: {'match[]': ['{job=\"t\"}', 'twice']}\n"
        f"  static_configs: [{{targets: ['{address}']}}]\n"
        f"  metric_relabel_configs: [{{target_label: by, replacement: {protocol}}}]\n"
        for protocol in protocols
    )
    with real_programs.prometheus(peers, tmp_path, config) as client:
        for by in protocols:

            def value(name: str, by: str = by) -> str | None:
                return real_programs.value(client, f'{name}{{by="{by}"}}')

            until(lambda value=value: value("level") == "0.25", "a federated sample")
            where = f'{{by="{by}",job="t",region="eu"}}'
            assert real_programs.value(client, f"level{where}") == "0.25"
            assert real_programs.value(client, f'twice{{by="{by}",region="eu"}}') == "0.5"
            up = f'up{{job="{by}"}}'
            until(lambda up=up: real_programs.value(client, up) == "1", "a scrape in time")
            things = f'things_total{{by="{by}",kind="a\\"<b>"}}'
            assert real_programs.value(client, things) == "3"


def test_alerts_reach_the_real_alertmanager(server: Running, alertmanager: str) -> None:
    url = f"http://{alertmanager}/api/v2/alerts"
    found = until(lambda: httpx.get(url).raise_for_status().json(), "an alert")
    (alert,) = [each for each in found if each["labels"]["alertname"] == "Low"]
    assert alert["labels"]["region"] == "eu"
    assert alert["annotations"] == {"text": "level is 0.25"}
    assert "g0.expr=level+%3C+1" in alert["generatorURL"]


@pytest.mark.filterwarnings("ignore")
def test_prometheus_api_client(server: Running) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        client = pytest.importorskip("prometheus_api_client")
        asking = client.PrometheusConnect(url=server.url)
        assert asking.check_prometheus_connection()
        assert "level" in asking.all_metrics()
        (found,) = asking.get_current_metric_value("level", {"job": "t"})
        assert found["value"][1] == "0.25"
        assert asking.custom_query("2 * level")[0]["value"][1] == "0.5"
        (series,) = asking.get_metric_range_data("level{job='t'}", chunk_size=None)
        assert {value for _, value in series["values"]} == {"0.25"}
        assert asking.get_label_values("job") == ["t"]
        assert asking.get_targets(state="active")["activeTargets"][0]["health"] == "up"
        assert asking.get_metric_metadata("level")[0]["help"] == "How high."


def test_vmalert_evaluates_rules_here(server: Running, peers: Path, tmp_path: Path) -> None:
    if not (peers / "vmalert").exists():
        pytest.skip("no vmalert among the peers")
    (tmp_path / "r.yml").write_text(
        "groups: [{name: v, interval: 1s, rules: [{record: thrice, expr: 3 * level}]}]\n"
    )
    command = [peers / "vmalert", f"-rule={tmp_path}/r.yml", f"-datasource.url={server.url}"]
    command += [
        f"-remoteWrite.url={server.url}",
        "-notifier.blackhole",
        "-remoteWrite.flushInterval=1s",
    ]
    # By itself it asks for what was half a minute ago.
    command += ["-httpListenAddr=127.0.0.1:0", "-evaluationInterval=1s", "-rule.evalDelay=0s"]
    with real_programs.program(*command, log=tmp_path / "log"):
        until(lambda: server.value("thrice") == 0.75, "a series that vmalert recorded")


# What Grafana's Prometheus data source asks, in the order of opening a dashboard and Explore.
def test_the_calls_of_grafana(server: Running) -> None:
    client = server.client
    now = server.value("vector(time())")
    assert now is not None
    span = {"start": f"{now - 300:.3f}", "end": f"{now:.3f}"}
    build = client.get("/api/v1/status/buildinfo").json()["data"]
    assert {"version", "revision", "goVersion"} <= set(build)
    ranged = client.post(
        "/api/v1/query_range",
        data={"query": "sum by (job) (level)", "step": "15", **span},
        headers={"Accept-Encoding": "gzip"},
    ).json()
    assert ranged["data"]["resultType"] == "matrix"
    assert ranged["data"]["result"][0]["metric"] == {"job": "t"}
    instant = client.post("/api/v1/query", data={"query": "1+1", "time": span["end"]}).json()
    assert instant["data"] == {"resultType": "scalar", "result": [float(span["end"]), "2"]}
    names = client.post("/api/v1/labels", data={"match[]": "level", **span}).json()["data"]
    assert names == ["__name__", "instance", "job"]
    values = client.get("/api/v1/label/job/values", params={"match[]": "level", **span})
    assert values.json()["data"] == ["t"]
    series = client.post("/api/v1/series", data={"match[]": '{__name__="level"}', **span}).json()
    assert series["data"][0]["__name__"] == "level"
    metadata = client.get("/api/v1/metadata", params={"limit_per_metric": "1"}).json()["data"]
    assert metadata["level"][0] == {"type": "gauge", "unit": "", "help": "How high."}
    exemplars = client.get("/api/v1/query_exemplars", params={"query": "level", **span})
    assert exemplars.json() == {"status": "success", "data": []}
    rules = client.get("/api/v1/rules").json()["data"]["groups"][0]
    assert [rule["type"] for rule in rules["rules"]] == ["recording", "alerting"]
    assert client.get("/api/v1/alerts").json()["data"]["alerts"][0]["state"] == "firing"
    flags = client.get("/api/v1/status/flags").json()["data"]
    assert flags["query.lookback-delta"] == "5m"
