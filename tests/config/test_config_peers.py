"""The same decisions as the real promtool, on cases of our own."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from promlab.config import load_text
from promlab.errors import ConfigError

pytestmark = pytest.mark.peers

JOB = "scrape_configs: [{job_name: a, %s}]"
CASES = [
    "global: {scrape_interval: 1m30s, scrape_timeout: 0s}",
    "global: {scrape_interval: 0}",
    "global: {scrape_interval: 5s, scrape_timeout: 6s}",
    "global: {scrape_interval: 90}",
    "global: {scrape_interval: '1s1m'}",
    "global: {evaluation_interval: ''}",
    "global: {external_labels: {a.b: c}}",
    "global: {external_labels: {a: 1, b: true, c: null}}",
    "global: {scrape_protocols: [PrometheusText9]}",
    "global: {unknown: 1}",
    "scrape_configs: [{job_name: 5}]",
    "scrape_configs: [{job_name: a}, {job_name: a}]",
    "scrape_configs: [{job_name: ''}]",
    "scrape_configs: {}",
    "[]",
    "5",
    JOB % "honor_labels: yes",
    JOB % "honor_labels: 'yes'",
    JOB % "honor_labels: 1",
    JOB % "sample_limit: 0x10",
    JOB % "sample_limit: -1",
    JOB % "sample_limit: abc",
    JOB % "body_size_limit: 1.5MB",
    JOB % "body_size_limit: 10mb",
    JOB % "body_size_limit: 10MiB",
    JOB % "body_size_limit: 0",
    JOB % "scheme: ftp",
    JOB % "params: {a: [b, 1], c: []}",
    JOB % "params: {a: b}",
    JOB % "metrics_path: ''",
    JOB % "static_configs: [null]",
    JOB % "static_configs: [{targets: [a/b]}]",
    JOB % "static_configs: [{targets: [a], labels: {x: 1}}]",
    JOB % "static_configs: [{targets: [a], label: {x: 1}}]",
    JOB % "file_sd_configs: [{files: [a.yaml, 'b/*.json']}]",
    JOB % "file_sd_configs: [{files: ['b/*/c.json']}]",
    JOB % "file_sd_configs: [{files: ['b/c.txt']}]",
    JOB % "file_sd_configs: [{files: []}]",
    JOB % "basic_auth: {username: a, username_file: b}",
    JOB % "basic_auth: {}",
    JOB % "authorization: {type: basic}",
    JOB % "authorization: {credentials: a, credentials_file: b}",
    JOB % "authorization: {}, basic_auth: {}",
    JOB % "tls_config: {cert: x}",
    JOB % "tls_config: {min_version: TLS12}",
    JOB % "tls_config: {min_version: TLS14}",
    JOB % "http_headers: {Host: {values: [a]}}",
    JOB % "http_headers: {X: {values: [a], secrets: [b]}}",
    JOB % "proxy_from_environment: true, no_proxy: a",
    JOB % "relabel_configs: [{}]",
    JOB % "relabel_configs: [{target_label: a, regex: null}]",
    JOB % "relabel_configs: [{target_label: '${1}_x'}]",
    JOB % "relabel_configs: [{target_label: 'a b'}]",
    JOB % "relabel_configs: [{action: KEEP, source_labels: [a]}]",
    JOB % "relabel_configs: [{action: hashmod, target_label: a, modulus: 0}]",
    JOB % "relabel_configs: [{action: labelmap, regex: 'x(.*)', replacement: '$1'}]",
    JOB % "relabel_configs: [{action: labeldrop, regex: x, source_labels: [a]}]",
    JOB % "relabel_configs: [{action: keepequal, target_label: x, source_labels: [a]}]",
    JOB % "relabel_configs: [{action: keepequal, target_label: x, replacement: q}]",
    JOB % "relabel_configs: [{action: lowercase, target_label: x, source_labels: [a]}]",
    JOB % "relabel_configs: [{target_label: x, regex: '(?i)a{1,3}\\d'}]",
    JOB % "relabel_configs: [{target_label: x, regex: '(a)\\1'}]",
    JOB % "relabel_configs: [{target_label: x, regex: '(?=a)'}]",
    JOB % "scrape_interval: 5s, scrape_timeout: 5s",
    JOB % "scrape_interval: 5s, scrape_timeout: 5001ms",
    JOB % "fallback_scrape_protocol: nope",
    JOB % "fallback_scrape_protocol: PrometheusText0.0.4",
    "rule_files: ['a*/b']",
    "rule_files: ['*.yml']",
    "storage: {tsdb: {out_of_order_time_window: 5m}}",
    "storage: {exemplars: {max_exemplars: 5}}",
    "otlp: {translation_strategy: nope}",
    "tracing: {client_type: http, endpoint: 'a:1'}",
    "tracing: {client_type: smtp, endpoint: 'a:1'}",
    "alerting: {alertmanagers: [{api_version: v3}]}",
    "alerting: {alertmanagers: [{timeout: 1s, path_prefix: /x}]}",
    "remote_read: [{url: 'http://a', required_matchers: {a: b}}]",
    "remote_write: [{url: 'http://a', protobuf_message: nope}]",
    "runtime: {gogc: 50}",
    "a: [",
    "a: 1\na: 2",
]  # fmt: skip


@pytest.mark.parametrize("text", CASES)
def test_promtool_decides_the_same(text: str, peers: Path, tmp_path: Path) -> None:
    path = tmp_path / "prometheus.yml"
    path.write_text(text)
    done = subprocess.run(
        [peers / "promtool", "check", "config", "--syntax-only", path],
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        load_text(text, path, supported_only=False)
        refused = ""
    except ConfigError as error:
        refused = str(error)
    assert bool(refused) == bool(done.returncode), refused or done.stderr
