"""The labels and metadata of a protobuf body: needed once a layout."""

from __future__ import annotations

import numpy as np

from promlab.exposition.family_rows import BUCKET, QUANTILE, SUFFIXES, Index, Metrics, Rows
from promlab.exposition.family_schema import TYPES
from promlab.exposition.label_columns import check_names, repeated_rows
from promlab.exposition.layout import Layout
from promlab.exposition.metadata import TypeRun
from promlab.exposition.strings import canonical
from promlab.model.labels import METRIC_NAME, Codes, LabelTable, Symbols
from promlab.model.metadata import MetricMetadata
from promlab.model.slices import distinct_slices
from promlab.model.wire import BadMessage, Decoded

_BOUNDS = ((BUCKET, "le"), (QUANTILE, "quantile"))


def family_layout(
    raw: bytes, body: Decoded, metrics: Metrics, rows: Rows, symbols: Symbols
) -> Layout:
    """The layout of a body's rows. Raises BadMessage, or ExpositionError, for bad labels."""
    names = _family_names(body)
    columns = _own_labels(raw, body, len(metrics.type), rows.n, symbols)
    columns = {name: codes[rows.metric] for name, codes in columns.items()}
    columns[METRIC_NAME] = _metric_names(names, metrics, rows, symbols)
    for kind, label in _BOUNDS:
        chosen = np.flatnonzero(rows.kind == kind)
        if len(chosen):
            column = columns.setdefault(label, np.zeros(rows.n, np.uint32))
            bounds, inverse = np.unique(rows.bound[chosen], return_inverse=True)
            column[chosen] = symbols.codes(map(canonical, bounds.tolist()))[inverse]
    repeated, of = repeated_rows(np.stack(list(columns.values())))
    table = LabelTable(rows.n, columns, symbols)
    return Layout(table, _metadata(body, names), repeated, of, _runs(body, names, metrics, rows))


def _family_names(body: Decoded) -> list[str]:
    families = body.count("body.family")
    texts = np.array([*body.texts("family.name"), ""], object)
    names: list[str] = texts[body.inside("family.name", families)].tolist()
    if not all(names):
        raise BadMessage("a metric family has no name")
    return names


def _metadata(body: Decoded, names: list[str]) -> dict[str, MetricMetadata]:
    families = len(names)
    types = body.integers("family.type", families).tolist()
    texts = []
    for field in ("family.help", "family.unit"):
        found = np.array([*body.texts(field), ""], object)
        texts.append(found[body.inside(field, families)].tolist())
    each = zip(names, types, *texts, strict=True)
    return {name: MetricMetadata(TYPES[type_], help_, unit) for name, type_, help_, unit in each}


def _runs(body: Decoded, names: list[str], metrics: Metrics, rows: Rows) -> list[TypeRun]:
    types = body.integers("family.type", len(names))
    first = np.searchsorted(metrics.family[rows.metric], np.arange(len(names)))
    each = zip(first.tolist(), types.tolist(), names, strict=True)
    return [TypeRun(row, TYPES[type_], name) for row, type_, name in each]


def _metric_names(names: list[str], metrics: Metrics, rows: Rows, symbols: Symbols) -> Codes:
    """Codes of the rows' metric names: the family's, with the suffix of the row's kind."""
    width = len(SUFFIXES)
    keys, inverse = np.unique(metrics.family[rows.metric] * width + rows.kind, return_inverse=True)
    codes = symbols.codes(names[key // width] + SUFFIXES[key % width] for key in keys.tolist())
    return codes[inverse]


def _own_labels(
    raw: bytes, body: Decoded, metrics: int, rows: int, symbols: Symbols
) -> dict[str, Codes]:
    """The labels that metrics have of themselves: a column over metrics for each name."""
    pairs = body.count("metric.label")
    metric = body.field("metric.label").owners.astype(np.int64)
    name_of = _slice_of(raw, body, "label.name", pairs)
    value_of = _slice_of(raw, body, "label.value", pairs)
    names, values = _texts(raw, body, "label.name"), _texts(raw, body, "label.value")
    if pairs and ((name_of < 0).any() or "" in names or METRIC_NAME in names):
        raise BadMessage("a label has no name, or that of the metric's name")
    check_names(len(names), rows)
    order = np.lexsort((metric, name_of))
    again = (np.diff(name_of[order]) == 0) & (np.diff(metric[order]) == 0)
    if again.any():
        twice = names[int(name_of[order][int(again.argmax())])]
        raise BadMessage(f"a series has the label {twice[:80]!r} twice")
    codes = np.append(symbols.codes(values), np.uint32(0))[value_of]
    columns = {}
    bounds = np.searchsorted(name_of[order], np.arange(len(names) + 1))
    for i, name in enumerate(names):
        mine = order[bounds[i] : bounds[i + 1]]
        columns[name] = np.zeros(metrics, np.uint32)
        columns[name][metric[mine]] = codes[mine]
    return columns


def _slice_of(raw: bytes, body: Decoded, field: str, n: int) -> Index:
    """For each label, the number of its name or value among the distinct ones; -1 for none."""
    found = body.field(field)
    ids, _ = distinct_slices(raw, found.starts, found.ends)
    each = np.full(n, -1, np.int64)
    each[found.owners] = ids
    return each


def _texts(raw: bytes, body: Decoded, field: str) -> list[str]:
    """The distinct texts of a field. Raises BadMessage where one is not UTF-8."""
    found = body.field(field)
    _, firsts = distinct_slices(raw, found.starts, found.ends)
    bounds = zip(found.starts[firsts].tolist(), found.ends[firsts].tolist(), strict=True)
    try:
        return [raw[start:end].decode() for start, end in bounds]
    except UnicodeDecodeError:
        raise BadMessage(f"{field} is not valid UTF-8") from None
