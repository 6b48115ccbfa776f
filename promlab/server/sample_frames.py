"""Samples with their labels on the channel: what rules and OTLP requests hand to the writer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from promlab.model.labels import LabelTable, Symbols
from promlab.model.samples import Times, Values
from promlab.model.storage import NO_EXTRAS, ExemplarBatch, Refs, SampleExtras
from promlab.server.channel import Columns
from promlab.server.write_columns import histogram_columns, label_columns, labels_from


class RowExemplar(Protocol):
    """An exemplar of the sample in `row`."""

    @property
    def row(self) -> int:
        """Number of the sample."""

    @property
    def labels(self) -> Mapping[str, str]:
        """The exemplar's own labels."""

    @property
    def value(self) -> float:
        """What it observed."""

    @property
    def t_ms(self) -> int:
        """When."""


class Frame(NamedTuple):
    """A body and the columns that go with it."""

    body: dict[str, Any]
    columns: dict[str, Any]


def sample_frame(
    labels: LabelTable,
    t_ms: Times,
    values: Values,
    extras: SampleExtras = NO_EXTRAS,
    exemplars: Sequence[RowExemplar] = (),
) -> Frame:
    """One sample for each row of the labels, and exemplars of some."""
    body, columns = label_columns(labels)
    columns |= {"t_ms": t_ms, "values": values}
    if extras.start_ms is not None:
        columns["start_ms"] = extras.start_ms
    if extras.histograms is not None:
        more, body["bounds"] = histogram_columns(extras.histograms.table)
        columns |= more | {"h_index": extras.histograms.index}
    if exemplars:
        ordered = sorted(exemplars, key=lambda e: (e.row, e.t_ms, e.value))
        table = LabelTable.from_dicts([e.labels for e in ordered], Symbols())
        body["exemplars"], more = label_columns(table, "e_label_")
        columns |= more
        columns["e_rows"] = np.array([e.row for e in ordered], np.int64)
        columns["e_t_ms"] = np.array([e.t_ms for e in ordered], np.int64)
        columns["e_values"] = np.array([e.value for e in ordered], np.float64)
    return Frame(body, columns)


def frame_exemplars(body: Any, columns: Columns, refs: Refs) -> ExemplarBatch | None:
    """The exemplars of a frame, whose samples have these references; None for none."""
    rows = columns.get("e_rows")
    if rows is None:
        return None
    labels = labels_from(body["exemplars"], columns, len(rows), "e_label_")
    return ExemplarBatch(refs[rows], columns["e_t_ms"], columns["e_values"], labels)
