"""`promlab check`: the same verdicts as promtool on the same files."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from promlab.cli import main

METRICS = """\
# HELP foo_total counts
# TYPE foo_total gauge
foo_total 1
# TYPE bar counter
bar 1
# HELP myMetric camel
# TYPE myMetric gauge
myMetric{camelCase="x"} 1
# HELP request_ms in ms
# TYPE request_ms gauge
request_ms 1
# HELP a:b colon
# TYPE a:b gauge
a:b 1
# HELP h_seconds fine
# TYPE h_seconds histogram
h_seconds_bucket{le="1"} 1
h_seconds_bucket{le="+Inf"} 1
h_seconds_sum 1
h_seconds_count 1
# HELP g_gauge type in name
# TYPE g_gauge gauge
g_gauge{le="1",quantile="3"} 1
# HELP counter_bucket b
# TYPE counter_bucket counter
counter_bucket 1
untyped_thing 3
# HELP dup_total d
# TYPE dup_total counter
dup_total 1
dup_total 1
# HELP foo_sum s
# TYPE foo_sum gauge
foo_sum 1
# HELP heat_fahrenheit f
# TYPE heat_fahrenheit gauge
heat_fahrenheit 1
# HELP weight_milligrams f
# TYPE weight_milligrams gauge
weight_milligrams 1
# HELP x_kelvin f
# TYPE x_kelvin gauge
x_kelvin 1
# HELP x_kilocalories f
# TYPE x_kilocalories gauge
x_kilocalories 1
"""
DUPLICATES = """\
groups:
- name: a
  rules:
  - {record: b, expr: up, labels: {x: y}}
  - {record: b, expr: down, labels: {x: y}}
"""


def check_metrics(monkeypatch: pytest.MonkeyPatch, text: str, *flags: str) -> int:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(text.encode())))
    return main(["check", "metrics", *flags])


@pytest.mark.peers
def test_metrics_lint_as_promtool_does(
    peers: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    theirs = subprocess.run(
        [peers / "promtool", "check", "metrics"], input=METRICS, capture_output=True, text=True
    )
    assert check_metrics(monkeypatch, METRICS) == theirs.returncode == 3
    assert capsys.readouterr().err == theirs.stderr


@pytest.mark.peers
def test_cardinalities_are_promtools(
    peers: Path, shared: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (shared / "contract/promtool/metrics-test.prom").read_text()
    command = [peers / "promtool", "check", "metrics", "--extended"]
    theirs = subprocess.run(command, input=text, capture_output=True, text=True)
    assert check_metrics(monkeypatch, text, "--extended") == theirs.returncode == 0
    ours = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ours == [line.split() for line in theirs.stdout.splitlines()]


def test_metrics_that_do_not_parse_are_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check_metrics(monkeypatch, "good 1\nbad{\n") == 1
    assert "line 2" in capsys.readouterr().err


@pytest.mark.peers
def test_rule_files_get_promtools_exit_code(peers: Path, shared: Path) -> None:
    files = sorted((shared / "contract/rules").glob("*.y*ml"))
    files += sorted((shared / "contract/promtool").glob("*rules*.yml"))
    differ = []
    for file in files:
        for flags in ([], ["--lint=all", "--lint-fatal"], ["--ignore-unknown-fields"]):
            command = [peers / "promtool", "check", "rules", *flags, file]
            theirs = subprocess.run(command, capture_output=True)
            if main(["check", "rules", *flags, str(file)]) != theirs.returncode:
                differ.append((file.name, flags, theirs.returncode))
    assert len(files) > 20
    assert differ == []


def test_duplicate_rules_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "r.yml").write_text(DUPLICATES)
    assert main(["check", "rules", "--lint-fatal", str(tmp_path / "r.yml")]) == 3
    shown = capsys.readouterr().err
    assert "1 duplicate rule(s) found.\nMetric: b\nLabel(s):\n\tx: y\n" in shown
    assert main(["check", "rules", str(tmp_path / "r.yml")]) == 0
    assert main(["check", "rules", "--lint=none", str(tmp_path / "r.yml")]) == 0
    assert "2 rules found" in capsys.readouterr().out


def test_every_problem_of_a_rule_file_is_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rules = "groups: [{name: a, rules: [{record: 'a b', expr: 'up{'}, {alert: x, expr: ''}]}]"
    (tmp_path / "r.yml").write_text(rules)
    assert main(["check", "rules", str(tmp_path / "r.yml")]) == 1
    assert len(capsys.readouterr().err.strip().splitlines()) == 3  # FAILED, and one a rule


class TestConfig:
    def write(self, folder: Path, text: str) -> str:
        (folder / "p.yml").write_text(text)
        return str(folder / "p.yml")

    def test_checks_the_rule_files_that_it_names(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        file = self.write(tmp_path, "rule_files: [r*.yml, gone*.yml]\n")
        (tmp_path / "rules.yml").write_text("groups: [{name: a, rules: [{record: b}]}]")
        assert main(["check", "config", file]) == 1
        shown = capsys.readouterr()
        assert "1 rule files found" in shown.out
        assert "field 'expr' must be set" in shown.err
        assert main(["check", "config", "--syntax-only", file]) == 0

    def test_finds_intervals_that_leave_gaps(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        file = self.write(tmp_path, "scrape_configs: [{job_name: slow, scrape_interval: 10m}]\n")
        assert main(["check", "config", file]) == 0
        assert main(["check", "config", "--lint=all", file]) == 0
        assert "job: slow, interval: 600s" in capsys.readouterr().err
        assert (
            main(["check", "config", "--lint=too-long-scrape-interval", "--lint-fatal", file]) == 3
        )

    def test_misses_no_file_that_is_needed(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        tls = "{cert_file: gone.pem, key_file: gone.pem}"
        file = self.write(tmp_path, f"scrape_configs: [{{job_name: a, tls_config: {tls}}}]\n")
        assert main(["check", "config", file]) == 1
        assert "gone.pem" in capsys.readouterr().err
        assert main(["check", "config", "--syntax-only", file]) == 0

    def test_reads_lists_of_targets(self, tmp_path: Path) -> None:
        job = "{job_name: a, file_sd_configs: [{files: [t.json]}]}"
        file = self.write(tmp_path, f"scrape_configs: [{job}]\n")
        (tmp_path / "t.json").write_text(json.dumps([{"targets": ["a:1"]}]))
        assert main(["check", "config", file]) == 0
        (tmp_path / "t.json").write_text(json.dumps([{"target": ["a:1"]}]))
        assert main(["check", "config", file]) == 1

    def test_agents_have_no_rules(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        file = self.write(tmp_path, "rule_files: [r.yml]\n")
        assert main(["check", "config", "--agent", file]) == 1
        assert "not allowed in agent mode" in capsys.readouterr().err


def test_a_missing_file_ends_with_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "config", "nowhere.yml"]) == 1
    assert main(["check", "rules", "nowhere.yml"]) == 1
    assert capsys.readouterr().err.count("nowhere.yml: there is no such file") == 2


@pytest.mark.peers
@pytest.mark.parametrize(
    "text",
    [
        "tls_server_config:\n  cert_file: gone\n",
        "tls_server_config: {cert_file: gone, key_file: gone}\n",
        "basic_auth_users:\n  a: $2y$10$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi\n",
        "basic_auth_users: {a: plain}\n",
        "foo: 1\n",
        "http_server_config: {http2: false, headers: {X-Frame-Options: deny}}\n",
        "http_server_config: {headers: {X-Frame-Options: nope}}\n",
        "",
    ],
)
def test_web_configurations_get_promtools_verdict(peers: Path, tmp_path: Path, text: str) -> None:
    file = tmp_path / "web.yml"
    file.write_text(text)
    theirs = subprocess.run([peers / "promtool", "check", "web-config", file], capture_output=True)
    assert main(["check", "web-config", str(file)]) == theirs.returncode


class TestServiceDiscovery:
    CONFIG = """\
