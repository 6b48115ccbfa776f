"""Discovery that answers garbage while wrong configurations come one after the other: in the end
all is as it would be without, and nothing that was stored is missing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from aiohttp import web
from running import Running, Target, running, until

from tests.discovery.fake_api import FakeApi, serving

pytestmark = pytest.mark.slow

GARBAGE = {
    "html": lambda _: web.Response(text="<html>sorry", content_type="text/html"),
    "an error": lambda _: web.Response(status=503, text="later"),
    "half a list": lambda _: web.Response(text='[{"targets": ["', content_type="application/json"),
    "no list": {"targets": ["nobody:1"]},
    "no addresses": [{"targets": [{"host": "nobody"}]}],
    "labels that are none": [{"targets": ["nobody:1"], "labels": {"a": 5}}],
}
WRONG = (
    "scrape_configs: {",
    "global: {scrape_interval: -1s}",
    "scrape_configs: [{job_name: found, http_sd_configs: [{url: nowhere}]}]",
    "scrape_configs: [{job_name: found, http_sd_configs: [{url: 'http://x/', refresh: 1s}]}]",
)


@pytest.fixture
def targets() -> Iterator[list[Target]]:
    made = [Target(), Target()]
    yield made
    for each in made:
        each.close()


def config(api: FakeApi, interval: str = "1s") -> str:
    return (
        f"global: {{scrape_interval: {interval}, scrape_timeout: {interval}}}\n"
        "scrape_configs:\n- job_name: found\n"
        f"  http_sd_configs: [{{url: '{api.base}/sd', refresh_interval: 100ms}}]\n"
    )


def metric(server: Running, name: str) -> float:
    text = server.client.get("/metrics").text
    found = [line for line in text.splitlines() if line.startswith(name)]
    return sum(float(line.rpartition(" ")[2]) for line in found)


def reload(server: Running, text: str) -> int:
    (server.folder / "p.yml").write_text(text)
    return server.client.post("/-/reload").status_code


def active(server: Running) -> set[str]:
    found = server.client.get("/api/v1/targets?state=active").json()["data"]["activeTargets"]
    return {target["discoveredLabels"]["__address__"] for target in found}


def test_nothing_is_lost(tmp_path: Path, targets: list[Target]) -> None:
    first, second = targets
    good = [{"targets": [first.address], "labels": {"by": "sd"}}]
    failures = 'prometheus_sd_refresh_failures_total{config="found"'
    with ExitStack() as stack:
        api = stack.enter_context(serving({"GET /sd": good}))
        (tmp_path / "p.yml").write_text(config(api))
        server = stack.enter_context(running(tmp_path, "--web.enable-lifecycle"))
        until(lambda: server.value('up{by="sd"}') == 1, "a sample")
        start = server.value("vector(time())")
        for number, (reason, garbage) in enumerate(GARBAGE.items()):
            before = metric(server, failures)
            api.routes["GET /sd"] = garbage
            assert reload(server, WRONG[number % len(WRONG)]) == 500, reason
            assert metric(server, "prometheus_config_last_reload_successful ") == 0
            until(lambda before=before: metric(server, failures) > before, f"a failure: {reason}")
            assert active(server) == {first.address}, reason
        # Right again, and set up anew, while discovery still answers garbage.
        assert reload(server, config(api)) == 200
        assert active(server) == {first.address}
        assert reload(server, config(api).replace("found\n", "found\n  sample_limit: 9\n")) == 200
        until(lambda: active(server) == {first.address}, "the target of the changed job")
        assert metric(server, "prometheus_config_last_reload_successful ") == 1

        api.routes["GET /sd"] = [*good, {"targets": [second.address], "labels": {"by": "later"}}]
        until(lambda: server.value('up{by="later"}') == 1, "the new target's sample")
        assert active(server) == {first.address, second.address}
        missed = metric(server, "promlab_target_scrapes_missed_total")
        end = server.value("vector(time())")
        assert start is not None
        assert end is not None
        window = f"[{round(end - start) + 1}s] @ {end}"
        # A busy machine may leave out a tick, and counts it; setting a job up anew may cost one.
        scrapes = server.value(f'count_over_time(up{{by="sd"}}{window})')
        assert (scrapes or 0) + missed >= end - start - 3
        assert server.value(f'min_over_time(up{{by="sd"}}{window})') == 1
        text = (tmp_path / "log").read_text()
        assert "Traceback" not in text, text[-3000:]


def test_targets_that_are_gone_end_and_come_again(tmp_path: Path, targets: list[Target]) -> None:
    """An empty list is an answer: then nothing is there."""
    (target, _) = targets
    good = [{"targets": [target.address]}]
    with serving({"GET /sd": good}) as api:
        (tmp_path / "p.yml").write_text(config(api))
        with running(tmp_path) as server:
            until(lambda: server.value("up") == 1, "a sample")
            api.routes["GET /sd"] = []
            until(lambda: active(server) == set(), "the end of the target")
            until(lambda: server.value("up") is None, "the end of its series")
            api.routes["GET /sd"] = json.loads(json.dumps(good))
            until(lambda: server.value("up") == 1, "the target again")
