"""Batches of series as the messages that other servers read: remote write 1.0 and 2.0."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from promlab.model.histograms import HistogramColumn, HistogramTable
from promlab.model.labels import LabelTable
from promlab.model.samples import Times, Values
from promlab.model.wire import block_bytes, varint_bytes

Index = npt.NDArray[np.int64]
V1, V2 = 1, 2
_TIMESERIES = {V1: 1, V2: 5}
_SYMBOLS, _METADATA = 4, 3
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

    @property
    def sample_count(self) -> int:
        """Number of samples."""
        return int(self.offsets[-1])


def write_request(samples: SeriesSamples, version: int = V1) -> bytes:
    """A WriteRequest, or a Request of version 2.0."""
    if version == V1:
        return timeseries(samples, _TIMESERIES[V1])
    texts, cells, names = _symbol_table(samples.labels)
    symbols = b"".join(block_bytes(_SYMBOLS, text) for text in texts)
    return symbols + _encoded(samples, _TIMESERIES[V2], V2, cells, names, b"", b"", None)


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
        np.ascontiguousarray(samples.values, np.float64),
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


def _bytes(text: bytes) -> npt.NDArray[np.uint8]:
    return np.frombuffer(text, np.uint8) if text else np.zeros(0, np.uint8)
