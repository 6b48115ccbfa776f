"""Samples with all that comes beside them, as columns between the server's processes."""

from __future__ import annotations

from typing import Any

import numpy as np

from promlab.model.histograms import Buckets, HistogramColumn, HistogramTable
from promlab.model.labels import LabelTable, Symbols
from promlab.model.storage import ExemplarBatch, SampleExtras
from promlab.server.channel import Columns


def histogram_columns(table: HistogramTable) -> tuple[dict[str, Any], list[tuple[float, ...]]]:
    """A table as columns, and its custom bounds."""
    columns = {
        "h_schema": table.schema.astype(np.int32),
        "h_threshold": table.zero_threshold,
        "h_zero": table.zero_count,
        "h_count": table.count,
        "h_sum": table.sum,
        "h_hint": table.hint.astype(np.int32),
        "h_custom": table.custom,
    }
    for side, buckets in (("p", table.positive), ("n", table.negative)):
        for name, column in zip(("offsets", "indices", "counts"), buckets, strict=True):
            columns[f"h_{side}_{name}"] = column
    return columns, list(table.bounds)


def sample_extras(body: Any, columns: Columns) -> SampleExtras:
    """What comes beside samples, from the columns of a request."""
    histograms = None
    if "h_index" in columns:
        positive, negative = (
            Buckets(*(columns[f"h_{side}_{name}"] for name in ("offsets", "indices", "counts")))
            for side in "pn"
        )
        table = HistogramTable(
            columns["h_schema"].astype(np.int8),
            columns["h_threshold"],
            columns["h_zero"],
            columns["h_count"],
            columns["h_sum"],
            columns["h_hint"].astype(np.int8),
            positive,
            negative,
            columns["h_custom"],
            tuple(tuple(bounds) for bounds in body["bounds"]),
        )
        histograms = HistogramColumn(table, columns["h_index"])
    return SampleExtras(histograms, columns.get("start_ms"))


def label_columns(labels: LabelTable, prefix: str = "") -> tuple[dict[str, Any], dict[str, Any]]:
    """Label sets as a body and columns."""
    names = list(labels.columns)
    texts = Symbols()
    columns = {}
    for i, name in enumerate(names):
        distinct, inverse = np.unique(labels.columns[name], return_inverse=True)
        columns[f"{prefix}{i}"] = texts.codes(labels.symbols.texts(distinct))[inverse]
    return {"names": names, "texts": texts.texts(np.arange(len(texts)))}, columns


def labels_from(body: Any, columns: Columns, n: int, prefix: str = "") -> LabelTable:
    """The label sets of a request."""
    codes = {name: columns[f"{prefix}{i}"] for i, name in enumerate(body["names"])}
    return LabelTable(n, codes, Symbols(body["texts"][1:]))


def exemplar_batch(body: Any, columns: Columns) -> ExemplarBatch | None:
    """The exemplars of a request, if it has some."""
    if "e_refs" not in columns:
        return None
    refs = columns["e_refs"]
    labels = labels_from(body["exemplars"], columns, len(refs), "e_label_")
    return ExemplarBatch(refs, columns["e_t_ms"], columns["e_values"], labels)
