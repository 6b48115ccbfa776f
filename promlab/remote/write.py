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
from promlab.model.histogram_checks import problems as histogram_problems
from promlab.model.histograms import CUSTOM_SCHEMA, Buckets, HistogramTable
from promlab.model.labels import METRIC_NAME, LabelTable, Symbols, too_many_names
from promlab.model.samples import STALE_BITS, Times, Values
from promlab.model.storage import Refs

Indices = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_KEEP = 2_000_000  # series; the table is emptied beyond
_FIRST_SIZE = 1 << 12
_STRUCTURE = {
    1: "its message is damaged",
    2: "its spans need as many counts as they have buckets",
    3: "its spans overlap, or reach too far",
}
_MAX_SERIES = 2_000_000
_MAX_PARTS = 4_000_000  # of one kind in one request: they take more room than the body
_NAMES = {1: "WriteRequest", 2: "io.prometheus.write.v2.Request"}
_LOW = (1 << 32) - 1
_MAX_CELLS = 20_000_000  # names x new series of one request: what its label table may take


class BadWriteRequest(PromlabError):
    """A remote write body that can't be decoded."""


@dataclass(frozen=True, slots=True)
class Samples:
    """Floats or histograms of a request, one after the other."""

    series: Indices  # which series of the request each belongs to
    t_ms: Times
    start_ms: Times  # 0 where it is not known
    values: Values  # of floats; nothing where there are histograms
    histograms: HistogramTable | None = None  # a row a sample

    @property
    def n(self) -> int:
        """Number of samples."""
        return len(self.series)


@dataclass(frozen=True, slots=True)
class WriteRequest:
    """One decoded request. `body` and the hashes are needed for series not yet known."""

    body: npt.NDArray[np.uint8]
    version: int
    symbols: Indices  # i64[symbols, 2] where each is in the body; version 2 only
    hash_a: npt.NDArray[np.uint64]  # u64[series]
    hash_b: npt.NDArray[np.uint64]
    places: Indices  # i64[series, 2]: where each message begins and ends
    floats: Samples
    histograms: Samples
    problems: dict[int, str]  # histograms that are none, and why
    exemplars: Indices  # i64[exemplars, 4]: series, begin, end, 0

    @property
    def n(self) -> int:
        """Number of series."""
        return len(self.hash_a)


