"""Reading protobuf bodies (delimited `MetricFamily` messages) of one target.

Everything is decoded at each scrape, in kernels; labels become strings only where they are
not those of the body before.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from promlab.errors import ExpositionError
from promlab.exposition.exemplars import Exemplar
from promlab.exposition.family_exemplars import read_exemplars
from promlab.exposition.family_histograms import histogram_table
from promlab.exposition.family_labels import family_layout
from promlab.exposition.family_rows import Metrics, Rows, read_metrics, read_rows
from promlab.exposition.family_schema import FAMILIES, GAUGE_HISTOGRAM
from promlab.exposition.layout import Layout
from promlab.exposition.line_kernels import NO_TIME
from promlab.exposition.parsed import ParsedBody
from promlab.model.histograms import HistogramColumn
from promlab.model.labels import Symbols
from promlab.model.wire import BadMessage, Decoded, decode
from promlab.model.wire_kernels import same_slices

_TEXTS = ("family.name", "family.help", "family.unit", "label.name", "label.value")
_OWNED = ("family.metric", "metric.label", "label.name", "label.value", "family.type")


@dataclass(frozen=True, slots=True)
class _Known:
    """A body whose layout is known."""

    body: Decoded
    metrics: Metrics
    rows: Rows
    layout: Layout


class FamilyParser:
    """Reads the bodies of one target; labels are coded by `symbols`."""

    def __init__(self, symbols: Symbols) -> None:
        self._symbols = symbols
        self._known: _Known | None = None

    def parse(self, raw: bytes, *, native: bool, classic: bool) -> ParsedBody:
        """The samples of a body. Raises ExpositionError.

        Without `native` the native form of histograms is left out; with `classic` the classic
        form is read beside it.
        """
        try:
            body = decode(raw, FAMILIES, delimited=True)
            metrics = read_metrics(body)
            rows = read_rows(body, metrics, native=native, classic=classic)
            layout = self._layout(raw, body, metrics, rows)
            histograms = _histograms(body, metrics, rows)
        except BadMessage as error:
            self._known = None
            raise ExpositionError(str(error)) from None
        t_ms = metrics.t_ms[rows.metric]
        timed = bool((t_ms != NO_TIME).any())
        started = bool(rows.start_ms.any())
        return ParsedBody(
            layout,
            rows.values,
            t_ms if timed else None,
            histograms,
            rows.start_ms if started else None,
            lambda: _exemplars(body, metrics, rows),
        )

    def _layout(self, raw: bytes, body: Decoded, metrics: Metrics, rows: Rows) -> Layout:
        known = self._known
        if known is not None and _same(known, body, metrics, rows):
            layout = known.layout
        else:
            layout = family_layout(raw, body, metrics, rows, self._symbols)
        self._known = _Known(body, metrics, rows, layout)
        return layout


def _exemplars(body: Decoded, metrics: Metrics, rows: Rows) -> list[Exemplar]:
    try:
        return read_exemplars(body, metrics, rows)
    except BadMessage as error:
        raise ExpositionError(str(error)) from None


def _histograms(body: Decoded, metrics: Metrics, rows: Rows) -> HistogramColumn | None:
    native = np.flatnonzero(rows.histogram >= 0)
    if not len(native):
        return None
    which, inverse = np.unique(rows.histogram[native], return_inverse=True)
    index = np.full(rows.n, -1, np.int64)
    index[native] = inverse
    metric = body.field("metric.histogram").owners[which]
    table = histogram_table(body, which, metrics.type[metric] == GAUGE_HISTOGRAM)
    return HistogramColumn(table, index)


def _same(known: _Known, body: Decoded, metrics: Metrics, rows: Rows) -> bool:
    """Whether a body has the series of the known one."""
    pairs: list[tuple[npt.NDArray[np.generic], npt.NDArray[np.generic]]] = [
        (rows.metric, known.rows.metric),
        (rows.kind, known.rows.kind),
        (rows.bound.view(np.uint64), known.rows.bound.view(np.uint64)),
        (rows.histogram >= 0, known.rows.histogram >= 0),
        (metrics.type, known.metrics.type),
    ]
    pairs += [(body.field(name).owners, known.body.field(name).owners) for name in _OWNED]
    if not all(np.array_equal(new, old) for new, old in pairs):
        return False
    for name in _TEXTS:
        new, old = body.field(name), known.body.field(name)
        if not np.array_equal(new.owners, old.owners):
            return False
        if not same_slices(body.body, new.starts, new.ends, known.body.body, old.starts, old.ends):
            return False
    return True
