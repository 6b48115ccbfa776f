from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cramjam
import httpx
import psutil
import pytest
from running import PATIENCE_S, Running, Target, run_to_its_end, running, until, write_config
from test_api_write import series

pytestmark = pytest.mark.slow
STATE = [
    "targets",
    "targets/metadata",
    "metadata",
    "scrape_pools",
    "labels",
    "status/tsdb",
    "status/config",
    "status/runtimeinfo",
    "status/flags",
]


@pytest.fixture(scope="module")
def target() -> Iterator[Target]:
    found = Target()
    yield found
    found.close()


@pytest.fixture(scope="module")
def server(target: Target, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("server")
    write_config(folder, target.address)
    with running(folder, "--web.enable-lifecycle", "--web.enable-remote-write-receiver") as found:
        until(lambda: found.value("things_total") == 3, "scraped samples")
        yield found


def test_what_is_scraped_can_be_asked_for(server: Running) -> None:
    assert server.value("level * 4 + things_total") == None  # noqa: E711  (labels differ)
    until(lambda: server.value("sum(things_total) / sum(level)") == 12, "both of one scrape")
    answer = server.client.get("/api/v1/query", params={"query": "things_total"}).json()
    assert answer["data"]["result"][0]["metric"]["kind"] == 'a"<b>'
    assert server.value("count_over_time(up[1h]) > 0") is not None


@pytest.mark.parametrize("path", STATE)
def test_state_is_valid(server: Running, valid: Any, path: str) -> None:
    found = valid(server.client.get(f"/api/v1/{path}"), f"/{path}")
    assert found["status"] == "success"
    assert found["data"]


def test_metadata_of_one_metric(server: Running) -> None:
    for path, known in (("metadata", {"level": ["gauge"]}), ("targets/metadata", ["gauge"])):
        for metric in ("level", "nothing"):
            answer = server.client.get(f"/api/v1/{path}", params={"metric": metric})
            found = answer.json()["data"]
            if isinstance(found, dict):
                kinds = {name: [one["type"] for one in each] for name, each in found.items()}
                assert kinds == (known if metric == "level" else {})
            else:
                assert [one["type"] for one in found] == (known if metric == "level" else [])


def test_metrics_of_the_server(server: Running) -> None:
    from prometheus_client.parser import text_string_to_metric_families

    text = server.client.get("/metrics").text
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert families["prometheus_tsdb_head_series"].samples[0].value > 5
    assert families["promlab_target_scrapes"].samples[0].value > 0
    assert families["prometheus_config_last_reload_successful"].samples[0].value == 1
    assert families["process_resident_memory_bytes"].samples[0].value > 1e7


def test_remote_write_is_durable_when_answered(server: Running) -> None:
    now = int(time.time() * 1000)
    for i in range(3):
        body = series({"__name__": "pushed", "i": "1"}, (i + 0.5, now + i))
        answer = server.client.post(
            "/api/v1/write",
            content=bytes(cramjam.snappy.compress_raw(body)),
            headers={"Content-Type": "application/x-protobuf", "Content-Encoding": "snappy"},
        )
        assert answer.status_code == 204, answer.text
    params = {"query": "pushed[1m]", "time": str(now / 1000 + 1)}
    found = server.client.get("/api/v1/query", params=params).json()["data"]["result"]
    assert [value for _, value in found[0]["values"]] == ["0.5", "1.5", "2.5"]
    old = bytes(cramjam.snappy.compress_raw(series({"__name__": "pushed", "i": "1"}, (9, now))))
    refused = server.client.post("/api/v1/write", content=old)
    assert refused.status_code == 400


@pytest.mark.parametrize("name", ["reader", "writer"])
def test_a_killed_process_comes_back_without_loss(server: Running, name: str) -> None:
    count = "sum(count_over_time(up[1h]))"
    before = until(lambda: server.value(count), "samples")
    child = server.child(name)
    assert child is not None
    child.kill()
    until(lambda: (new := server.child(name)) and new.pid != child.pid, f"a new {name}")
    until(lambda: (server.value(count) or 0) > before + 2, "new samples beside the old")


def test_reload(server: Running, target: Target, valid: Any) -> None:
    config = server.folder / "p.yml"
    good = config.read_text()
    config.write_text(good.replace("job_name: t", "job_name: renamed"))
    assert server.client.post("/-/reload").status_code == 200
    pools = server.client.get("/api/v1/scrape_pools").json()["data"]["scrapePools"]
    assert pools == ["renamed"]
    config.write_text("scrape_configs: 5\n")
    refused = server.client.post("/-/reload")
    assert refused.status_code == 500
    assert "failed to reload config" in refused.text
    assert "p.yml" in refused.text
    info = server.client.get("/api/v1/status/runtimeinfo").json()["data"]
    assert info["reloadConfigSuccess"] is False
    config.write_text(good)
    server.process.send_signal(signal.SIGHUP)

    def pools_now() -> Any:
        return server.client.get("/api/v1/scrape_pools").json()["data"]["scrapePools"]

    until(lambda: pools_now() == ["t"], "the configuration of before")


def test_a_second_server_is_refused(server: Running) -> None:
    code, text = run_to_its_end(server.folder, "--web.listen-address=127.0.0.1:0")
    assert code == 1
    assert "is in use by" in text
    assert "--storage.tsdb.path" in text
    address = server.url.removeprefix("http://")
    code, text = run_to_its_end(server.folder, f"--web.listen-address={address}")
    assert code == 1
    assert f"address {address} is already in use" in text
    assert "Traceback" not in text


def test_bad_configurations_exit_with_2(tmp_path: Path) -> None:
    code, text = run_to_its_end(tmp_path, "--web.listen-address=127.0.0.1:0")
    assert code == 2
    assert "p.yml" in text
    (tmp_path / "p.yml").write_text("global:\n  scrape_intervall: 5s\n")
    code, text = run_to_its_end(tmp_path, "--web.listen-address=127.0.0.1:0")
    assert code == 2
    assert "p.yml:2" in text
    assert "Traceback" not in text


def test_rules_that_are_not_valid_stop_the_start(tmp_path: Path) -> None:
    (tmp_path / "p.yml").write_text("rule_files: [r.yml]\n")
    (tmp_path / "r.yml").write_text("groups: [{name: a, rules: [{record: b, expr: 'up ='}]}]\n")
    code, text = run_to_its_end(tmp_path, "--web.listen-address=127.0.0.1:0")
    assert code == 2
    assert "r.yml:1" in text
    assert "Traceback" not in text
    assert not (tmp_path / "data" / "head").exists()


def test_rules_are_checked_once_by_a_start_and_again_by_each_reload(tmp_path: Path) -> None:
    (tmp_path / "p.yml").write_text("rule_files: [r.yml]\n")
    good = "groups: [{name: a, rules: [{record: b, expr: 'vector(1)'}]}]\n"
    (tmp_path / "r.yml").write_text(good)
    with running(tmp_path, "--web.enable-lifecycle") as server:
        until(lambda: server.value("b") == 1, "a recorded sample")
        (tmp_path / "r.yml").write_text(good.replace("vector(1)", "vector("))
        refused = server.client.post("/-/reload")
        assert refused.status_code == 500
        assert "r.yml:1" in refused.text
        (tmp_path / "r.yml").write_text(good.replace("vector(1)", "vector(2)"))
        assert server.client.post("/-/reload").status_code == 200
        until(lambda: server.value("b") == 2, "another sample")


def test_files_of_the_current_folder_are_no_modules(tmp_path: Path) -> None:
    """Somebody's exercises lie where the server is started."""
    for name in ("numpy", "logging", "yaml", "promlab"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('not this one')\n")
    (tmp_path / "p.yml").write_text("rule_files: [r.yml]\n")
    (tmp_path / "r.yml").write_text("groups: []\n")
    program = Path(sys.executable).with_name("promlab")
    flags = ["--config.file=p.yml", "--storage.tsdb.path=data", "--web.address-file=address"]
    flags += ["--web.listen-address=127.0.0.1:0"]
    with subprocess.Popen([program, "serve", *flags], cwd=tmp_path) as server:
        try:
            address = until(lambda: (tmp_path / "address").read_text(), "an address").strip()
            until(lambda: httpx.get(f"http://{address}/-/ready").status_code == 200, "ready")
        finally:
            server.terminate()
        assert server.wait(PATIENCE_S) == 0


def test_stopping_is_orderly(target: Target, tmp_path: Path) -> None:
    write_config(tmp_path, target.address)
    with running(tmp_path) as server:
        until(lambda: server.value("level") == 0.25, "scraped samples")
        children = psutil.Process(server.process.pid).children()
        assert len(children) == 2
        assert server.stop() == 0
        assert not any(child.is_running() for child in children)
    with running(tmp_path) as again:
        assert "prometheus_tsdb_clean_start 1" in again.client.get("/metrics").text
        assert (again.value("sum(count_over_time(level[1h]))") or 0) >= 1


def test_a_killed_supervisor_takes_all_with_it(target: Target, tmp_path: Path) -> None:
    write_config(tmp_path, target.address)
    server = Running(tmp_path).ready()
    children = psutil.Process(server.process.pid).children()
    server.process.kill()
    until(lambda: not any(child.is_running() for child in children), "the end of both")
    server.stop()


def test_quit_by_request(target: Target, tmp_path: Path) -> None:
    write_config(tmp_path, target.address)
    with running(tmp_path, "--web.enable-lifecycle") as server:
        answer = server.client.post("/-/quit")
        assert answer.text == "Requesting termination... Goodbye!"
        assert server.process.wait(PATIENCE_S) == 0


def test_an_agent_takes_no_rules_and_answers_no_queries(tmp_path: Path) -> None:
    (tmp_path / "p.yml").write_text("rule_files: [r.yml]\n")
    command = [f"--storage.agent.path={tmp_path}/agent", "--agent"]
    command += ["--web.listen-address=127.0.0.1:0"]
    done = subprocess.run(
        [sys.executable, "-m", "promlab", "serve", f"--config.file={tmp_path}/p.yml", *command],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "field rule_files is not allowed in agent mode" in done.stderr
    both = [*command, f"--storage.tsdb.path={tmp_path}/data"]
    done = subprocess.run(
        [sys.executable, "-m", "promlab", "serve", *both], capture_output=True, text=True
    )
    assert done.returncode == 3
