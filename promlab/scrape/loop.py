"""Scraping one target, again and again."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from promlab.config.scrape import ScrapeConfig
from promlab.errors import ExpositionError, ScrapeError, StorageError
from promlab.exposition.body_parser import BodyParser
from promlab.exposition.derive import Deriver
from promlab.exposition.formats import Format, Protocol, format_of
from promlab.exposition.parsed import ParsedBody
from promlab.model.durations import format_duration_ms
from promlab.model.metadata import MetricMetadata
from promlab.model.storage import Appender
from promlab.scrape.aside import Aside
from promlab.scrape.clock import Clock
from promlab.scrape.failure_log import FailureLog
from promlab.scrape.fetch import BodyTooLarge, Fetcher
from promlab.scrape.histogram_limits import BucketLimitExceeded, limited
from promlab.scrape.ingest import Report, TargetIngest
from promlab.scrape.labels import LabelLimitExceeded
from promlab.scrape.metrics import ScrapeStats
from promlab.scrape.plan import SampleLimitExceeded
from promlab.scrape.schedule import following_tick, next_tick, timestamp_ms
from promlab.scrape.target import Target

log = logging.getLogger(__name__)
LARGE_BODY = 4 << 20  # bytes from which on a body is read in a thread, others being scraped


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all loops of a manager share. `appended` is called after something was stored."""

    appender: Appender
    clock: Clock
    stats: ScrapeStats
    appended: Callable[[], None]
    seed: str
    features: frozenset[str] = frozenset()
    aside: Aside = field(default_factory=Aside)


class ScrapeLoop:
    """One target: its schedule, its parser, its state."""

    def __init__(
        self,
        target: Target,
        job: ScrapeConfig,
        ingest: TargetIngest,
        fetcher: Fetcher,
        around: Surroundings,
        failure_log: FailureLog | None = None,
    ) -> None:
        self.target, self.ingest = target, ingest
        self._job, self._failure_log = job, failure_log
        self.health = "unknown"
        self.last_error = ""
        self.last_scrape_ms = self._begun_ms = 0.0
        self.last_duration_s = 0.0
        self.metadata: Mapping[str, MetricMetadata] = {}
        # Why the target must not be scraped, although it is there.
        self.forced_error = ""
        fallback = job.fallback_scrape_protocol
        self._fallback = Protocol(fallback) if fallback else None
        self._fetcher, self._around = fetcher, around
        self._parser = BodyParser(around.appender.symbols)
        self._interval = format_duration_ms(target.interval_ms)
        self._forms = target.forms(job)
        self._deriver = Deriver(target.derivation(job, around.features))

    async def run(self) -> None:
        """Scrape at every tick until cancelled."""
        clock, interval_ms = self._around.clock, self.target.interval_ms
        offset_ms = self.target.offset_ms(self._around.seed)
        tick_ms = next_tick(clock.now_ms(), interval_ms, offset_ms)
        while True:
            await clock.sleep_until(tick_ms)
            await self.scrape(tick_ms)
            now_ms = clock.now_ms()
            tick_ms, missed = following_tick(tick_ms, now_ms, interval_ms)
            self._around.stats.scrapes_missed += missed
            if tick_ms - now_ms > 2 * interval_ms:  # the clock was set back
                tick_ms = next_tick(now_ms, interval_ms, offset_ms)

    async def scrape(self, tick_ms: float) -> None:
        """Scrape once, and store what came of it."""
        stats, clock = self._around.stats, self._around.clock
        start_ms = clock.now_ms()
        begun_ms = clock.elapsed_ms()
        if self.last_scrape_ms:
            stats.observe_interval(self._interval, (begun_ms - self._begun_ms) / 1000)
        self.last_scrape_ms, self._begun_ms = start_ms, begun_ms
        t_ms = timestamp_ms(tick_ms, start_ms, self.target.interval_ms)
        report = Report(timeout_s=self.target.timeout_ms / 1000)
        stats.scrapes += 1
        try:
            error = await self._attempt(t_ms, report)
            if error:
                report.duration_s = self._since_begun_s()
                self.ingest.store_failure(t_ms, report)
        except StorageError as failure:
            error = f"could not be stored: {failure}"
            log.error("scrape of %s %s", self.target.url, error)
        self.health, self.last_error = ("down", error) if error else ("up", "")
        stats.scrapes_failed += bool(error)
        if error and self._failure_log is not None:
            self._failure_log.write(error, self._job.job_name, self.target.url)
        self.last_duration_s = self._since_begun_s()
        self._around.appended()

    def _since_begun_s(self) -> float:
        return (self._around.clock.elapsed_ms() - self._begun_ms) / 1000

    def _read(self, body: bytes, format_: Format) -> ParsedBody:
        parsed = self._parser.parse(body, format_, self._forms)
        return limited(self._deriver.derive(parsed), self._job)

    async def _attempt(self, t_ms: int, report: Report) -> str:
        """Fetch, parse and store; returns what went wrong, "" if nothing."""
        stats = self._around.stats
        try:
            if self.forced_error:
                raise ScrapeError(self.forced_error)
            fetched = await self._fetcher.fetch(self.target.url, report.timeout_s)
            report.body_bytes = len(fetched.body)
            format_ = format_of(fetched.content_type, self._fallback)
            if len(fetched.body) < LARGE_BODY:
                body = self._read(fetched.body, format_)
            else:
                aside = self._around.aside
                body = await aside.run(lambda: self._read(fetched.body, format_))
                await self.ingest.prepare(body, aside)
            report.duration_s = self._since_begun_s()
            self.ingest.store(t_ms, body, report)
            self.metadata = body.layout.metadata
        except BodyTooLarge as error:
            stats.exceeded_body_size_limit += 1
            report.body_bytes = -1
            return str(error)
        except SampleLimitExceeded as error:
            stats.exceeded_sample_limit += 1
            return str(error)
        except BucketLimitExceeded as error:
            stats.exceeded_bucket_limit += 1
            return str(error)
        except LabelLimitExceeded as error:
            stats.exceeded_label_limits += 1
            return str(error)
        except ExpositionError as error:
            # What came before the bad line is not stored, but counted.
            report.scraped = report.kept = error.samples
            return str(error)
        except ScrapeError as error:
            return str(error)
        except StorageError:
            raise
        except Exception as error:
            # What one target sends must not end its loop, whatever it finds in us.
            log.exception("scrape of %s", self.target.url)
            return f"internal error: {type(error).__name__}"
        return ""
