"""Storing what a target sends: one row a scrape, and staleness markers for what is gone.

As long as a target sends the same series, a scrape is one gather and one append. What a
series needs once (labels, slots, limits) is done when the layout changes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from promlab.config.scrape import ScrapeConfig
from promlab.exposition.layout import Layout
from promlab.exposition.parsed import ParsedBody
from promlab.model.labels import LabelTable
from promlab.model.samples import Times, Values, stale_values
from promlab.model.storage import (
    NO_EXTRAS,
    Appender,
    AppendOutcome,
    ExemplarOutcome,
    Refs,
    SampleExtras,
    Slots,
)
from promlab.scrape.aside import Aside
from promlab.scrape.extras import Exemplars, ZeroSamples, extras_of
from promlab.scrape.labels import Rows
from promlab.scrape.metrics import ScrapeStats
from promlab.scrape.plan import (
    EXTRA_REPORT,
    REPORT,
    Plan,
    Selection,
    check_sample_limit,
    keep_known,
    make_plan,
    report_labels,
    select,
)

# Samples that claim to be from further in the future are refused.
AHEAD_MS = 600_000
START_STORAGE, ZERO_INGESTION = "st-storage", "created-timestamp-zero-ingestion"
EXEMPLARS = "exemplar-storage"
_SLICE = 1 << 14  # series registered between two looks at other targets
_NO_SLOTS: Slots = np.zeros(0, np.uint32)
_NO_REFS: Refs = np.zeros(0, np.uint64)


def _without(slots: Slots, others: Slots) -> Slots:
    """Those of some distinct slots that are not among others."""
    found: Slots = np.setdiff1d(slots, others, assume_unique=True)
    return found


@dataclass(slots=True)
class Report:
    """What the series about a scrape will say."""

    duration_s: float = 0.0
    scraped: int = 0
    kept: int = 0
    added: int = 0
    timeout_s: float = 0.0
    body_bytes: int = 0  # -1 where the limit was exceeded


class TargetIngest:
    """Stores the scrapes of one target. `labels` are the target's.

    Start times, zeros at them, and exemplars are stored where `features` name them.
    """

    def __init__(
        self,
        appender: Appender,
        labels: Mapping[str, str],
        job: ScrapeConfig,
        stats: ScrapeStats,
        features: frozenset[str] = frozenset(),
    ) -> None:
        self._appender, self._labels, self._stats = appender, labels, stats
        self._starts = START_STORAGE in features
        self._zeros = ZeroSamples(appender) if ZERO_INGESTION in features else None
        self._exemplars = Exemplars(appender) if EXEMPLARS in features else None
        self._group = appender.open_group(labels)
        self._plan: Plan | None = None
        self._selection: Selection | None = None
        self._known_labels: LabelTable | None = None  # what a sample limit spares
        self._live = _NO_SLOTS  # slots whose last sample is a value
        self._known = _NO_SLOTS  # slots of the last scrape that worked
        self._live_refs = _NO_REFS
        self._known_refs = _NO_REFS
        self._ended = False  # by a failed scrape
        self._report_slots = _NO_SLOTS
        self.configure(job)

    def configure(self, job: ScrapeConfig) -> None:
        """Go on under another configuration of the same job."""
        self._job = job
        self._plan = self._selection = None
        names = REPORT + EXTRA_REPORT if job.limits.extra_scrape_metrics else REPORT
        before, self._report_width = self._report_slots, len(names)
        table = report_labels(names, self._labels, self._appender.symbols)
        self._report_slots = self._group.slots(table)
        # A series about scrapes that is not written any more ends like any other.
        self._live = np.union1d(self._live, np.setdiff1d(before, self._report_slots))

    def store(self, t_ms: int, body: ParsedBody, report: Report) -> None:
        """Store a scrape. Raises ScrapeError, with nothing stored, if a limit forbids it."""
        layout = body.layout
        times = body.t_ms if self._job.honor_timestamps else None
        report.scraped = layout.n
        plan = self._plan
        if plan is not None and plan.fits(layout, times):
            report.kept, report.added = plan.selection.labels.n, 0
            if self._ended:
                self._revive(plan)
            self._store_zeros(t_ms, plan, body)
            self._append_row(t_ms, plan, body, report, plan.slots, plan.values)
        else:
            plan = self._replan(body, times, report)
            self._store_zeros(t_ms, plan, body)
            self._store_changed(t_ms, plan, body, report)
        self._stats.sample_duplicate += plan.duplicates
        if times is not None and len(plan.loose_rows):
            self._append_loose(t_ms, plan, body, times)
        if self._exemplars is not None:
            self._count_exemplars(self._exemplars.store(t_ms, body, plan.row_refs(self._group)))

    async def prepare(self, body: ParsedBody, aside: Aside) -> None:
        """Do ahead of `store` what takes long for a large body that is new, a piece at a time.

        Between pieces other targets are scraped. `aside` runs what touches nothing of ours in
        a thread. Raises ScrapeError if a limit forbids the body: nothing is registered then.
        """
        layout = body.layout
        if self._selection is not None and self._selection.layout is layout:
            return
        limits = self._job.limits
        selection = await aside.run(lambda: self._checked(layout))
        if limits.sample_limit and limits.sample_limit_action == "keep_known":
            return  # few enough are left
        self._selection = selection
        labels = selection.labels
        for at in range(0, labels.n, _SLICE):
            rows = slice(at, min(at + _SLICE, labels.n))
            columns = {name: codes[rows] for name, codes in labels.columns.items()}
            self._appender.refs(LabelTable(rows.stop - at, columns, labels.symbols))
            await asyncio.sleep(0)

    def _checked(self, layout: Layout) -> Selection:
        selection = select(layout, self._labels, self._job)
        limits = self._job.limits
        if limits.sample_limit_action != "keep_known":
            check_sample_limit(selection.labels, limits.sample_limit)
        return selection

    def _store_zeros(self, t_ms: int, plan: Plan, body: ParsedBody) -> None:
        if self._zeros is not None and body.start_ms is not None:
            self._zeros.store(t_ms, body, plan.row_refs(self._group))

    def _count_exemplars(self, outcome: ExemplarOutcome) -> None:
        self._stats.exemplar_out_of_order += outcome.out_of_order

    def _replan(self, body: ParsedBody, times: Times | None, report: Report) -> Plan:
        self._stats.layout_changes += 1
        selection = self._selection
        if selection is None or selection.layout is not body.layout:
            selection = select(body.layout, self._labels, self._job)
        limits = self._job.limits
        limit = limits.sample_limit
        if limit and limits.sample_limit_action == "keep_known":
            whole = selection.labels.n
            selection = keep_known(selection, self._known_labels, limit)
            self._stats.cut_to_sample_limit += selection.labels.n < whole
            self._known_labels = selection.labels
        report.kept = selection.labels.n
        self._selection = selection
        return make_plan(selection, times, self._report_slots, self._group, self._appender, limit)

    def _store_changed(self, t_ms: int, plan: Plan, body: ParsedBody, report: Report) -> None:
        """Store the first scrape of a plan: count what is new, end what is gone."""
        own = plan.slots[self._report_width :]
        report.added = int(
            len(_without(own, self._known)) + len(np.setdiff1d(plan.refs, self._known_refs))
        )
        gone = _without(self._live, own)
        slots, values = plan.slots, plan.values
        if len(gone):
            slots = np.concatenate([slots, gone])
            values = np.concatenate([values, stale_values(len(gone))])
        self._append_row(t_ms, plan, body, report, slots, values)
        self._end_refs(t_ms, np.setdiff1d(self._live_refs, plan.refs))
        self._plan, self._known, self._known_refs = plan, own, plan.refs
        self._revive(plan)

    def _revive(self, plan: Plan) -> None:
        """Remember which series have to be ended some day."""
        self._ended = False
        self._live = plan.slots[self._report_width :]
        self._live_refs = plan.refs if self._job.track_timestamps_staleness else _NO_REFS

    def _append_row(
        self, t_ms: int, plan: Plan, body: ParsedBody, report: Report, slots: Slots, values: Values
    ) -> None:
        width = self._report_width
        self._write_report(values, 1.0, report)
        n = len(plan.rows)
        body.values.take(plan.rows, out=values[width : width + n], mode="clip")
        extras = self._extras(body, plan.rows, width, len(slots) - width - n)
        self._count(self._group.append(t_ms, slots, values, extras))

    def _extras(
        self, body: ParsedBody, rows: Rows, before: int = 0, behind: int = 0
    ) -> SampleExtras:
        if body.histograms is None and (body.start_ms is None or not self._starts):
            return NO_EXTRAS
        return extras_of(body, rows, before=before, behind=behind, starts=self._starts)

    def _write_report(self, values: Values, up: float, report: Report) -> None:
        values[0] = up
        values[1] = report.duration_s
        values[2] = report.scraped
        values[3] = report.kept
        values[4] = report.added
        if self._report_width > len(REPORT):
            values[5] = report.timeout_s
            values[6] = self._job.limits.sample_limit
            values[7] = report.body_bytes

    def _append_loose(self, t_ms: int, plan: Plan, body: ParsedBody, times: Times) -> None:
        rows, refs = plan.loose_rows, plan.refs
        fits = times[rows] <= t_ms + AHEAD_MS
        if not fits.all():
            self._stats.sample_out_of_bounds += int((~fits).sum())
            rows, refs = rows[fits], refs[fits]
        extras = self._extras(body, rows)
        self._count(self._appender.append_loose(refs, times[rows], body.values[rows], extras))

    def store_failure(self, t_ms: int, report: Report) -> None:
        """Store that a scrape failed: `up` is 0, and every series of the target ends."""
        gone = self._live
        values = np.concatenate([np.zeros(self._report_width), stale_values(len(gone))])
        self._write_report(values, 0.0, report)
        slots = np.concatenate([self._report_slots, gone]) if len(gone) else self._report_slots
        self._count(self._group.append(t_ms, slots, values))
        self._end_refs(t_ms, self._live_refs)
        self._live, self._live_refs = _NO_SLOTS, _NO_REFS
        self._ended = True

    def end(self, t_ms: int) -> None:
        """The target is gone: end all its series, those about its scrapes too."""
        slots = np.concatenate([self._report_slots, self._live])
        self._count(self._group.append(t_ms, slots, stale_values(len(slots))))
        self._end_refs(t_ms, self._live_refs)
        self.close()

    def close(self) -> None:
        """Nothing more is stored; series are not ended."""
        self._group.close()

    def _end_refs(self, t_ms: int, refs: Refs) -> None:
        if len(refs):
            times = np.full(len(refs), t_ms, np.int64)
            self._count(self._appender.append_loose(refs, times, stale_values(len(refs))))

    def _count(self, outcome: AppendOutcome) -> None:
        stats = self._stats
        stats.sample_duplicate += outcome.duplicate
        stats.sample_out_of_order += outcome.out_of_order
        stats.sample_out_of_bounds += outcome.too_old
        if outcome.duplicate or outcome.out_of_order or outcome.too_old:
            job, instance = (self._labels.get(name, "") for name in ("job", "instance"))
            stats.refusals.note(f"job {job!r}, instance {instance!r}", outcome)
