"""Histograms, start times, exemplars and bucket limits, from a body to storage."""

from __future__ import annotations

import numpy as np
import pytest
from fake_appender import STALE, FakeAppender

from promlab.config import load_text
from promlab.config.scrape import ScrapeConfig
from promlab.exposition.body_parser import BodyParser
from promlab.exposition.derive import Derivation, Deriver
from promlab.exposition.formats import Format
from promlab.exposition.parsed import ParsedBody
from promlab.model.histograms import Buckets, HistogramColumn, HistogramTable
from promlab.model.samples import Values
from promlab.scrape.histogram_limits import BucketLimitExceeded, limited
from promlab.scrape.ingest import Report, TargetIngest
from promlab.scrape.metrics import ScrapeStats

EVERYTHING = frozenset({"st-storage", "created-timestamp-zero-ingestion", "exemplar-storage"})
HISTOGRAM = """# TYPE h histogram
h_bucket{le="1"} %d # {trace="%s"} 0.5 7
h_bucket{le="+Inf"} %d
h_sum 4
h_count %d
h_created 1.5
# TYPE c counter
c_total 5
c_created 0.5
# EOF
"""


class Bench:
    def __init__(self, features: frozenset[str], options: str = "") -> None:
        self.appender, self.stats, self.t_ms = FakeAppender(), ScrapeStats(), 1_000
        self.ingest = TargetIngest(self.appender, {"job": "j"}, job(options), self.stats, features)
        self.parser = BodyParser(self.appender.symbols)
        self.deriver = Deriver(Derivation(convert_classic=True, created_lines=True))

    def scrape(self, body: str) -> Report:
        self.t_ms += 1000
        report = Report()
        parsed = self.parser.parse(body.encode(), Format.OPENMETRICS)
        self.ingest.store(self.t_ms, self.deriver.derive(parsed), report)
        return report


def job(options: str) -> ScrapeConfig:
    return load_text(f"scrape_configs: [{{job_name: j, {options}}}]").jobs[0]


def test_histograms_are_stored_and_end() -> None:
    bench = Bench(frozenset())
    bench.scrape(HISTOGRAM % (1, "a", 2, 2))
    bench.scrape(HISTOGRAM % (1, "a", 3, 3))
    bench.scrape("# EOF\n")
    assert bench.appender.samples("h") == [(2000, (2.0, 4.0)), (3000, (3.0, 4.0)), (4000, STALE)]
    assert bench.appender.samples("c_total") == [(2000, 5.0), (3000, 5.0), (4000, STALE)]
    assert not bench.appender.starts
    assert not bench.appender.exemplars


def test_one_that_contradicts_itself_ends() -> None:
    bench = Bench(frozenset())
    bench.scrape(HISTOGRAM % (1, "a", 2, 2))
    bench.scrape(HISTOGRAM % (5, "a", 2, 2))
    assert bench.appender.samples("h") == [(2000, (2.0, 4.0)), (3000, STALE)]


def test_start_times_and_zeros() -> None:
    bench = Bench(EVERYTHING - {"exemplar-storage"})
    for count in (2, 3):
        bench.scrape(HISTOGRAM % (1, "a", count, count))
    restarted = (HISTOGRAM % (1, "a", 4, 4)).replace("c_created 0.5", "c_created 3.5")
    bench.scrape(restarted)
    assert bench.appender.samples("h") == [
        (1500, (0.0, 0.0)), (2000, (2.0, 4.0)), (3000, (3.0, 4.0)), (4000, (4.0, 4.0)),
    ]  # fmt: skip
    assert bench.appender.samples("c_total") == [
        (500, 0.0), (2000, 5.0), (3000, 5.0), (3500, 0.0), (4000, 5.0),
    ]  # fmt: skip
    starts = {dict(name)["__name__"]: found for name, found in bench.appender.starts.items()}
    assert starts["h"] == [1500, 1500, 1500]
    assert starts["c_total"] == [500, 500, 3500]
    assert starts["up"] == [0, 0, 0]


def test_exemplars_once_each() -> None:
    bench = Bench(EVERYTHING)
    for trace in ("a", "a", "b"):
        bench.scrape(HISTOGRAM % (1, trace, 2, 2))
    bench.scrape('c_total 1 # {x="y"} 2\n# EOF\n')
    assert bench.appender.exemplars == [
        ("h", {"trace": "a"}, 0.5, 7000),
        ("h", {"trace": "b"}, 0.5, 7000),
        ("c_total", {"x": "y"}, 2.0, 5000),
    ]


def test_known_series_are_kept_at_the_limit() -> None:
    bench = Bench(frozenset(), "sample_limit: 2, sample_limit_action: keep_known")
    assert bench.scrape("b 1\nc 1\n# EOF\n").kept == 2
    report = bench.scrape("a 1\nb 2\nc 3\n# EOF\n")
    assert (report.scraped, report.kept) == (3, 2)
    bench.scrape("d 1\na 2\nc 4\n# EOF\n")
    samples = bench.appender.samples
    assert samples("b") == [(2000, 1.0), (3000, 2.0), (4000, STALE)]
    assert samples("c") == [(2000, 1.0), (3000, 3.0), (4000, 4.0)]
    assert samples("d") == [(4000, 1.0)]
    assert not samples("a")
    assert [value for _, value in samples("up")] == [1.0] * 3
    assert bench.stats.cut_to_sample_limit == 2


def body(table: HistogramTable) -> ParsedBody:
    layout = BodyParser(FakeAppender().symbols).parse(b"a 1\n" * table.n).layout
    column = HistogramColumn(table, np.arange(table.n))
    return ParsedBody(layout, np.zeros(table.n), None, column, None, list)


def exponential(schema: int, indices: list[int], counts: Values) -> HistogramTable:
    one, none = np.ones(1), Buckets(np.zeros(2, np.int64), np.zeros(0, np.int32), np.zeros(0))
    buckets = Buckets(np.array([0, len(indices)]), np.array(indices, np.int32), counts)
    hint = np.zeros(1, np.int8)
    return HistogramTable(
        np.array([schema], np.int8), one, one, one, one, hint, buckets, none,
        np.array([-1], np.int32),
    )  # fmt: skip


def test_too_many_buckets_are_merged() -> None:
    table = exponential(2, [-3, -2, -1, 0, 1, 2, 3], np.arange(1.0, 8.0))
    found = limited(body(table), job("native_histogram_bucket_limit: 4")).histograms
    assert found is not None
    assert found.table.schema.tolist() == [1]
    assert found.table.positive.indices.tolist() == [-1, 0, 1, 2]
    assert found.table.positive.counts.tolist() == [3.0, 7.0, 11.0, 7.0]
    apart = exponential(-3, [0, 100], np.ones(2))
    with pytest.raises(BucketLimitExceeded, match="number of buckets: 2, limit: 1"):
        limited(body(apart), job("native_histogram_bucket_limit: 1"))


@pytest.mark.parametrize(("factor", "schema"), [(1.1, 2), (1.0, 8), (2.0, 0), (5.0, -2), (1e9, -4)])
def test_too_fine_buckets_are_merged(factor: float, schema: int) -> None:
    table = exponential(8, [0, 1], np.ones(2))
    found = limited(body(table), job(f"native_histogram_min_bucket_factor: {factor}")).histograms
    assert found is not None
    assert found.table.schema.tolist() == [schema]
