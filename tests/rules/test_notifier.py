"""The notifier against servers that record, refuse, hang, and the real Alertmanager."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiohttp import web

from promlab.config import load_text
from promlab.config.alerting import AlertmanagerConfig
from promlab.rules.alert import Alert, AlertState
from promlab.rules.notifier import Notifier, alertmanager_urls
from promlab.rules.sender import BATCH
from promlab.transport.cloud_auth import authenticator
from promlab.transport.session import HttpClient
from tests import real_programs


def client(section: AlertmanagerConfig) -> HttpClient:
    own = {"User-Agent": "promlab"}
    return HttpClient(section.http, own, auth=authenticator(section.sigv4, "promlab"))


def alert(**labels: str) -> Alert:
    return Alert(
        {"alertname": "A", **labels},
        {"text": "x"},
        1.0,
        active_ms=1_000,
        state=AlertState.FIRING,
        fired_ms=2_500,
        valid_until_ms=240_000,
    )


class Recorder:
    """An Alertmanager that keeps what it gets; `status` answers, `gate` holds it up."""

    def __init__(self) -> None:
        self.bodies: list[Any] = []
        self.headers: list[Mapping[str, str]] = []
        self.raw: list[bytes] = []
        self.paths: list[str] = []
        self.status = 200
        self.gate, self.got = asyncio.Event(), asyncio.Event()
        self.gate.set()

    async def handle(self, request: web.Request) -> web.Response:
        raw = await request.read()
        body = json.loads(raw)
        await self.gate.wait()
        assert request.content_type == "application/json"
        self.paths.append(request.path)
        self.bodies.append(body)
        self.headers.append(request.headers)
        self.raw.append(raw)
        self.got.set()
        return web.Response(status=self.status)

    @property
    def alerts(self) -> list[Any]:
        return [each for body in self.bodies for each in body]


@contextlib.asynccontextmanager
async def recording() -> AsyncIterator[tuple[Recorder, str]]:
    recorder = Recorder()
    app = web.Application()
    app.router.add_post("/{path:.*}", recorder.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        yield recorder, f"127.0.0.1:{port}"
    finally:
        recorder.gate.set()
        await runner.cleanup()


CONFIG = """
global: {external_labels: {region: eu, job: outer}}
alerting:
  alert_relabel_configs:
  - {source_labels: [secret], regex: .+, action: drop}
  - {regex: internal, action: labeldrop}
  alertmanagers:
  - {path_prefix: /am, timeout: 5s, static_configs: [{targets: [x]}]}
  - alert_relabel_configs: [{target_label: second, replacement: "yes"}]
    static_configs: [{targets: [y]}]