class SeriesCache:
    """References of series that were written before."""

    def __init__(self) -> None:
        self._key_a, self._key_b = secrets.randbits(64), secrets.randbits(64)
        self.forget()

    def forget(self) -> None:
        """References are no longer valid."""
        self._count = 0
        self._a, self._b, self._refs = (np.zeros(_FIRST_SIZE, np.uint64) for _ in range(3))

    def decode(self, body: bytes, version: int = 1, most: int = _MAX_PARTS) -> WriteRequest:
        """Columns of a request of that version, with `most` parts of one kind at most.

        Raises BadWriteRequest.
        """
        from promlab.remote.write_kernels import count_parts, read_parts, read_symbols

        raw = np.frombuffer(body, np.uint8)
        n, m, e, h, symbol_count, bad_at = count_parts(raw, version)
        name = _NAMES[version]
        if bad_at >= 0:
            raise BadWriteRequest(f"the body is not a {name}: damaged at byte {bad_at}")
        if n > _MAX_SERIES:
            raise BadWriteRequest(f"{n:,} series in one request are more than {_MAX_SERIES:,}")
        # A histogram takes some 300 bytes, whatever it says.
        for kind, count in {
            "samples": m, "histograms": 8 * h, "exemplars": e, "symbols": symbol_count
        }.items():  # fmt: skip
            if count > most:
                raise BadWriteRequest(f"there are too many {kind} in one request")
        symbols = np.zeros((symbol_count, 2), np.int64)
        symbol_hashes = np.zeros((symbol_count, 2), np.uint64)
        read_symbols(raw, self._key_a, self._key_b, symbols, symbol_hashes)
        hash_a, hash_b = np.empty(n, np.uint64), np.empty(n, np.uint64)
        places = np.empty((n, 2), np.int64)
        series_of, t_ms, values = np.empty(m, np.int64), np.empty(m, np.int64), np.empty(m)
        start_ms = np.empty(m, np.int64)
        histograms, exemplars = np.empty((h, 4), np.int64), np.empty((e, 4), np.int64)
        bad = read_parts(
            raw, version, symbol_hashes, self._key_a, self._key_b, hash_a, hash_b, places,
            series_of, t_ms, values, start_ms, histograms, exemplars,
        )  # fmt: skip
        if bad >= 0:
            raise BadWriteRequest(f"the body is not a {name}: labels of series {bad} are damaged")
        floats = Samples(series_of, t_ms, start_ms, values)
        found, problems = read_histograms(raw, histograms)
        return WriteRequest(
            raw, version, symbols, hash_a, hash_b, places, floats, found, problems, exemplars
        )

    def find(self, request: WriteRequest) -> tuple[Refs, Bools]:
        """Reference of each series, and whether it is known. u64[series], bool[series]."""
        from promlab.remote.series_table_kernels import find_refs

        n = len(request.hash_a)
        refs, known = np.zeros(n, np.uint64), np.zeros(n, np.bool_)
        find_refs(self._a, self._b, self._refs, request.hash_a, request.hash_b, refs, known)
        return refs, known

    def keep(self, request: WriteRequest, which: Indices, refs: Refs) -> None:
        """Remember the references of these series of a request."""
        from promlab.remote.series_table_kernels import keep_refs

        if self._count + len(which) > _KEEP:
            self.forget()
        if 2 * (self._count + len(which)) > len(self._a):
            self._grow(2 * (self._count + len(which)))
        table = self._a, self._b, self._refs
        self._count += keep_refs(*table, request.hash_a[which], request.hash_b[which], refs)

    def _grow(self, at_least: int) -> None:
        from promlab.remote.series_table_kernels import keep_refs

        used = (self._a != 0) | (self._b != 0)
        kept = self._a[used], self._b[used], self._refs[used]
        size = 1 << (2 * at_least - 1).bit_length()
        self._a, self._b, self._refs = (np.zeros(size, np.uint64) for _ in range(3))
        keep_refs(self._a, self._b, self._refs, *kept)


def label_table(request: WriteRequest, which: Indices) -> tuple[LabelTable, Bools]:
    """Labels of these series, and which of them are valid; the others' rows are empty.

    Each distinct text is decoded once. Raises BadWriteRequest where the body is damaged.
    """
    table, valid = texts_of(request, request.places[which])
    valid &= table.column(METRIC_NAME) != 0
    for column in table.columns.values():
        column[~valid] = 0
    return table, valid


def exemplars_of(request: WriteRequest) -> tuple[Times, Values, LabelTable, Bools]:
    """Times, values and labels of a request's exemplars, and which are valid."""
    from promlab.remote.write_label_kernels import read_exemplars

    n = len(request.exemplars)
    t_ms, values = np.empty(n, np.int64), np.empty(n)
    if read_exemplars(request.body, request.exemplars, t_ms, values) >= 0:
        raise BadWriteRequest("the body is not a write request: an exemplar is damaged")
    labels, valid = texts_of(request, request.exemplars[:, 1:3])
    return t_ms, values, labels, valid


def texts_of(request: WriteRequest, places: Indices) -> tuple[LabelTable, Bools]:
    """Labels of the messages that begin and end there; which are UTF-8, and none twice."""
    from promlab.remote.write_label_kernels import read_label_refs, read_labels

    n = len(places)
    starts, ends = np.ascontiguousarray(places[:, 0]), np.ascontiguousarray(places[:, 1])

    def read(rows: Indices) -> int:
        if request.version == 1:
            return int(read_labels(request.body, starts, ends, rows))
        return int(read_label_refs(request.body, request.symbols, starts, ends, rows))

    count = read(np.zeros((0, 5), np.int64))
    if count < 0:
        raise BadWriteRequest("the body is not a write request: a label is damaged")
    rows = np.zeros((count, 5), np.int64)
    if count:
        read(rows)
    names, name_of = _texts(request.body, rows[:, 1], rows[:, 2])
    values, value_of = _texts(request.body, rows[:, 3], rows[:, 4])
    if too_many_names(len(names), n, _MAX_CELLS):
        raise BadWriteRequest(f"{len(names):,} different label names in one request are too many")
    valid = np.ones(n, np.bool_)
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
        column = columns[name] = np.zeros(n, np.uint32)
        column[series] = codes[value_of[here]]
        valid[series[1:][series[1:] == series[:-1]]] = False  # the same name twice
    return LabelTable(n, columns, symbols), valid


