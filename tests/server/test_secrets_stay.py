"""Servers whose configuration is full of secrets, of which none is on a page, in an answer, in a
metric or in the log, while everything that they are for fails.
"""

from __future__ import annotations

from pathlib import Path

from running import running, until

from tests.config import marked

PATHS = (
    "/config", "/targets", "/service-discovery", "/flags", "/status", "/alerts", "/rules",
    "/alertmanager-discovery", "/tsdb-status", "/metrics", "/query",
    "/api/v1/status/config", "/api/v1/status/flags", "/api/v1/status/runtimeinfo",
    "/api/v1/status/buildinfo", "/api/v1/status/tsdb", "/api/v1/targets", "/api/v1/scrape_pools",
    "/api/v1/targets/metadata", "/api/v1/alertmanagers", "/api/v1/rules", "/api/v1/alerts",
    "/api/v1/notifications", "/api/v1/query?query=up", "/api/v1/series?match[]=up",
    "/api/v1/labels", "/api/v1/metadata",
)  # fmt: skip
RULES = """
groups: [{name: g, interval: 1s, rules: [{alert: A, expr: vector(1)}]}]
"""


def test_of_a_server(tmp_path: Path) -> None:
    (tmp_path / "rules.yml").write_text(RULES)
    head = "global: {scrape_interval: 1s, scrape_timeout: 1s}\nrule_files: [rules.yml]\n"
    (tmp_path / "p.yml").write_text(head + marked.server(to_run=True))
    flags = ("--log.level=debug", "--web.enable-lifecycle", "--rules.alert.resend-delay=1s")
    with running(tmp_path, *flags) as server:

        def failing() -> bool:
            found = server.client.get("/api/v1/targets").json()["data"]["activeTargets"]
            return len(found) >= 5 and all(each["lastError"] for each in found)

        until(failing, "scrapes that fail")
        log = tmp_path / "log"
        for words in ("discovery of job", "remote write", "alerts to"):
            until(lambda words=words: words in log.read_text(), words)
        for path in PATHS:
            answer = server.client.get(path)
            shown = f"{answer.text}{answer.headers}"
            assert marked.MARK not in shown, path
            assert answer.status_code in (200, 302), path
        text = server.client.get("/api/v1/status/config").text
        assert text.count("<secret>") + text.count("\\u003csecret\\u003e") > 50
        (tmp_path / "p.yml").write_text(marked.server(to_run=True).replace("{", "[", 3))
        assert marked.MARK not in server.client.post("/-/reload").text
    assert marked.MARK not in log.read_text()