global: {scrape_interval: 10m}
scrape_configs:
- job_name: dropped
  static_configs: [{targets: [localhost:9090]}]
  relabel_configs: [{source_labels: [__address__], regex: 'z.*', action: keep}]
- job_name: files
  file_sd_configs: [{files: [sd.json]}]
  params: {module: [a, b]}
  relabel_configs:
  - {source_labels: [__address__], regex: drop, action: drop}
  - {target_label: __tmp, replacement: kept}
"""

    @pytest.mark.peers
    @pytest.mark.parametrize("job", ["dropped", "files"])
    def test_discovered_labels_are_promtools(
        self, peers: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], job: str
    ) -> None:
        file = tmp_path / "p.yml"
        file.write_text(self.CONFIG)
        targets = [{"targets": ["x:1", "drop", "y", "x:1"], "labels": {"a": "<ü&>"}}]
        (tmp_path / "sd.json").write_text(json.dumps(targets))
        command = [peers / "promtool", "check", "service-discovery", "--timeout=1s", file, job]
        theirs = subprocess.run(command, capture_output=True, text=True).stdout
        assert main(["check", "service-discovery", "--timeout=1s", str(file), job]) == 0
        assert capsys.readouterr().out == theirs

    def test_an_unknown_job_names_those_that_there_are(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / "p.yml").write_text(self.CONFIG)
        assert main(["check", "service-discovery", str(tmp_path / "p.yml"), "none"]) == 1
        assert "Select one of:\n\tdropped\n\tfiles\n" in capsys.readouterr().err


@pytest.mark.parametrize(("name", "code"), [("none.yml", 1), ("non?.yml", 1), ("non*.yml", 0)])
def test_a_rule_file_that_is_named_has_to_exist(tmp_path: Path, name: str, code: int) -> None:
    path = tmp_path / "prometheus.yml"
    path.write_text(f"rule_files: [{name}]\n")
    assert main(["check", "config", str(path)]) == code
    assert main(["check", "config", "--syntax-only", str(path)]) == 0