def _texts(
    body: npt.NDArray[np.uint8], starts: Indices, ends: Indices
) -> tuple[list[str | None], Indices]:
    """Distinct texts of ranges of the body, None where not UTF-8; and which each range has."""
    # Of version 2, where symbols are named again and again, each is looked at once.
    ranges, which = np.unique(starts << 32 | ends, return_inverse=True)
    raw = body.tobytes()
    known: dict[bytes, int] = {}
    numbers = [
        known.setdefault(raw[start:end], len(known))
        for start, end in zip((ranges >> 32).tolist(), (ranges & _LOW).tolist(), strict=True)
    ]
    return [_decoded(part) for part in known], np.array(numbers, np.int64)[which.reshape(-1)]


def _decoded(part: bytes) -> str | None:
    try:
        return part.decode()
    except UnicodeDecodeError:
        return None


def read_histograms(body: npt.NDArray[np.uint8], places: Indices) -> tuple[Samples, dict[int, str]]:
    """Histograms from their messages, and which of them can't be stored, with the reason.

    `places` has a row for each: series, begin, end, start time if it has none of its own.
    """
    from promlab.remote import write_histogram_kernels as k

    n = len(places)
    sizes = np.zeros((n, 4), np.int64)
    k.measure_histograms(body, places, sizes)
    starts = np.zeros((n + 1, 3), np.int64)
    np.cumsum(sizes[:, :3], axis=0, out=starts[1:])
    positive, negative, bound_count = starts[-1].tolist()
    sides = [
        (np.zeros(size, np.int32), np.zeros(size, np.float64)) for size in (positive, negative)
    ]
    integers, floats, bounds = np.zeros((n, 5), np.int64), np.zeros((n, 4)), np.zeros(bound_count)
    k.read_histograms(
        body, places, sizes, starts[:-1].copy(), integers, floats, *sides[0], *sides[1], bounds
    )
    schema = np.clip(integers[:, k.SCHEMA], -128, 127).astype(np.int8)
    hint = integers[:, k.HINT]
    custom, distinct = distinct_bounds(bounds, starts[:, k.BOUNDS], schema == CUSTOM_SCHEMA)
    table = HistogramTable(
        schema,
        floats[:, k.THRESHOLD].copy(),
        floats[:, k.ZERO].copy(),
        floats[:, k.COUNT].copy(),
        floats[:, k.SUM].copy(),
        np.where((hint >= 0) & (hint <= 3), hint, 0).astype(np.int8),
        Buckets(starts[:, k.P_COUNT].copy(), *sides[0]),
        Buckets(starts[:, k.N_COUNT].copy(), *sides[1]),
        custom,
        distinct,
    )
    is_stale = table.sum.view(np.uint64) == STALE_BITS
    found = histogram_problems(table, integers[:, k.IS_FLOAT] == 1, sizes[:, k.BOUNDS] > 0)
    found = {row: words for row, words in found.items() if not is_stale[row]}
    for row in np.flatnonzero(sizes[:, k.PROBLEM]).tolist():
        found[row] = _STRUCTURE[int(sizes[row, k.PROBLEM])]
    samples = Samples(
        places[:, 0].copy(),
        integers[:, k.TIME].copy(),
        integers[:, k.START].copy(),
        np.zeros(n),
        table,
    )
    return samples, found


def distinct_bounds(
    bounds: Values, ends: Indices, custom: Bools
) -> tuple[npt.NDArray[np.int32], tuple[tuple[float, ...], ...]]:
    """Codes of the distinct custom bounds, -1 where a histogram has none."""
    codes = np.full(len(custom), -1, np.int32)
    distinct: dict[tuple[float, ...], int] = {}
    for row in np.flatnonzero(custom).tolist():
        own = tuple(bounds[ends[row] : ends[row + 1]].tolist())
        codes[row] = distinct.setdefault(own, len(distinct))
    return codes, tuple(distinct)
