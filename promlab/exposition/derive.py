"""What configuration makes of a body before it is stored.

Classic histograms become native ones with custom buckets, `_created` lines become start
times, type and unit become labels. How, is worked out once a layout; at each scrape the
values only follow.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from promlab.exposition.classic_histograms import ClassicHistograms, find_histograms
from promlab.exposition.exemplars import Exemplar
from promlab.exposition.label_columns import repeated_rows
from promlab.exposition.layout import Layout
from promlab.exposition.parsed import ParsedBody
from promlab.exposition.series_keys import run_names, series_keys
from promlab.model.histograms import HistogramColumn, HistogramTable
from promlab.model.labels import METRIC_NAME, Codes, LabelTable
from promlab.model.metadata import MetricType
from promlab.model.samples import Times, stale_values

Index = npt.NDArray[np.int64]

_STARTED = (MetricType.COUNTER, MetricType.HISTOGRAM, MetricType.SUMMARY)


class Derivation(NamedTuple):
    """What is to be made of bodies."""

    convert_classic: bool = False  # classic histograms become native ones with custom buckets
    keep_classic: bool = False  # and stay beside them
    created_lines: bool = False  # `_created` lines say since when the others count
    type_and_unit: bool = False  # metadata become the labels __type__ and __unit__

    @property
    def is_nothing(self) -> bool:
        """Whether bodies stay as they are."""
        return not (self.convert_classic or self.created_lines or self.type_and_unit)


@dataclass(frozen=True, slots=True)
class _Plan:
    """How bodies of one layout are derived."""

    source: Layout
    native: npt.NDArray[np.bool_] | None  # which rows were native histograms already
    layout: Layout
    kept: Index  # rows that stay, in order
    created: Index  # for each kept row the row that says since when it counts, or -1
    classic: ClassicHistograms  # what becomes the rows behind the kept ones
    new_rows: Index  # for each row of the source, the row it has become, or -1
    converted: Index  # for each row of the source, the row of the histogram it has become, or -1


class Deriver:
    """Derives the bodies of one target."""

    def __init__(self, derivation: Derivation) -> None:
        self._how = derivation
        self._plan: _Plan | None = None

    def derive(self, body: ParsedBody) -> ParsedBody:
        """The body as it is to be stored."""
        if self._how.is_nothing:
            return body
        native = None if body.histograms is None else body.histograms.index >= 0
        plan = self._plan
        if plan is None or plan.source is not body.layout or not _equal(plan.native, native):
            plan = self._plan = _make_plan(body.layout, native, self._how)
        converted, fits = plan.classic.table(body.values)
        values = np.concatenate([body.values[plan.kept], np.zeros(converted.n)])
        # One that contradicts itself is no sample.
        values[len(plan.kept) :][~fits] = stale_values(int((~fits).sum()))
        return ParsedBody(
            plan.layout,
            values,
            _with_converted(body.t_ms, plan),
            _histograms(body, plan, converted, fits),
            _start_ms(body, plan),
            lambda: _exemplars(body, plan),
        )


def _equal(a: npt.NDArray[np.bool_] | None, b: npt.NDArray[np.bool_] | None) -> bool:
    return (a is b) or (a is not None and b is not None and np.array_equal(a, b))


def _make_plan(layout: Layout, native: npt.NDArray[np.bool_] | None, how: Derivation) -> _Plan:
    labels = _with_type_and_unit(layout) if how.type_and_unit else layout.labels
    n = layout.n
    staying = np.ones(n, np.bool_)
    created = np.full(n, -1, np.int64)
    keys = series_keys(layout)
    if how.created_lines:
        created = _created_rows(layout, keys)
        staying[_created_lines(layout)] = False
    classic = find_histograms(layout, keys, native) if how.convert_classic else _NO_HISTOGRAMS
    if not how.keep_classic:
        staying[classic.members] = False
    kept = np.flatnonzero(staying)
    table = _joined(labels, kept, classic)
    repeated, of = repeated_rows(np.stack([*table.columns.values(), np.zeros(table.n, np.uint32)]))
    new_rows = np.full(n, -1, np.int64)
    new_rows[kept] = np.arange(len(kept))
    converted = np.full(n, -1, np.int64)
    converted[classic.members] = len(kept) + classic.histogram_of_member
    created = np.concatenate([created[kept], created[classic.example]])
    derived = Layout(table, layout.metadata, repeated, of)
    return _Plan(layout, native, derived, kept, created, classic, new_rows, converted)


def _with_type_and_unit(layout: Layout) -> LabelTable:
    """The labels with `__type__` and `__unit__` where they are known."""
    symbols, n = layout.labels.symbols, layout.n
    types, units = np.zeros(n, np.uint32), np.zeros(n, np.uint32)
    for run, rows in layout.families():
        known = layout.metadata[run.family]
        if known.type is not MetricType.UNKNOWN:
            types[rows] = symbols.code(known.type.value)
        units[rows] = symbols.code(known.unit)
    return layout.labels.replace("__type__", types).replace("__unit__", units)


def _created_lines(layout: Layout) -> Index:
    """Rows that say since when others count."""
    found = np.zeros(layout.n, np.bool_)
    for rows, names in run_names(layout, *_STARTED):
        found[rows] = names.ends("_created")
    return np.flatnonzero(found)


def _created_rows(layout: Layout, keys: Index) -> Index:
    """For each row, the row that says since when it counts, or -1."""
    lines = _created_lines(layout)
    of_key = np.full(int(keys.max(initial=-1)) + 1, -1, np.int64)
    of_key[keys[lines]] = lines
    return of_key[keys]


def _joined(labels: LabelTable, kept: Index, classic: ClassicHistograms) -> LabelTable:
    """Labels of the kept rows, then of the converted histograms."""
    if not len(classic.example):
        return labels.take(kept)
    columns: dict[str, Codes] = {}
    for name, codes in labels.columns.items():
        own = codes[classic.example]
        if name == "le":
            own = np.zeros_like(own)
        elif name == METRIC_NAME:
            own = classic.names
        columns[name] = np.concatenate([codes[kept], own])
    return LabelTable(len(kept) + len(classic.example), columns, labels.symbols)


def _with_converted(times: Times | None, plan: _Plan) -> Times | None:
    if times is None:
        return None
    converted = times[plan.classic.example]
    return np.concatenate([times[plan.kept], converted])


def _histograms(
    body: ParsedBody, plan: _Plan, converted: HistogramTable, fits: npt.NDArray[np.bool_]
) -> HistogramColumn | None:
    own = body.histograms
    if own is None and not converted.n:
        return None
    index = np.full(plan.layout.n, -1, np.int64)
    table = converted
    if own is not None:
        index[: len(plan.kept)] = own.index[plan.kept]
        table = HistogramTable.stack([own.table, converted])
    before = own.table.n if own is not None else 0
    index[len(plan.kept) :] = np.where(fits, before + np.arange(converted.n), -1)
    return HistogramColumn(table, index)


def _start_ms(body: ParsedBody, plan: _Plan) -> Times | None:
    start_ms = _with_converted(body.start_ms, plan)
    if (plan.created >= 0).any():
        with np.errstate(invalid="ignore"):
            seconds = body.values * 1000.0
        known = np.append(np.where(np.abs(seconds) < 9.2e18, seconds, 0.0), 0.0)
        told = known.astype(np.int64)[plan.created]
        start_ms = told if start_ms is None else np.where(told != 0, told, start_ms)
    return start_ms


def _exemplars(body: ParsedBody, plan: _Plan) -> list[Exemplar]:
    found = []
    for exemplar in body.exemplars():
        for rows in (plan.new_rows, plan.converted):
            row = int(rows[exemplar.row])
            if row >= 0:
                found.append(exemplar._replace(row=row))
    return found


_NO_HISTOGRAMS = ClassicHistograms.none()
