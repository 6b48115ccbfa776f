"""What is stored of a body: labels, staleness, limits, timestamps."""

from __future__ import annotations

import pytest
from fake_appender import STALE, FakeAppender

from promlab.config import load_text
from promlab.errors import ScrapeError
from promlab.exposition.body_parser import BodyParser
from promlab.exposition.formats import Format
from promlab.scrape.ingest import Report, TargetIngest
from promlab.scrape.metrics import ScrapeStats

TARGET = {"job": "j", "instance": "i:1"}


class Bench:
    """A target's parser and ingest over a fake appender; each scrape is 1 s after the last."""

    def __init__(self, options: str = "", target: dict[str, str] = TARGET) -> None:
        self.appender, self.stats = FakeAppender(), ScrapeStats()
        self.target = target
        self.ingest = TargetIngest(self.appender, target, self.job(options), self.stats)
        self.parser = BodyParser(self.appender.symbols)
        self.t_ms = 0

    @staticmethod
    def job(options: str):
        return load_text(f"scrape_configs: [{{job_name: j, {options}}}]").jobs[0]

    def scrape(self, body: str) -> Report:
        self.t_ms += 1000
        report = Report(duration_s=0.25, timeout_s=10.0, body_bytes=len(body))
        self.ingest.store(self.t_ms, self.parser.parse(body.encode(), Format.TEXT), report)
        return report

    def fail(self) -> None:
        self.t_ms += 1000
        self.ingest.store_failure(self.t_ms, Report())


def test_a_scrape_and_its_report() -> None:
    bench = Bench()
    bench.scrape('a{x="1"} 1\nb 2\n')
    bench.scrape('a{x="1"} 3\nb 2\n')
    samples = bench.appender.samples
    assert samples("a", x="1", **TARGET) == [(1000, 1.0), (2000, 3.0)]
    assert samples("b", **TARGET) == [(1000, 2.0), (2000, 2.0)]
    assert samples("up", **TARGET) == [(1000, 1.0), (2000, 1.0)]
    assert samples("scrape_duration_seconds") == [(1000, 0.25), (2000, 0.25)]
    assert samples("scrape_samples_scraped") == [(1000, 2.0), (2000, 2.0)]
    assert samples("scrape_samples_post_metric_relabeling") == [(1000, 2.0), (2000, 2.0)]
    assert samples("scrape_series_added") == [(1000, 2.0), (2000, 0.0)]


def test_same_series_take_the_fast_path() -> None:
    bench = Bench()
    for i in range(5):
        bench.scrape(f"a {i}\nb {i}\n")
    assert bench.appender.groups[0].fast == 4
    assert bench.stats.layout_changes == 1


def test_vanished_and_returning_series() -> None:
    bench = Bench()
    bench.scrape("a 1\nb 1\n")
    bench.scrape("a 1\n")
    bench.scrape("a 1\n")
    assert bench.scrape("a 1\nb 2\nc 3\n").added == 2
    assert bench.appender.samples("b") == [(1000, 1.0), (2000, STALE), (4000, 2.0)]
    assert bench.appender.samples("a") == [(t, 1.0) for t in (1000, 2000, 3000, 4000)]


def test_an_empty_body_is_up() -> None:
    bench = Bench()
    bench.scrape("a 1\n")
    bench.scrape("")
    assert bench.appender.last("a") == STALE
    assert bench.appender.last("up") == 1.0
    assert bench.appender.last("scrape_samples_scraped") == 0.0


def test_failure_ends_everything_once() -> None:
    bench = Bench()
    bench.scrape("a 1\n")
    bench.fail()
    bench.fail()
    assert bench.scrape("a 2\n").added == 0
    bench.scrape("a 3\n")
    bench.fail()
    assert bench.appender.samples("a") == [
        (1000, 1.0), (2000, STALE), (4000, 2.0), (5000, 3.0), (6000, STALE),
    ]  # fmt: skip
    assert [v for _, v in bench.appender.samples("up")] == [1.0, 0.0, 0.0, 1.0, 1.0, 0.0]


def test_end_of_a_target() -> None:
    bench = Bench()
    bench.scrape("a 1\n")
    bench.ingest.end(9000)
    assert {samples[-1] for samples in bench.appender.series.values()} == {(9000, STALE)}
    assert bench.appender.groups[0].closed


