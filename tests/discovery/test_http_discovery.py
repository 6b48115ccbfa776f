"""Target lists over HTTP: what counts as one, and what keeps the targets there are."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from discovering import discovered, discovering
from fake_api import serving

from promlab.discovery.asking import MAX_BYTES, Asker

GOOD = [{"targets": ["a:1", "b:2"], "labels": {"dc": "x"}}, {"targets": ["c:3"]}]


async def test_groups_of_a_server(shared: Path) -> None:
    example = json.loads((shared / "contract/discovery/http/http_sd.good.json").read_text())
    with serving({"GET /sd": example}) as api:
        url = f"{api.base}/sd"
        assert await discovered(f"http_sd_configs: [{{url: '{url}', refresh_interval: 30s}}]") == [
            {"__address__": "127.0.0.1:9090", "__meta_datacenter": "bru1", "__meta_url": url}
        ]
        (request,) = api.seen
        assert request.headers["X-Prometheus-Refresh-Interval-Seconds"] == "30"
        assert request.headers["Accept"] == "application/json"
        assert request.headers["User-Agent"].startswith("promlab/")


async def test_authentication_and_headers() -> None:
    with serving({"GET /sd": GOOD}) as api:
        section = (
            f"http_sd_configs:\n- url: {api.base}/sd\n  basic_auth: {{username: u, password: p}}\n"
            "  http_headers: {X-Lab: {values: [one]}}"
        )
        assert len(await discovered(section)) == 3
        assert api.seen[0].headers["Authorization"] == "Basic dTpw"
        assert api.seen[0].headers["X-Lab"] == "one"


def html(_: web.BaseRequest) -> web.Response:
    return web.Response(text="<html>", content_type="text/html")


def status(code: int) -> Any:
    return lambda _: web.Response(status=code, text="[]", content_type="application/json")


async def never(_: web.BaseRequest) -> web.Response:
    await asyncio.sleep(3600)
    raise AssertionError


def huge(_: web.BaseRequest) -> web.Response:
    return web.Response(body=b"[" + b" " * (2 << 20) + b"]", content_type="application/json")


def loop(request: web.BaseRequest) -> web.Response:
    return web.Response(status=302, headers={"Location": str(request.url)})


def packed(_: web.BaseRequest) -> web.Response:
    return web.Response(
        body=b"x", headers={"Content-Encoding": "br"}, content_type="application/json"
    )


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (html, "unsupported content type"),
        (status(204), "HTTP status 204"),
        (status(404), "HTTP status 404"),
        (status(500), "HTTP status 500"),
        ({"targets": []}, "not a list of target groups"),
        ([None], "nil target group item"),
        ([{"target": ["a"]}], "unknown field"),
        ([{"targets": [{}]}], "not a list of target groups"),
        (huge, "larger than 1 MiB"),
        (loop, "stopped after 10 redirects"),
        (never, "no answer within 1 s"),
        (packed, "packed although"),
    ],
)
async def test_garbage_keeps_targets_and_is_said(
    answer: Any,
    reason: str,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert MAX_BYTES == 64 << 20  # which takes a busy machine longer than it has here
    monkeypatch.setitem(Asker.__init__.__kwdefaults__, "max_bytes", 1 << 20)
    with serving({"GET /sd": GOOD}) as api:
        section = f"http_sd_configs: [{{url: '{api.base}/sd?key=s3cret', refresh_interval: 50ms}}]"
        async with discovering(section) as watched:
            assert len(await watched.next()) == 3
            api.routes["GET /sd"] = answer
            failures = 0
            while reason not in caplog.text:  # a busy machine's first answers may be late
                await watched.failed("http", more_than=failures)
                failures += 1
            assert watched.updates.empty()
            assert watched.stats.others["prometheus_sd_http_failures_total", ()] >= 1
            assert reason in caplog.text
            assert "s3cret" not in caplog.text
            api.routes["GET /sd"] = [{"targets": ["d:4"]}]
            await watched.until(["d:4"])


async def test_credentials_do_not_follow_to_another_host() -> None:
    with serving({"GET /sd": GOOD}, host="localhost") as other:
        away = {"Location": f"{other.base}/sd"}
        with serving({"GET /sd": lambda _: web.Response(status=307, headers=away)}) as api:
            section = (
                f"http_sd_configs: [{{url: '{api.base}/sd', authorization: {{credentials: x}}}}]"
            )
            assert len(await discovered(section)) == 3
            assert api.seen[0].headers["Authorization"] == "Bearer x"
            assert "Authorization" not in other.seen[0].headers
            section = f"http_sd_configs: [{{url: '{api.base}/sd', follow_redirects: false}}]"
            assert await discovered(section) == []


async def test_groups_that_are_gone_have_no_targets() -> None:
    with serving({"GET /sd": GOOD}) as api:
        section = f"http_sd_configs: [{{url: '{api.base}/sd', refresh_interval: 20ms}}]"
        async with discovering(section) as watched:
            assert len(await watched.next()) == 3
            api.routes["GET /sd"] = GOOD[1:]
            await watched.until(["c:3"])
            api.routes["GET /sd"] = []
            await watched.until([])


async def test_a_server_that_is_down_does_not_hold_up_other_sections() -> None:
    sections = "http_sd_configs: [{url: 'http://127.0.0.1:1/'}]\nstatic_configs: [{targets: [a:1]}]"
    assert await discovered(sections) == [{"__address__": "a:1"}]
