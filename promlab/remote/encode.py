"""Batches of series as the messages that other servers read: remote write 1.0 and 2.0."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from promlab.model.histograms import HistogramColumn, HistogramTable
from promlab.model.labels import METRIC_NAME, LabelTable
from promlab.model.samples import Times, Values
from promlab.model.wire import block_bytes, varint_bytes

Index = npt.NDArray[np.int64]
V1, V2 = 1, 2
_TIMESERIES = {V1: 1, V2: 5}
_EXEMPLARS = {V1: 3, V2: 4}
_SYMBOLS, _METADATA = 4, 3
# Series of a family that is known by another name than theirs.
_SUFFIXES = {"total", "created", "bucket", "sum", "count", "info"}
_TYPES = (
    "unknown", "counter", "gauge", "histogram", "gaugehistogram", "summary", "info", "stateset",
)  # fmt: skip
_KINDS = {kind: i for i, kind in enumerate(_TYPES)}
Family = tuple[str, str, str, str]  # name, type, help, unit


class SeriesSamples(NamedTuple):
    """Samples of n series: series s has those from offsets[s] to offsets[s + 1]."""

    labels: LabelTable
    offsets: Index
    t_ms: Times
    values: Values
    histograms: HistogramColumn | None = None
    start_ms: Times | None = None  # since when each counts, 0 where unknown; 2.0 only

    @property
    def sample_count(self) -> int:
        """Number of samples."""
        return int(self.offsets[-1])


def write_request(
    samples: SeriesSamples, version: int = V1, families: Mapping[str, Family] = MappingProxyType({})
) -> bytes:
    """A WriteRequest, or a Request of version 2.0: there what series are comes with each."""
    if version == V1:
        return timeseries(samples, _TIMESERIES[V1])
    texts, cells, names = _symbol_table(samples.labels)
    metadata = _metadata(samples.labels, families, texts) if families else None
    symbols = b"".join(block_bytes(_SYMBOLS, text) for text in texts)
    return symbols + _encoded(samples, _TIMESERIES[V2], V2, cells, names, b"", b"", None, metadata)


def _metadata(labels: LabelTable, families: Mapping[str, Family], texts: list[bytes]) -> Index:
    """Type, help and unit of each series, the last two as references to texts. i64[n, 3]"""
    distinct, which = np.unique(labels.column(METRIC_NAME), return_inverse=True)
    known = {text: i for i, text in enumerate(texts)}
    found = np.zeros((len(distinct), 3), np.int64)
    for row, name in enumerate(labels.symbols.texts(distinct)):
        stem, _, suffix = name.rpartition("_")
        family = families.get(name) or (families.get(stem) if suffix in _SUFFIXES else None)
        if family is None:
            continue
        _, kind, *words = family
        found[row, 0] = _KINDS.get(kind, 0)
        for column, word in enumerate(words, 1):
            encoded = word.encode()
            if encoded not in known:
                known[encoded] = len(texts)
                texts.append(encoded)
            found[row, column] = known[encoded]
    return np.ascontiguousarray(found[which])


def metadata_request(families: Sequence[Family]) -> bytes:
    """A WriteRequest of version 1.0 that says what metric families are."""
    found = []
    for name, kind, help_, unit in families:
        parts = [b"\x08" + varint_bytes(_KINDS.get(kind, 0))]
        texts = ((2, name), (4, help_), (5, unit))
        parts += [block_bytes(number, text.encode()) for number, text in texts if text]
        found.append(block_bytes(_METADATA, b"".join(parts)))
    return b"".join(found)


def timeseries(samples: SeriesSamples, field: int) -> bytes:
    """TimeSeries of version 1.0 as this field: in write requests and answers to remote reads."""
    names = sorted(samples.labels.columns)
    distinct, cells = _dense(samples.labels, names)
    texts = [text.encode() for text in samples.labels.symbols.texts(distinct)]
    encoded = [name.encode() for name in names]
    return _encoded(
        samples, field, V1, cells, _ends(encoded), b"".join(encoded), b"".join(texts), _ends(texts)
    )


def _dense(labels: LabelTable, names: Sequence[str]) -> tuple[Index, npt.NDArray[np.uint32]]:
    """Distinct codes, the empty text first, and the columns in terms of them."""
    if not names:
        return np.zeros(1, np.int64), np.zeros((0, labels.n), np.uint32)
    cells = np.stack([labels.columns[name] for name in names])
    distinct, which = np.unique(np.append(cells.reshape(-1), np.uint32(0)), return_inverse=True)
    return distinct.astype(np.int64), which[:-1].reshape(cells.shape).astype(np.uint32)


def _symbol_table(labels: LabelTable) -> tuple[list[bytes], npt.NDArray[np.uint32], Index]:
    """Texts of version 2.0, the empty one first; cells and names as references to them."""
    names = sorted(labels.columns)
    distinct, cells = _dense(labels, names)
    texts = [text.encode() for text in labels.symbols.texts(distinct)]
    known = {text: i for i, text in enumerate(texts)}
    refs = []
    for name in names:
        encoded = name.encode()
        if encoded not in known:
            known[encoded] = len(texts)
            texts.append(encoded)
        refs.append(known[encoded])
    return texts, cells, np.array(refs, np.int64)


def _ends(texts: Sequence[bytes]) -> Index:
    return np.cumsum([0, *map(len, texts)]).astype(np.int64)


def _encoded(
    samples: SeriesSamples,
    field: int,
    version: int,
    cells: npt.NDArray[np.uint32],
    names_at: Index,
    names: bytes,
    texts: bytes,
    texts_at: Index | None,
    metadata: Index | None = None,
) -> bytes:
    from promlab.remote.encode_kernels import encode_series

    n = samples.labels.n
    column = samples.histograms
    table = HistogramTable.empty() if column is None else column.table
    index = np.full(samples.sample_count, -1, np.int64) if column is None else column.index
    smalls = np.stack([table.schema, table.hint, table.custom]).astype(np.int64)
    floats = np.stack([table.zero_threshold, table.zero_count, table.count, table.sum])
    bounds = [np.array(each, np.float64) for each in table.bounds]
    arguments = (
        field,
        version,
        np.arange(n),
        np.ascontiguousarray(cells),
        _bytes(names),
        names_at,
        _bytes(texts),
        np.zeros(1, np.int64) if texts_at is None else texts_at,
        np.ascontiguousarray(samples.offsets, np.int64),
        np.ascontiguousarray(samples.t_ms, np.int64),
        np.ascontiguousarray(_starts(samples, version), np.int64),
        np.ascontiguousarray(samples.values, np.float64),
        np.zeros((samples.labels.n, 3), np.int64) if metadata is None else metadata,
        np.ascontiguousarray(index, np.int64),
        smalls,
        np.ascontiguousarray(floats),
        table.positive.offsets,
        table.positive.indices.astype(np.int64),
        table.positive.counts,
        table.negative.offsets,
        table.negative.indices.astype(np.int64),
        table.negative.counts,
        np.concatenate([np.zeros(0), *bounds]),
        np.cumsum([0, *map(len, bounds)]).astype(np.int64),
    )
    size = int(encode_series(np.zeros(1, np.uint8), *arguments, False))
    out = np.zeros(size, np.uint8)
    encode_series(out, *arguments, True)
    return out.tobytes()


def _starts(samples: SeriesSamples, version: int) -> Times:
    if version == V1 or samples.start_ms is None:
        return np.zeros(samples.sample_count, np.int64)
    return samples.start_ms


def exemplars_request(
    series: Sequence[Mapping[str, str]],
    own: Sequence[Mapping[str, str]],
    t_ms: Times,
    values: Values,
    version: int,
) -> bytes:
    """A request with exemplars alone, each with its series; they are few."""
    texts: dict[str, int] = {"": 0}

    def labels(found: Mapping[str, str]) -> bytes:
        pairs = sorted(found.items())
        if version == V1:
            blocks = [block_bytes(1, n.encode()) + block_bytes(2, v.encode()) for n, v in pairs]
            return b"".join(block_bytes(1, block) for block in blocks)
        refs = [texts.setdefault(text, len(texts)) for pair in pairs for text in pair]
        return block_bytes(1, b"".join(map(varint_bytes, refs)))

    parts = []
    for i in range(len(t_ms)):
        content = labels(own[i]) + b"\x11" + struct.pack("<d", float(values[i]))
        content += b"\x18" + varint_bytes(int(t_ms[i]))
        message = labels(series[i]) + block_bytes(_EXEMPLARS[version], content)
        parts.append(block_bytes(_TIMESERIES[version], message))
    symbols = [block_bytes(_SYMBOLS, text.encode()) for text in texts] if version == V2 else []
    return b"".join(symbols + parts)


def _bytes(text: bytes) -> npt.NDArray[np.uint8]:
    return np.frombuffer(text, np.uint8) if text else np.zeros(0, np.uint8)