def test_clashing_labels_are_renamed() -> None:
    bench = Bench()
    bench.scrape('a{job="x",exported_job="y",instance=""} 1\nb{job="z"} 2\nc 3\n')
    last = bench.appender.last
    assert last("a", exported_exported_job="x", exported_job="y", **TARGET) == 1.0
    assert last("b", exported_job="z", **TARGET) == 2.0
    assert last("c", **TARGET) == 3.0
    assert all("exported_instance" not in dict(name) for name in bench.appender.series)


def test_honored_labels_win() -> None:
    bench = Bench("honor_labels: true", {**TARGET, "zone": "q"})
    bench.scrape('a{job="x",zone=""} 1\nb 2\n')
    assert bench.appender.last("a", job="x", instance="i:1", zone="q") == 1.0
    assert bench.appender.last("b", job="j", instance="i:1", zone="q") == 2.0


def test_metric_relabelling() -> None:
    bench = Bench(
        "metric_relabel_configs: ["
        "{source_labels: [__name__], regex: 'go_.*', action: drop},"
        "{source_labels: [job], target_label: task},"
        "{regex: secret, action: labeldrop}]"
    )
    report = bench.scrape('go_a 1\nb{secret="1"} 2\ngo_b 3\nc 4\n')
    assert (report.scraped, report.kept, report.added) == (4, 2, 2)
    assert bench.appender.last("b", task="j") == 2.0
    assert bench.appender.last("c", task="j") == 4.0
    assert "go_a" not in bench.appender.names()
    # The series about the scrape are not relabelled.
    assert all(
        "task" not in dict(name) for name in bench.appender.series if ("__name__", "up") in name
    )


def test_a_series_needs_a_name_after_relabelling() -> None:
    bench = Bench("metric_relabel_configs: [{regex: __name__, action: labeldrop}]")
    with pytest.raises(ScrapeError, match="missing metric name"):
        bench.scrape("a 1\n")
    assert not bench.appender.series


def test_duplicates_the_first_is_kept_and_they_are_counted() -> None:
    bench = Bench("metric_relabel_configs: [{regex: x, action: labeldrop}]")
    report = bench.scrape('a{x="1"} 1\na{x="2"} 2\nb 1\nb 2\n')
    assert (report.scraped, report.kept, report.added) == (4, 4, 2)
    assert bench.appender.samples("a") == [(1000, 1.0)]
    assert bench.appender.samples("b") == [(1000, 1.0)]
    assert bench.stats.sample_duplicate == 2
    bench.scrape('a{x="1"} 5\na{x="2"} 6\nb 7\nb 8\n')
    assert bench.stats.sample_duplicate == 4
    assert bench.appender.last("a") == 5.0


def test_a_target_can_not_pose_as_the_report() -> None:
    bench = Bench()
    bench.scrape('up 0\nup{other="x"} 7\n')
    assert bench.appender.samples("up", other="x") == [(1000, 7.0)]
    own = [s for name, s in bench.appender.series.items() if ("__name__", "up") in name]
    assert [(1000, 1.0)] in own


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("sample_limit: 1", "sample limit exceeded"),
        ("label_limit: 3", r"label_limit exceeded \(metric: b, number of labels: 4, limit: 3\)"),
        (
            "label_name_length_limit: 9",
            r"label_name_length_limit exceeded .*label name: long_label",
        ),
        ("label_value_length_limit: 5", r"label_value_length_limit exceeded .*length: 6, limit: 5"),
        ("metric_name_validation_scheme: legacy", "invalid label name 'l.x'"),
    ],
)
def test_limits_refuse_the_whole_scrape(options: str, message: str) -> None:
    bench = Bench(options)
    body = 'a 1\nb{long_label="abcdef"} 2\n'
    if "legacy" in options:
        body = '{"a","l.x"="1"} 1\n'
    for _ in range(2):
        with pytest.raises(ScrapeError, match=message):
            bench.scrape(body)
    bench.fail()
    assert bench.appender.names() == {
        "up", "scrape_duration_seconds", "scrape_samples_scraped",
        "scrape_samples_post_metric_relabeling", "scrape_series_added",
    }  # fmt: skip
    # Nothing of it was even registered.
    assert len(bench.appender.groups[0].keys) == 5


