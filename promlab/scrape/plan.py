"""Where each sample of a body goes: worked out once a layout, then only followed.

A target's row begins with the series about the scrape itself (`up` and the like); then come
its own series, each once. Lines with timestamps of their own do not fit a row, and are kept
apart as loose samples.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from promlab.config.scrape import ScrapeConfig
from promlab.errors import ScrapeError
from promlab.exposition.body_parser import NO_TIME
from promlab.exposition.layout import Layout
from promlab.model.labels import METRIC_NAME, LabelTable, Symbols
from promlab.model.samples import Times, Values
from promlab.model.storage import Appender, Refs, SeriesGroup, Slots
from promlab.scrape.labels import Rows, check_limits, check_names, final_labels

REPORT = (
    "up",
    "scrape_duration_seconds",
    "scrape_samples_scraped",
    "scrape_samples_post_metric_relabeling",
    "scrape_series_added",
)
NO_REF = np.uint64(0xFFFF_FFFF_FFFF_FFFF)
EXTRA_REPORT = ("scrape_timeout_seconds", "scrape_sample_limit", "scrape_body_size_bytes")


class SampleLimitExceeded(ScrapeError):
    """The target sent more samples than it may."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What of a layout is stored: final labels, and the rows of the body they come from."""

    layout: Layout
    labels: LabelTable
    rows: Rows


def select(layout: Layout, target: Mapping[str, str], job: ScrapeConfig) -> Selection:
    """Labels of a new layout, checked. Raises ScrapeError where names or limits forbid it."""
    labels, rows = final_labels(layout.labels, target, job)
    check_names(labels, job.limits.metric_name_validation_scheme)
    check_limits(labels, job.limits)
    return Selection(layout, labels, rows)


def report_labels(
    names: tuple[str, ...], target: Mapping[str, str], symbols: Symbols
) -> LabelTable:
    """Labels of the series about a scrape."""
    return LabelTable.from_dicts([{**target, METRIC_NAME: name} for name in names], symbols)


@dataclass(slots=True)
class Plan:
    """How to store bodies of one layout whose lines with timestamps are the same ones."""

    selection: Selection
    timed: npt.NDArray[np.bool_] | None  # which selected lines have a timestamp; None for none
    slots: Slots  # of the report, then of each row in `rows`
    rows: Rows  # row of the body for each of these
    values: Values  # the row to append, reused
    refs: Refs  # of the loose samples
    loose_rows: Rows
    duplicates: int
    _row_refs: Refs | None = None

    def fits(self, layout: Layout, t_ms: Times | None) -> bool:
        """Whether a body can be stored this way."""
        if layout is not self.selection.layout:
            return False
        if t_ms is None or self.timed is None:
            return t_ms is None and self.timed is None
        return bool(np.array_equal(t_ms[self.selection.rows] != NO_TIME, self.timed))

    def row_refs(self, group: SeriesGroup) -> Refs:
        """Reference of the series of each row of the body, NO_REF where it has none."""
        if self._row_refs is None:
            found = np.full(self.selection.layout.n, NO_REF, np.uint64)
            found[self.loose_rows] = self.refs
            found[self.rows] = group.refs(self.slots[len(self.slots) - len(self.rows) :])
            self._row_refs = found
        return self._row_refs


def _distinct(table: LabelTable, enough: int) -> int:
    """Number of different label sets, counted only where it may be more than `enough`.

    Before anything is registered: a target beyond its limit must not leave series behind.
    """
    if table.n <= enough:
        return table.n
    codes = np.stack([table.columns[name] for name in sorted(table.columns)], axis=1)
    return len(np.unique(codes, axis=0))


def keep_known(selection: Selection, known: LabelTable | None, limit: int) -> Selection:
    """The selection cut down to `limit` series: known ones first, then the first new ones."""
    table = selection.labels
    if _distinct(table, limit) <= limit:
        return selection
    own, before = _numbered(table, known)
    is_new = np.ones(table.n, np.bool_)
    if before is not None:
        is_new = ~np.isin(own, before)
    order = np.argsort(is_new, kind="stable")
    _, first = np.unique(own[order], return_index=True)
    kept = np.sort(order[np.sort(first)[:limit]])
    return Selection(selection.layout, table.take(kept), selection.rows[kept])


def _numbered(
    table: LabelTable, other: LabelTable | None
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64] | None]:
    """A number for each label set of both tables, the same for the same one."""
    tables = [table] if other is None else [table, other]
    names = sorted({name for each in tables for name in each.columns})
    codes = [np.stack([each.column(name) for name in names], axis=1) for each in tables]
    _, numbers = np.unique(np.concatenate(codes), axis=0, return_inverse=True)
    numbers = numbers.reshape(-1).astype(np.int64)
    return numbers[: table.n], None if other is None else numbers[table.n :]


def check_sample_limit(table: LabelTable, limit: int) -> None:
    """Raises SampleLimitExceeded for more different label sets than the limit, if there is one."""
    if limit and _distinct(table, limit) > limit:
        raise SampleLimitExceeded("sample limit exceeded")


def make_plan(
    selection: Selection,
    t_ms: Times | None,
    report: Slots,
    group: SeriesGroup,
    appender: Appender,
    sample_limit: int,
) -> Plan:
    """Work out a plan. Raises SampleLimitExceeded."""
    check_sample_limit(selection.labels, sample_limit)
    timed = None if t_ms is None else t_ms[selection.rows] != NO_TIME
    table, rows = selection.labels, selection.rows
    refs, loose_rows = np.zeros(0, np.uint64), rows[:0]
    if timed is not None:
        untimed = np.flatnonzero(~timed)
        loose = np.flatnonzero(timed)
        refs, loose_rows = appender.refs(table.take(loose)), rows[loose]
        table, rows = table.take(untimed), rows[untimed]
    slots = np.concatenate([report, group.slots(table)]).astype(np.uint32)
    # Of lines that mean the same series the first counts; nothing may pose as the report.
    first = np.arange(len(slots))
    if not (slots[1:] > slots[:-1]).all():
        _, first = np.unique(slots, return_index=True)
        first.sort()
    duplicates = len(slots) - len(first)
    kept = first[len(report) :] - len(report)
    values = np.zeros(len(first))
    return Plan(selection, timed, slots[first], rows[kept], values, refs, loose_rows, duplicates)
