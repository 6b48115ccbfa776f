"""Pools and loops at work: real targets over HTTP, time that moves only when told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path

import pytest
from bad_targets import Handler, Request, Target, answer, serve
from fake_appender import STALE, FakeAppender
from virtual_clock import VirtualClock

from promlab.config import load_text
from promlab.errors import ConfigError
from promlab.scrape import ScrapeManager
from promlab.scrape.schedule import following_tick, next_tick, timestamp_ms
from promlab.scrape.target import Target as ScrapeTarget
from tests.exposition.family_bodies import HISTOGRAM, family, metric, native


class Lab:
    """A manager on a virtual clock, and one target whose body can be set."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.appender, self.clock = FakeAppender(), VirtualClock()
        self.manager = ScrapeManager(
            self.appender, version="1", clock=self.clock, hostname="lab", commit_every_s=0
        )
        self.address = f"127.0.0.1:{target.port}"

    async def apply(self, *jobs: str) -> None:
        text = "global: {scrape_interval: 10s}\nscrape_configs:\n"
        text += "".join(f"- {{{job}}}\n" for job in jobs)
        await self.manager.apply(load_text(text))

    def job(self, options: str = "", name: str = "a") -> str:
        static = f"static_configs: [{{targets: ['{self.address}']}}]"
        return f"job_name: {name}, {static}" + (f", {options}" if options else "")