"""


def notifier(config: str = CONFIG, **settings: Any) -> tuple[Notifier, list[str]]:
    warnings: list[str] = []
    made = Notifier(client, "http://me:9090/p/", warn=warnings.append, **settings)
    made.apply(load_text(config, supported_only=False))
    return made, warnings


async def test_what_is_sent() -> None:
    async with recording() as (one, address), recording() as (two, other):
        sender, _ = notifier()
        sender.update_targets(0, [{"__address__": address}])
        sender.update_targets(1, [{"__address__": other}])
        sender.send("up == 0", [alert(job="j", internal="i"), alert(secret="s")])
        await sender.drained()
        await sender.stop()
    assert one.paths == ["/am/api/v2/alerts"]
    assert two.paths == ["/api/v2/alerts"]
    assert one.alerts == [
        {
            "labels": {"alertname": "A", "job": "j", "region": "eu"},
            "annotations": {"text": "x"},
            "startsAt": "1970-01-01T00:00:02.5Z",
            "endsAt": "1970-01-01T00:04:00Z",
            "generatorURL": "http://me:9090/p/graph?g0.expr=up+%3D%3D+0&g0.tab=1",
        }
    ]
    assert two.alerts[0]["labels"]["second"] == "yes"


async def test_batches_and_the_oldest_dropped() -> None:
    async with recording() as (recorder, address):
        sender, warnings = notifier(capacity=1000)
        sender.update_targets(0, [{"__address__": address}])
        sender.send("e", [alert(i=str(i)) for i in range(1200)])
        await sender.drained()
        (stats,) = sender.stats().values()
        assert [len(body) for body in recorder.bodies] == [BATCH, BATCH, BATCH, 1000 - 3 * BATCH]
        assert recorder.alerts[0]["labels"]["i"] == "200"
        assert (stats.sent, stats.dropped, stats.errors) == (1000, 200, 0)
        assert "queue full, 200 dropped" in warnings[0]
        await sender.stop()


async def test_a_refused_batch_is_counted_and_not_sent_again() -> None:
    async with recording() as (recorder, address):
        sender, warnings = notifier()
        sender.update_targets(0, [{"__address__": address}])
        recorder.status = 500
        sender.send("e", [alert()])
        await sender.drained()
        (stats,) = sender.stats().values()
        assert (stats.sent, stats.dropped, stats.errors) == (1, 1, 1)
        assert stats.last_error == "bad response status 500 Internal Server Error"
        assert "1 not sent" in warnings[0]
        recorder.status = 200
        sender.send("e", [alert()])
        await sender.drained()
        assert (stats.sent, stats.last_error, len(recorder.bodies)) == (2, "", 2)
        await sender.stop()


async def test_one_that_hangs_holds_up_no_other() -> None:
    async with recording() as (slow, address), recording() as (fast, other):
        slow.gate.clear()
        sender, _ = notifier(drain_on_stop=False)
        sender.update_targets(0, [{"__address__": address}, {"__address__": other}])
        sender.send("e", [alert()])
        await fast.got.wait()
        assert slow.alerts == []
        assert sorted(sender.active_urls) == sorted(
            f"http://{a}/am/api/v2/alerts" for a in (address, other)
        )
        await sender.stop()


async def test_what_is_queued_is_sent_before_the_end() -> None:
    async with recording() as (recorder, address):
        sender, _ = notifier()
        sender.update_targets(0, [{"__address__": address}])
        sender.send("e", [alert(i=str(i)) for i in range(600)])
        await sender.stop()
        assert len(recorder.alerts) == 600


async def test_the_end_does_not_wait_for_ever() -> None:
    async with recording() as (recorder, address):
        recorder.gate.clear()
        sender, _ = notifier(drain_s=0.0)
        sender.update_targets(0, [{"__address__": address}])
        sender.send("e", [alert(i=str(i)) for i in range(300)])
        (stats,) = sender.stats().values()
        await sender.stop()
        assert (stats.sent, stats.dropped) == (0, 300)


async def test_nobody_listens() -> None:
    sender, warnings = notifier()
    sender.update_targets(0, [{"__address__": "127.0.0.1:1"}])
    sender.send("e", [alert()])
    await sender.drained()
    (stats,) = sender.stats().values()
    assert (stats.errors, len(warnings)) == (1, 1)
    await sender.stop()


async def test_targets_come_and_go_and_sections_stay() -> None:
    sender, _ = notifier()
    sender.update_targets(0, [{"__address__": "a:1"}, {"__address__": "b:1"}])
    kept = sender.stats()["http://a:1/am/api/v2/alerts"]
    sender.update_targets(0, [{"__address__": "a:1"}])
    assert sender.active_urls == ["http://a:1/am/api/v2/alerts"]
    sender.apply(load_text(CONFIG.replace("eu", "us"), supported_only=False))
    assert sender.stats()["http://a:1/am/api/v2/alerts"] is kept
    sender.apply(load_text("global: {}", supported_only=False))
    assert sender.active_urls == []
    sender.send("e", [alert()])
    await sender.stop()


def test_urls_are_relabelled() -> None:
    text = """
alerting:
  alertmanagers:
  - scheme: https
    path_prefix: x/
    relabel_configs:
    - {source_labels: [__address__], regex: bad.*, action: drop}
    - {source_labels: [port], target_label: __address__, replacement: "h:$1", regex: (.+)}
