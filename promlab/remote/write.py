"""Decoding remote write requests into columns of references, times and values.

A series' labels are decoded once: after that it is known by a hash of their bytes, until the
storage that gave its reference is started anew (`forget`). Known series cost no Python object.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from promlab.errors import PromlabError
from promlab.model.labels import METRIC_NAME, LabelTable, Symbols
from promlab.model.samples import Times, Values
from promlab.model.storage import Refs

Indices = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_KEEP = 2_000_000  # series; the table is emptied beyond
_FIRST_SIZE = 1 << 12
_MAX_CELLS = 20_000_000  # names x new series of one request: what its label table may take


class BadWriteRequest(PromlabError):
    """A remote write body that can't be decoded."""


@dataclass(frozen=True, slots=True)
class WriteRequest:
    """One decoded request. `body` and the hashes are needed for series not yet known."""

    body: npt.NDArray[np.uint8]
    hash_a: npt.NDArray[np.uint64]  # u64[series]
    hash_b: npt.NDArray[np.uint64]
    starts: Indices  # i64[series]
    ends: Indices
    series_of: Indices  # i64[samples]
    t_ms: Times
    values: Values
    exemplars: int
    histograms: int


class SeriesCache:
    """References of series that were written before."""

    def __init__(self) -> None:
        self._key_a, self._key_b = secrets.randbits(64), secrets.randbits(64)
        self.forget()

    def forget(self) -> None:
        """References are no longer valid."""
        self._count = 0
        self._a, self._b, self._refs = (np.zeros(_FIRST_SIZE, np.uint64) for _ in range(3))

    def decode(self, body: bytes) -> WriteRequest:
        """Columns of a request. Raises BadWriteRequest."""
        from promlab.remote.write_kernels import count_series, read_series

        raw = np.frombuffer(body, np.uint8)
        n, m, exemplars, histograms, bad_at = count_series(raw)
        if bad_at >= 0:
            raise BadWriteRequest(f"the body is not a WriteRequest: damaged at byte {bad_at}")
        hash_a, hash_b = np.empty(n, np.uint64), np.empty(n, np.uint64)
        starts, ends = np.empty(n, np.int64), np.empty(n, np.int64)
        series_of, t_ms, values = np.empty(m, np.int64), np.empty(m, np.int64), np.empty(m)
        key_a, key_b = self._key_a, self._key_b
        read_series(raw, key_a, key_b, hash_a, hash_b, starts, ends, series_of, t_ms, values)
        return WriteRequest(
            raw, hash_a, hash_b, starts, ends, series_of, t_ms, values, exemplars, histograms
        )

    def find(self, request: WriteRequest) -> tuple[Refs, Bools]:
        """Reference of each series, and whether it is known. u64[series], bool[series]."""
        from promlab.remote.write_kernels import find_refs

        n = len(request.hash_a)
        refs, known = np.zeros(n, np.uint64), np.zeros(n, np.bool_)
        find_refs(self._a, self._b, self._refs, request.hash_a, request.hash_b, refs, known)
        return refs, known

    def keep(self, request: WriteRequest, which: Indices, refs: Refs) -> None:
        """Remember the references of these series of a request."""
        from promlab.remote.write_kernels import keep_refs

        if self._count + len(which) > _KEEP:
            self.forget()
        if 2 * (self._count + len(which)) > len(self._a):
            self._grow(2 * (self._count + len(which)))
        table = self._a, self._b, self._refs
        self._count += keep_refs(*table, request.hash_a[which], request.hash_b[which], refs)

    def _grow(self, at_least: int) -> None:
        from promlab.remote.write_kernels import keep_refs

        used = (self._a != 0) | (self._b != 0)
        kept = self._a[used], self._b[used], self._refs[used]
        size = 1 << (2 * at_least - 1).bit_length()
        self._a, self._b, self._refs = (np.zeros(size, np.uint64) for _ in range(3))
        keep_refs(self._a, self._b, self._refs, *kept)


def label_table(request: WriteRequest, which: Indices) -> tuple[LabelTable, Bools]:
    """Labels of these series, and which of them are valid; the others' rows are empty.

    Each distinct text is decoded once. Raises BadWriteRequest where the body is damaged.
    """
    from promlab.remote.write_kernels import read_labels

    starts, ends = request.starts[which], request.ends[which]
    count = read_labels(request.body, starts, ends, np.zeros((0, 5), np.int64))
    if count < 0:
        raise BadWriteRequest("the body is not a WriteRequest: a label is damaged")
    rows = np.zeros((count, 5), np.int64)
    if count:
        read_labels(request.body, starts, ends, rows)
    names, name_of = _texts(request.body, rows[:, 1], rows[:, 2])
    values, value_of = _texts(request.body, rows[:, 3], rows[:, 4])
    if len(names) * len(which) > _MAX_CELLS:
        raise BadWriteRequest(f"{len(names):,} different label names in one request are too many")
    valid = np.ones(len(which), np.bool_)
    valid[rows[np.array([text is None for text in values], np.bool_)[value_of], 0]] = False
    symbols = Symbols()
    codes = symbols.codes(text or "" for text in values)
    columns: dict[str, npt.NDArray[np.uint32]] = {}
    order = np.argsort(name_of, kind="stable")
    bounds = np.searchsorted(name_of[order], np.arange(len(names) + 1))
    for i, name in enumerate(names):
        here = order[bounds[i] : bounds[i + 1]]
        series = rows[here, 0]
        if not name:  # None: not UTF-8; "": no name
            valid[series] = False
            continue
        column = columns[name] = np.zeros(len(which), np.uint32)
        column[series] = codes[value_of[here]]
        valid[series[1:][series[1:] == series[:-1]]] = False  # the same name twice
    valid &= columns.get(METRIC_NAME, np.zeros(len(which), np.uint32)) != 0
    for column in columns.values():
        column[~valid] = 0
    return LabelTable(len(which), columns, symbols), valid


def _texts(
    body: npt.NDArray[np.uint8], starts: Indices, ends: Indices
) -> tuple[list[str | None], Indices]:
    """Distinct texts of ranges of the body, None where not UTF-8; and which each range has."""
    raw = body.tobytes()
    known: dict[bytes, int] = {}
    numbers = [
        known.setdefault(raw[start:end], len(known))
        for start, end in zip(starts.tolist(), ends.tolist(), strict=True)
    ]
    return [_decoded(part) for part in known], np.array(numbers, np.int64)


def _decoded(part: bytes) -> str | None:
    try:
        return part.decode()
    except UnicodeDecodeError:
        return None