class Page:
    """What the target says; `status` and `content_type` may be changed."""

    body = b"m 1\n"
    status = "200 OK"
    content_type = "text/plain"

    async def __call__(self, _: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(answer(self.body, self.status, Content_Type=self.content_type))


@pytest.fixture
def page() -> Page:
    return Page()


@pytest.fixture
async def lab(page: Page) -> AsyncIterator[Lab]:
    handler: Handler = page
    async with serve(handler) as target:
        found = Lab(target)
        yield found
        await found.manager.stop()


async def test_a_scrape_each_interval_at_aligned_times(lab: Lab) -> None:
    await lab.apply(lab.job())
    await lab.clock.advance(50_000)
    times = [t for t, _ in lab.appender.samples("m")]
    assert len(times) == 5
    assert {b - a for a, b in pairwise(times)} == {10_000}
    assert all(v == 1.0 for _, v in lab.appender.samples("up", job="a", instance=lab.address))
    assert lab.target.connections == 1
    assert lab.appender.groups[0].fast == 4
    stats = lab.manager.stats
    assert (stats.scrapes, stats.scrapes_failed, stats.scrapes_missed) == (5, 0, 0)
    assert stats.interval_s["10s"].sum / stats.interval_s["10s"].count == pytest.approx(10.0)


async def test_moments_are_the_same_after_a_restart(lab: Lab) -> None:
    await lab.apply(lab.job())
    await lab.clock.advance(20_000)
    await lab.manager.stop()
    before = [t for t, _ in lab.appender.samples("m")]
    again = Lab(lab.target)
    again.clock = lab.clock
    again.manager = ScrapeManager(again.appender, clock=lab.clock, hostname="lab")
    await again.apply(again.job())
    await lab.clock.advance(20_000)
    await again.manager.stop()
    after = [t for t, _ in again.appender.samples("m")]
    assert (after[0] - before[0]) % 10_000 == 0
    assert again.appender.last("m") == 1.0


async def test_targets_are_told(lab: Lab, page: Page) -> None:
    await lab.apply(lab.job("params: {x: [1, 'a b']}, scrape_timeout: 3s"))
    (status,) = lab.manager.targets()
    assert (status.health, status.last_error, status.last_scrape_ms) == ("unknown", "", 0.0)
    await lab.clock.advance(10_000)
    (status,) = lab.manager.targets()
    assert status.scrape_url == f"http://{lab.address}/metrics?x=1&x=a+b"
    assert status.global_url == f"http://lab:{lab.target.port}/metrics?x=1&x=a+b"
    assert status.labels == {"job": "a", "instance": lab.address}
    assert status.discovered_labels == {
        "__address__": lab.address,
        "__metrics_path__": "/metrics",
        "__param_x": "1",
        "__scheme__": "http",
        "__scrape_interval__": "10s",
        "__scrape_timeout__": "3s",
        "job": "a",
    }
    assert (status.health, status.scrape_pool) == ("up", "a")
    assert (status.scrape_interval_ms, status.scrape_timeout_ms) == (10_000, 3_000)
    page.status = "503 Busy"
    await lab.clock.advance(10_000)
    (status,) = lab.manager.targets()
    assert (status.health, status.last_error) == ("down", "server returned HTTP status 503 Busy")
    assert lab.manager.pools == ["a"]


async def test_failures_end_the_series(lab: Lab, page: Page) -> None:
    await lab.apply(lab.job())
    await lab.clock.advance(10_000)
    for body, content_type, error, counted in (
        (b"m 1\nbroken {\n", "text/plain", "line 2", 1),
        (b"m 1\n", "text/html", "unsupported Content-Type 'text/html'", 0),
        (b"m 1\n", "", "no Content-Type", 0),
        (b"m 1\n", "application/openmetrics-text", "# EOF", 1),
    ):
        page.body, page.content_type = body, content_type
        await lab.clock.advance(10_000)
        (status,) = lab.manager.targets()
        assert status.health == "down"
        assert error in status.last_error
        assert lab.appender.last("m") == STALE
        assert lab.appender.last("up") == 0.0
        assert lab.appender.last("scrape_samples_scraped") == counted
        assert lab.appender.last("scrape_samples_post_metric_relabeling") == counted
    assert len(lab.appender.samples("m")) == 2
    page.body, page.content_type = b"m 7\n", "text/plain"
    await lab.clock.advance(10_000)
    assert lab.appender.last("m") == 7.0


async def test_fallback_protocol(lab: Lab, page: Page) -> None:
    page.content_type = "text/html"
    await lab.apply(lab.job("fallback_scrape_protocol: PrometheusText0.0.4"))
    await lab.clock.advance(10_000)
    assert lab.appender.last("m") == 1.0


async def test_exceeded_limits_are_counted(lab: Lab, page: Page) -> None:
    page.body = b'm{x="1"} 1\nm{x="2"} 2\n' + b"# " + b"x" * 3000 + b"\n"
    await lab.apply(
        lab.job("sample_limit: 1", "samples"),
        lab.job("label_limit: 3", "labels"),
        lab.job("body_size_limit: 1KB, extra_scrape_metrics: true", "bytes"),
    )
    await lab.clock.advance(10_000)
    stats = lab.manager.stats
    assert stats.exceeded_sample_limit == 1
    assert stats.exceeded_label_limits == 1
    assert stats.exceeded_body_size_limit == 1
    assert lab.appender.last("scrape_body_size_bytes", job="bytes") == -1.0
    assert lab.appender.last("scrape_samples_scraped", job="samples") == 2.0
    assert "m" not in lab.appender.names()


async def test_target_limit_fails_all_targets(lab: Lab) -> None:
    two = f"static_configs: [{{targets: ['{lab.address}', 'localhost:1']}}]"
    await lab.apply(f"job_name: a, target_limit: 1, {two}")
    await lab.clock.advance(10_000)
    errors = {status.last_error for status in lab.manager.targets()}
    assert errors == {"target_limit exceeded (number of targets: 2, limit: 1)"}
    assert lab.target.requests == []
    assert lab.manager.stats.exceeded_target_limit == 1


async def test_relabelling_of_targets(lab: Lab) -> None:
    await lab.apply(
        f"job_name: a, static_configs: [{{targets: ['x:1', '{lab.address}', ''],"
        " labels: {env: lab}}],"
        "relabel_configs: ["
        "{source_labels: [__address__], regex: 'x:.*', action: drop},"
        "{target_label: __metrics_path__, replacement: /other},"
        "{target_label: __param_q, replacement: '1'},"
        "{target_label: __scrape_interval__, replacement: 5s},"
        "{target_label: __scrape_timeout__, replacement: 4s},"
        "{target_label: instance, replacement: me}]"
    )
    await lab.clock.advance(10_000)
    (status,) = lab.manager.targets()
    assert status.labels == {"job": "a", "instance": "me", "env": "lab"}
    assert status.scrape_url == f"http://{lab.address}/other?q=1"
    assert lab.target.requests[0].path == "/other?q=1"
    assert len(lab.appender.samples("m")) == 2
    (dropped,) = lab.manager.dropped_targets()
    assert (dropped.scrape_pool, dropped.discovered_labels["__address__"]) == ("a", "x:1")
    assert lab.manager.dropped_counts() == {"a": 1}
    assert lab.manager.stats.sync_failed["a"] == 1  # the one without an address


async def test_metadata(lab: Lab, page: Page) -> None:
    page.body = b"# HELP m What it means.\n# TYPE m gauge\nm 1\n"
    await lab.apply(lab.job())
    await lab.clock.advance(10_000)
    (found,) = lab.manager.metadata()
    assert found.labels == {"job": "a", "instance": lab.address}
    assert found.metadata["m"].help == "What it means."
    assert found.metadata["m"].type.value == "gauge"


async def test_reload_leaves_unchanged_jobs_alone(lab: Lab) -> None:
    await lab.apply(lab.job(name="a"), lab.job(name="b"))
    await lab.clock.advance(20_000)
    await lab.apply(lab.job(name="a"), lab.job("honor_labels: true", "b"))
    await lab.clock.advance(20_000)
    for job in ("a", "b"):
        samples = lab.appender.samples("m", job=job)
        assert [v for _, v in samples] == [1.0] * 4
        assert len({b[0] - a[0] for a, b in pairwise(samples)}) == 1
    assert lab.manager.stats.pool_reloads == 1
    await lab.clock.advance(30_000)
    assert STALE not in {v for _, v in lab.appender.samples("m", job="b")}


async def test_removed_targets_end_after_two_intervals(lab: Lab) -> None:
    await lab.apply(lab.job())
    await lab.clock.advance(20_000)
    last = lab.appender.samples("m")[-1][0]
    await lab.apply()
    await lab.clock.advance(9_000)
    assert lab.appender.samples("m")[-1][0] == last
    await lab.clock.advance(20_000)
    assert lab.appender.samples("m")[-1] == (last + 10_000, STALE)
    assert lab.appender.last("up") == STALE
    assert lab.manager.targets() == []


async def test_a_target_that_comes_back_goes_on(lab: Lab) -> None:
    await lab.apply(lab.job())
    await lab.clock.advance(20_000)
    await lab.apply()
    await lab.clock.advance(10_000)
    await lab.apply(lab.job())
    await lab.clock.advance(40_000)
    values = [v for _, v in lab.appender.samples("m")]
    assert values == [1.0] * 6
    assert len(lab.appender.groups) == 1


async def test_two_addresses_with_the_same_labels(lab: Lab) -> None:
    same = "relabel_configs: [{target_label: instance, replacement: me}]"
    both = f"static_configs: [{{targets: ['{lab.address}', 'localhost:{lab.target.port}']}}]"
    await lab.apply(f"job_name: a, {both}, {same}")
    assert len(lab.manager.targets()) == 2
    await lab.clock.advance(20_000)
    await lab.apply(lab.job(same))
    await lab.clock.advance(50_000)
    assert len(lab.manager.targets()) == 1
    assert STALE not in {v for _, v in lab.appender.samples("m")}


async def test_what_breaks_in_us_does_not_end_a_loop(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    await lab.apply(lab.job())
    monkeypatch.setattr("promlab.scrape.loop.format_of", broken)
    await lab.clock.advance(10_000)
    assert lab.manager.targets()[0].last_error == "internal error: ZeroDivisionError"
    assert lab.appender.last("up") == 0.0
    monkeypatch.undo()
    await lab.clock.advance(10_000)
    assert lab.appender.last("up") == 1.0


async def test_stop_ends_nothing_and_commits(lab: Lab) -> None:
    await lab.apply(lab.job())
    await lab.clock.advance(10_000)
    await lab.manager.stop()
    assert lab.appender.last("m") == 1.0
    assert lab.appender.commits >= 1
    assert lab.appender.groups[0].closed


async def test_storage_that_fails_is_told_and_tried_again(lab: Lab) -> None:
    await lab.apply(lab.job())
    lab.appender.broken = True
    await lab.clock.advance(10_000)
    (status,) = lab.manager.targets()
    assert status.last_error == "could not be stored: disk full"
    lab.appender.broken = False
    await lab.clock.advance(10_000)
    assert lab.manager.targets()[0].health == "up"
    assert lab.appender.last("m") == 1.0


async def test_a_bad_job_changes_nothing(lab: Lab, tmp_path: Path) -> None:
    await lab.apply(lab.job())
    with pytest.raises(ConfigError, match="unable to use TLS settings"):
        await lab.apply(f"job_name: b, tls_config: {{ca_file: {tmp_path}/none.pem}}")
    assert lab.manager.pools == ["a"]
    await lab.clock.advance(10_000)
    assert lab.appender.last("m") == 1.0
    assert lab.manager.stats.pools_failed == 1


async def test_a_slow_target_does_not_disturb_another() -> None:
    release = asyncio.Event()

    async def stuck(_: Request, writer: asyncio.StreamWriter) -> None:
        await release.wait()
        writer.write(answer(b"s 1\n"))

    page = Page()
    async with serve(stuck) as slow, serve(page) as good:
        lab = Lab(good)
        manager = ScrapeManager(lab.appender, hostname="lab")
        text = (
            "global: {scrape_interval: 300ms}\nscrape_configs:\n"
            f"- {{job_name: good, static_configs: [{{targets: ['127.0.0.1:{good.port}']}}]}}\n"
            f"- {{job_name: slow, static_configs: [{{targets: ['127.0.0.1:{slow.port}']}}]}}\n"
        )
        await manager.apply(load_text(text))
        errors = {"good": "none yet", "slow": ""}
        for _ in range(30_000):
            if len(lab.appender.samples("m")) >= 5 and lab.appender.samples("up", job="slow"):
                errors = {status.scrape_pool: status.last_error for status in manager.targets()}
                if errors["good"] == "":  # on a busy machine it may be late once
                    break
            await asyncio.sleep(0.01)
        assert errors["good"] == ""
        assert errors["slow"].endswith("context deadline exceeded")
        release.set()
        await manager.stop()


async def test_files_add_and_remove_targets(lab: Lab, tmp_path: Path) -> None:
    path = tmp_path / "targets.json"
    path.write_text(json.dumps([{"targets": [lab.address], "labels": {"room": "a"}}]))
    await lab.apply(f"job_name: a, file_sd_configs: [{{files: ['{tmp_path}/*.json']}}]")
    (status,) = lab.manager.targets()
    assert status.labels["room"] == "a"
    assert status.discovered_labels["__meta_filepath"] == str(path)
    await lab.clock.advance(10_000)
    assert lab.appender.last("m", room="a") == 1.0


@pytest.mark.parametrize(
    ("now_ms", "interval_ms", "offset_ms", "tick"),
    [(0, 10, 3, 3), (3, 10, 3, 3), (3.5, 10, 3, 13), (1e12, 15_000, 7.25, 1e12 + 10_007.25)],
)
def test_next_tick(now_ms: float, interval_ms: int, offset_ms: float, tick: float) -> None:
    assert next_tick(now_ms, interval_ms, offset_ms) == pytest.approx(tick)


def test_following_tick_counts_what_it_leaves_out() -> None:
    assert following_tick(100, 105, 10) == (110, 0)
    assert following_tick(100, 111, 10) == (110, 0)  # late, but made up for
    assert following_tick(100, 131, 10) == (130, 2)


def test_timestamps_stick_to_the_schedule() -> None:
    assert timestamp_ms(1000.0, 1001.9, 10_000) == 1000
    assert timestamp_ms(1000.0, 1002.1, 10_000) == 1002
    assert timestamp_ms(1000.0, 1001.0, 50) == 1001


async def test_failed_scrapes_are_written_down(lab: Lab, page: Page, tmp_path: Path) -> None:
    log = tmp_path / "failures"
    await lab.apply(lab.job(f"scrape_failure_log_file: '{log}'"))
    page.status = "500 Oh"
    await lab.clock.advance(20_000)
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert len(lines) == 2
    assert lines[0]["msg"] == "server returned HTTP status 500 Oh"
    assert (lines[0]["job_name"], lines[0]["level"]) == ("a", "ERROR")
    assert lines[0]["target"] == f"http://{lab.address}/metrics"
    log.rename(tmp_path / "moved")
    await lab.apply(lab.job(f"scrape_failure_log_file: '{log}'"))
    await lab.clock.advance(10_000)
    assert len(log.read_text().splitlines()) == 1
    with pytest.raises(ConfigError, match="scrape_failure_log_file: no such file"):
        await lab.apply(lab.job("scrape_failure_log_file: '/nowhere/x'"))


async def test_protobuf_is_asked_for_first_where_native_histograms_are(
    lab: Lab, page: Page
) -> None:
    page.content_type = "application/vnd.google.protobuf"
    page.body = family("h", HISTOGRAM, metric(native()))
    await lab.apply(lab.job("scrape_native_histograms: true"))
    await lab.clock.advance(10_000)
    assert lab.appender.last("h") == (6.0, 10.5)
    accept = lab.target.requests[0].headers["Accept"]
    assert accept.startswith("application/vnd.google.protobuf;")


async def test_a_target_may_have_switches_of_its_own(lab: Lab, page: Page) -> None:
    page.body = b'# TYPE h histogram\nh_bucket{le="+Inf"} 2\nh_count 2\nh_sum 3\n'
    label = "__convert_classic_histograms_to_nhcb__"
    rule = f"relabel_configs: [{{target_label: {label}, replacement: '%s'}}]"
    await lab.apply(lab.job(rule % "true"))
    await lab.clock.advance(10_000)
    assert lab.appender.last("h") == (2.0, 3.0)
    assert lab.appender.last("h_count") is None
    await lab.apply(lab.job(rule % "perhaps"))
    assert not lab.manager.targets()


def test_targets_share_moments_unless_the_interval_is_short() -> None:
    def offsets(interval_ms: int) -> set[float]:
        urls = [f"http://a:{i}/" for i in range(500)]
        targets = [ScrapeTarget({}, {"instance": url}, url, interval_ms, 100) for url in urls]
        return {target.offset_ms("lab") for target in targets}

    assert offsets(1000) == {50.0 * i for i in range(20)}
    assert all(0 <= offset < 15_000 and offset % 50 == 0 for offset in offsets(15_000))
    assert len(offsets(15_000)) > 200
    assert len(offsets(900)) == 500