"""
    config = load_text(text, supported_only=False).alerting.alertmanagers[0]
    targets = [
        {"__address__": "a"}, {"__address__": "bad:1"}, {"__address__": "b", "port": "7"},
        {"__address__": "a"},
    ]  # fmt: skip
    assert alertmanager_urls(config, targets) == (
        ["https://a/x/api/v2/alerts", "https://h:7/x/api/v2/alerts"],
        ["https://bad:1/x/api/v2/alerts"],
    )


@pytest.fixture
def alertmanager(peers: Path, tmp_path: Path) -> Iterator[str]:
    """Address of a real Alertmanager."""
    with real_programs.alertmanager(peers, tmp_path) as address:
        yield address


@pytest.mark.peers
async def test_the_real_alertmanager_takes_them(alertmanager: str) -> None:
    sender, warnings = notifier(CONFIG.replace("path_prefix: /am, ", ""))
    sender.update_targets(0, [{"__address__": alertmanager}])
    now_ms = int(time.time() * 1000)
    firing, hostile = alert(job="j"), alert(job='a"<b>\n\\é', instance="i" * 5000)
    resolved = alert(job="done")
    for each in (firing, hostile, resolved):
        each.fired_ms, each.valid_until_ms = now_ms - 60_000, now_ms + 240_000
    sender.send("up == 0", [firing, hostile, resolved])
    await sender.drained()
    resolved.resolved_ms = now_ms - 1000
    sender.send("up == 0", [resolved])
    await sender.drained()
    assert warnings == []
    await sender.stop()
    async with httpx.AsyncClient() as asking:
        answer = await asking.get(f"http://{alertmanager}/api/v2/alerts")
    found: Sequence[Any] = answer.json()
    by_job = {each["labels"]["job"]: each for each in found}
    assert set(by_job) == {"j", 'a"<b>\n\\é'}
    one = by_job["j"]
    assert one["labels"] == {"alertname": "A", "job": "j", "region": "eu"}
    assert one["generatorURL"] == "http://me:9090/p/graph?g0.expr=up+%3D%3D+0&g0.tab=1"
    assert one["annotations"] == {"text": "x"}
    assert one["startsAt"].startswith(time.strftime("%Y-%m-%dT", time.gmtime(now_ms / 1000 - 60)))


def test_hostile_labels_make_no_other_request() -> None:
    [section] = load_text("alerting: {alertmanagers: [{path_prefix: /a}]}").alerting.alertmanagers
    path = "/x y\r\nHost: evil\r\n?q#f"
    targets = [
        {"__address__": "am:1", "__alerts_path__": path},
        {"__address__": "am:2 HTTP/1.1\r\nX: y"},
        {"__address__": "am:3/other"},
    ]
    urls, _ = alertmanager_urls(section, targets)
    assert urls == ["http://am:1/x%20y%0D%0AHost:%20evil%0D%0A%3Fq%23f"]


async def test_alerts_are_signed_for_aws() -> None:
    section = "sigv4: {region: eu-west-1, access_key: AK, secret_key: s3cret}, path_prefix: /a b"
    text = f"alerting: {{alertmanagers: [{{{section}, static_configs: [{{targets: [x]}}]}}]}}"
    async with recording() as (one, address):
        sender, warnings = notifier(text)
        sender.update_targets(0, [{"__address__": address}])
        sender.send("up", [alert()])
        await sender.drained()
        await sender.stop()
    assert not warnings
    [headers], [raw] = one.headers, one.raw
    day, at = headers["X-Amz-Date"][:8], headers["X-Amz-Date"]
    canonical = "\n".join(
        ["POST", "/a%2520b/api/v2/alerts", "", f"host:{address}", f"x-amz-date:{at}", "",
         "host;x-amz-date", hashlib.sha256(raw).hexdigest()]
    )  # fmt: skip
    key = b"AWS4s3cret"
    for part in (day, "eu-west-1", "aps", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    scope = f"{day}/eu-west-1/aps/aws4_request"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    told = f"AWS4-HMAC-SHA256\n{at}\n{scope}\n{digest}"
    signature = hmac.digest(key, told.encode(), "sha256").hex()
    assert headers["Authorization"].endswith(f"Signature={signature}")
