"""An Alertmanager full of secrets, of which none is said while all its receivers fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.alertmanager.alertmanager_process import alertmanager, eventually
from tests.config import marked

PATHS = ("/", "/metrics", "/api/v2/status", "/api/v2/receivers", "/api/v2/alerts",
         "/api/v2/alerts/groups", "/api/v2/silences")  # fmt: skip


@pytest.mark.parametrize("level", ["debug"])
def test_none_is_said(tmp_path: Path, level: str) -> None:
    with alertmanager(tmp_path, marked.alertmanager(), f"--log.level={level}") as running:
        running.post_alerts({"labels": {"alertname": "A"}})

        def failed() -> int:
            _, text = running.call("GET", "/metrics")
            name = "alertmanager_notification_requests_failed_total{"
            lines = [line for line in text.splitlines() if line.startswith(name)]
            return sum(float(line.rpartition(" ")[2]) > 0 for line in lines)

        eventually(lambda: failed() >= 12, "receivers that fail")
        for path in PATHS:
            status, found = running.call("GET", path)
            assert status == 200, path
            assert marked.MARK not in str(found), path
        (tmp_path / "am.yml").write_text(marked.alertmanager().replace("{", "[", 3))
        status, found = running.call("POST", "/-/reload")
        assert status == 500
        assert marked.MARK not in str(found)
        log = running.log
    assert marked.MARK not in log.read_text()
