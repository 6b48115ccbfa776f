"""Notifications: asked for once, or told as they come."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
from fake_server import make_context
from running import running, until, write_config
from threaded import threaded

from promlab.server.notifications import RELOAD_FAILED, STARTING, Notifications
from promlab.server.settings import Settings

SETTINGS = Settings(route_prefix="", max_subscribers=2)


def test_only_changes_are_told_of() -> None:
    notifications = Notifications(1)
    notifications.set(RELOAD_FAILED, False)
    assert notifications.active() == []
    notifications.set(RELOAD_FAILED, True)
    (first,) = notifications.active()
    notifications.set(RELOAD_FAILED, True)
    assert notifications.active() == [first]
    assert first["text"] == "Configuration reload has failed."
    notifications.set(RELOAD_FAILED, False)
    assert notifications.active() == []


def test_events_are_pushed_until_there_are_too_many_listeners() -> None:
    with threaded(lambda: make_context(SETTINGS)) as (address, context):
        url = f"http://{address}/api/v1/notifications/live"
        context.notifications.set(STARTING, True)
        with httpx.stream("GET", url) as one, httpx.stream("GET", url) as two:
            assert one.headers["content-type"] == "text/event-stream"
            assert httpx.get(url).status_code == 204  # the third
            events = [stream.iter_lines() for stream in (one, two)]
            for lines in events:
                event = json.loads(next(lines).removeprefix("data: "))
                assert (event["text"], event["active"]) == (STARTING, True)
                assert next(lines) == ""
        # Who is gone makes room.
        until(lambda: len(context.notifications._queues) == 0, "listeners forgotten")
        with httpx.stream("GET", url) as again:
            assert again.status_code == 200


def test_a_reload_that_fails_is_told_and_the_next_one_takes_it_back(tmp_path: Path) -> None:
    write_config(tmp_path, interval="1s")
    good = (tmp_path / "p.yml").read_text()
    with running(tmp_path, "--web.enable-lifecycle") as server:
        assert server.client.get("/api/v1/notifications").json()["data"] == []
        for bad in ("scrape_configs: {", "nothing_known: 1"):  # two wrong ones in a row
            (tmp_path / "p.yml").write_text(bad)
            answer = server.client.post("/-/reload")
            assert answer.status_code == 500
            assert answer.text.startswith("failed to reload config: ")
            assert f"{tmp_path}/p.yml:" in answer.text
        listed = until(
            lambda: server.client.get("/api/v1/notifications").json()["data"], "a notification"
        )
        assert [each["text"] for each in listed] == [RELOAD_FAILED]
        assert server.value("vector(1)") == 1
        (tmp_path / "p.yml").write_text(good)
        assert server.client.post("/-/reload").status_code == 200
        until(
            lambda: not server.client.get("/api/v1/notifications").json()["data"],
            "no notification",
        )
