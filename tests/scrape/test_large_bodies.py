"""A target with very many series: it is stored like any other, and others get their turns."""

from __future__ import annotations

import asyncio
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from fake_appender import FakeAppender

from promlab.config import load_text
from promlab.errors import ScrapeError
from promlab.exposition.body_parser import BodyParser
from promlab.model.labels import Symbols
from promlab.model.matchers import Matcher, MatchType
from promlab.scrape import ingest as ingests
from promlab.scrape.aside import Aside
from promlab.scrape.ingest import Report, TargetIngest
from promlab.scrape.metrics import ScrapeStats
from promlab.tsdb.head import Head
from promlab.tsdb.open import open as open_reader
from promlab.tsdb.options import HeadOptions

TARGET = {"job": "j", "instance": "i:1"}
N = 60_000
BODY = "".join(f'm{i % 50}{{id="{i}",zone="{i % 7}"}} {i}\n' for i in range(N)).encode()


def job(options: str = ""):
    return load_text(f"scrape_configs: [{{job_name: j, {options}}}]").jobs[0]


class Other:
    """What else is to be done on the event loop."""

    def __init__(self) -> None:
        self.turns = 0

    async def run(self) -> None:
        while True:
            self.turns += 1
            await asyncio.sleep(0)


async def stored(head: Head, options: str = "", body: bytes = BODY) -> tuple[int, Report]:
    """Read, prepare and store as a loop does; how often another task ran meanwhile."""
    ingest = TargetIngest(head, TARGET, job(options), ScrapeStats())
    other, aside = Other(), Aside()
    task = asyncio.create_task(other.run())
    parsed = await aside.run(lambda: BodyParser(head.symbols).parse(body))
    before = other.turns
    try:
        await ingest.prepare(parsed, aside)
        turns = other.turns - before
        report = Report()
        ingest.store(1_000, parsed, report)
        head.commit()
        await ingest.prepare(parsed, aside)  # known: nothing to do
        ingest.store(2_000, parsed, report)
        head.commit()
    finally:
        task.cancel()
    return turns, report


def test_others_have_turns_while_series_are_registered(tmp_path: Path) -> None:
    head = Head.open(tmp_path, options=HeadOptions(sync="never"))
    turns, report = asyncio.run(stored(head))
    assert turns >= N // ingests._SLICE
    assert (report.scraped, report.kept, report.added) == (N, N, 0)
    with open_reader(tmp_path) as reader:
        found = reader.select([Matcher("__name__", MatchType.REGEX, "m.*")], 0, 3_000)
    assert found.n == N
    assert (np.diff(found.offsets) == 2).all()
    by_id = {row["id"]: i for i, row in enumerate(found.labels.rows())}
    for i in (0, 1, 777, N - 1):
        assert found.labels.row(by_id[str(i)])["zone"] == str(i % 7)
        assert found.series(by_id[str(i)])[1].tolist() == [i, i]
    head.close()
    head = Head.open(tmp_path, options=HeadOptions(sync="never"))
    assert head.stats().series == N + 5
    head.close()


@pytest.mark.parametrize("limit", ["sample_limit: 1000", "label_limit: 2"])
def test_a_body_beyond_a_limit_leaves_no_series_behind(tmp_path: Path, limit: str) -> None:
    head = Head.open(tmp_path, options=HeadOptions(sync="never"))
    with pytest.raises(ScrapeError, match="exceeded"):
        asyncio.run(stored(head, limit))
    assert head.stats().series == 5  # those about the scrape
    head.close()


def test_keep_known_keeps_as_many_as_it_may(tmp_path: Path) -> None:
    head = Head.open(tmp_path, options=HeadOptions(sync="never"))
    options = "sample_limit: 1000, sample_limit_action: keep_known"
    _, report = asyncio.run(stored(head, options))
    assert (report.scraped, report.kept) == (N, 1_000)
    assert head.stats().series == 1_005
    head.close()


def test_a_fake_appender_gets_the_same() -> None:
    appender = FakeAppender()
    ingest = TargetIngest(appender, TARGET, job(), ScrapeStats())
    parsed = BodyParser(appender.symbols).parse(b"a 1\nb 2\na 3\n")
    asyncio.run(ingest.prepare(parsed, Aside()))
    ingest.store(1_000, parsed, Report())
    assert appender.samples("a", **TARGET) == [(1000, 1.0)]
    assert appender.samples("b", **TARGET) == [(1000, 2.0)]


def test_turns_are_short_only_while_work_lasts() -> None:
    usual = sys.getswitchinterval()
    seen = []

    def work() -> None:
        seen.append(sys.getswitchinterval())

    def fail() -> None:
        raise ScrapeError("no")

    async def both() -> None:
        aside = Aside()
        failed = aside.run(fail)
        await asyncio.gather(aside.run(work), aside.run(work))
        with pytest.raises(ScrapeError):
            await failed

    asyncio.run(both())
    assert sys.getswitchinterval() == pytest.approx(usual)
    assert max(seen) < usual


def test_two_threads_never_give_one_code_to_two_texts() -> None:
    symbols, usual = Symbols(), sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [
            threading.Thread(target=lambda k=k: symbols.codes(f"{k}-{i}" for i in range(20_000)))
            for k in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(usual)
    codes = {symbols.code(f"{k}-{i}") for k in range(4) for i in range(20_000)}
    assert len(codes) == 80_000
    assert all(symbols.code(symbols.text(code)) == code for code in codes)
