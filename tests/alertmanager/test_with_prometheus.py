"""The real Prometheus alerts through ours; ours alerts through the real Alertmanager."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.alertmanager.alertmanager_process import alertmanager, eventually, free_port, sink

pytestmark = [pytest.mark.peers, pytest.mark.slow]

RULES = """
groups:
- name: g
  interval: 500ms
  rules:
  - {alert: AlwaysOn, expr: 'vector(1)', labels: {severity: page}, annotations: {v: '{{ $value }}'}}
"""


def am_config(url: str) -> str:
    return f"""
route: {{receiver: a, group_by: [alertname], group_wait: 100ms, group_interval: 1s}}
receivers: [{{name: a, webhook_configs: [{{url: "{url}/"}}]}}]
"""


@pytest.mark.parametrize("ours", [True, False], ids=["real to ours", "ours to real"])
def test_alerts_of_a_prometheus_arrive(ours: bool, peers: Path, tmp_path: Path) -> None:
    with sink() as hook, alertmanager(
        tmp_path / "am", am_config(hook.url), real=None if ours else peers
    ) as am:  # fmt: skip
        (tmp_path / "rules.yml").write_text(RULES)
        (tmp_path / "prometheus.yml").write_text(
            f"rule_files: [rules.yml]\nalerting: {{alertmanagers: [{{static_configs: "
            f"[{{targets: ['{am.url.removeprefix('http://')}']}}]}}]}}\n"
        )
        # The original finds Alertmanagers seconds after its first alerts, and repeats these late.
        real = [str(peers / "prometheus"), "--rules.alert.resend-delay=1s"]
        command = real if ours else [sys.executable, "-m", "promlab", "serve"]
        server = subprocess.Popen(
            [*command, f"--config.file={tmp_path}/prometheus.yml",
             f"--storage.tsdb.path={tmp_path}/tsdb",
             f"--web.listen-address=127.0.0.1:{free_port()}"],
            stderr=subprocess.DEVNULL, cwd=tmp_path,
        )  # fmt: skip
        try:
            eventually(lambda: hook.calls)
        finally:
            server.terminate()
            server.wait()
        (alert,) = hook.calls[0].json["alerts"]
        assert alert["labels"] == {"alertname": "AlwaysOn", "severity": "page"}
        assert alert["annotations"] == {"v": "1"}
        assert alert["status"] == "firing"