def test_limits_count_what_is_stored() -> None:
    bench = Bench(
        "sample_limit: 2, metric_relabel_configs: "
        "[{source_labels: [__name__], regex: x, action: drop}]"
    )
    bench.scrape("a 1\nb 1\na 1\nx 1\n")
    assert bench.appender.last("b") == 1.0


def test_a_limit_that_is_exceeded_later_ends_the_series() -> None:
    bench = Bench("sample_limit: 1")
    bench.scrape("a 1\n")
    with pytest.raises(ScrapeError):
        bench.scrape("a 1\nb 1\n")
    bench.ingest.store_failure(bench.t_ms, Report())
    assert bench.appender.samples("a") == [(1000, 1.0), (2000, STALE)]
    bench.scrape("a 5\n")
    assert bench.appender.last("a") == 5.0


def test_timestamps_of_lines() -> None:
    bench = Bench()
    bench.scrape("a 1 700\nb 2\n")
    bench.scrape("a 2 1700\nb 3\n")
    bench.scrape("a 2 1700\nb 4\n")
    assert bench.appender.samples("a") == [(700, 1.0), (1700, 2.0)]
    assert bench.appender.samples("b") == [(1000, 2.0), (2000, 3.0), (3000, 4.0)]
    bench.scrape("b 5\n")
    bench.fail()
    # Who says when a sample was taken is not ended by us.
    assert bench.appender.samples("a") == [(700, 1.0), (1700, 2.0)]


def test_timestamps_may_be_ignored() -> None:
    bench = Bench("honor_timestamps: false")
    bench.scrape("a 1 700\n")
    bench.scrape("b 1 700\n")
    assert bench.appender.samples("a") == [(1000, 1.0), (2000, STALE)]


def test_staleness_of_lines_with_timestamps() -> None:
    bench = Bench("track_timestamps_staleness: true")
    bench.scrape("a 1 700\nb 1 700\n")
    bench.scrape("a 1 1700\n")
    bench.fail()
    assert bench.appender.samples("b") == [(700, 1.0), (2000, STALE)]
    assert bench.appender.samples("a") == [(700, 1.0), (1700, 1.0), (3000, STALE)]


def test_same_line_at_several_times() -> None:
    bench = Bench()
    bench.scrape("a 1 100\na 2 200\na 3 150\n")
    assert bench.appender.samples("a") == [(100, 1.0), (200, 2.0)]
    assert bench.stats.sample_out_of_order == 1


def test_samples_from_the_future() -> None:
    bench = Bench()
    bench.scrape("a 1 601001\nb 1 601000\n")
    assert bench.appender.samples("a") == []
    assert bench.appender.samples("b") == [(601_000, 1.0)]
    assert bench.stats.sample_out_of_bounds == 1
    assert bench.appender.last("up") == 1.0


def test_a_line_that_gets_a_timestamp() -> None:
    bench = Bench()
    bench.scrape("a 1\nb 1\n")
    bench.scrape("a 2 1500\nb 2\n")
    assert bench.appender.last("b") == 2.0
    assert (1000, 1.0) in bench.appender.samples("a")


def test_extra_metrics_come_and_go() -> None:
    bench = Bench("extra_scrape_metrics: true, sample_limit: 9")
    bench.scrape("a 1\n")
    last = bench.appender.last
    assert (last("scrape_timeout_seconds"), last("scrape_sample_limit")) == (10.0, 9.0)
    assert last("scrape_body_size_bytes") == 4.0
    bench.ingest.configure(bench.job("sample_limit: 9"))
    bench.scrape("a 2\n")
    assert last("scrape_timeout_seconds") == STALE
    assert last("a") == 2.0


def test_reconfigured_relabelling_ends_what_it_drops() -> None:
    bench = Bench()
    bench.scrape("a 1\nb 1\n")
    bench.ingest.configure(
        bench.job("metric_relabel_configs: [{source_labels: [__name__], regex: b, action: drop}]")
    )
    bench.scrape("a 2\nb 2\n")
    assert bench.appender.samples("b") == [(1000, 1.0), (2000, STALE)]
    assert bench.appender.samples("a") == [(1000, 1.0), (2000, 2.0)]
