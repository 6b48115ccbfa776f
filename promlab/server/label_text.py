"""Labels of an answer as pieces of JSON: each distinct `"name":"value"` escaped once.

Label values are untrusted text: they are escaped here, and nowhere else. Pieces of stored
label values are kept from answer to answer; those a query makes up are not.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, defaultdict
from typing import TypeVar

import msgspec
import numpy as np
import numpy.typing as npt

from promlab.model.labels import Codes, LabelTable, Symbols
from promlab.server.piece_numbers import Indices, PieceNumbers

D = TypeVar("D", bound=np.generic)

_KEEP_BYTES = 64 << 20
_KEEP_TABLE_BYTES = 16 << 20
_TABLE_BYTES = 1000  # a table's objects
_OVERLAY_BIT = np.uint32(1 << 31)
_escape = msgspec.json.Encoder().encode


def label_set(labels: dict[str, str]) -> str:
    """A label set as messages show it: `{__name__="up", job="a"}`."""
    pairs = (f"{name}={_escape(value).decode()}" for name, value in sorted(labels.items()))
    return "{" + ", ".join(pairs) + "}"


class Pieces:
    """Piece p is `arena[offsets[p]:offsets[p+1]]`; `rows[s]` are the pieces of series s."""

    __slots__ = ("arena", "offsets", "rows", "sizes", "total")

    def __init__(self, rows: Indices, arena: npt.NDArray[np.uint8], offsets: Indices) -> None:
        self.rows, self.arena, self.offsets = rows, arena, offsets  # i64[n, k]; piece 0 is empty
        lengths = offsets[rows + 1] - offsets[rows] + 1
        self.sizes: Indices = lengths.sum(axis=1)  # of each series' labels, commas included
        self.total = int(self.sizes.sum())

    @property
    def columns(self) -> tuple[Indices, npt.NDArray[np.uint8], Indices]:
        """As kernels take them."""
        return self.rows, self.arena, self.offsets


class LabelText:
    """Pieces of the label values of one symbol table. Safe to use from several threads.

    A label table that was printed before is one that storage or the engine keeps: from the
    second time on its label sets are kept as a whole, each of them one piece.
    """

    def __init__(self, symbols: Symbols) -> None:
        self._symbols = symbols.base
        self._lock = threading.Lock()
        self._clear()

    def _clear(self) -> None:
        self._arena = np.zeros(1 << 12, np.uint8)
        self._offsets = np.zeros(1 << 8, np.int64)
        self._count = 1
        self._known: defaultdict[str, PieceNumbers] = defaultdict(PieceNumbers)
        # By identity, which is their own as long as they are kept here.
        self._tables: OrderedDict[int, tuple[LabelTable, Pieces | None]] = OrderedDict()
        self._table_bytes = 0

    def pieces(self, labels: LabelTable) -> Pieces:
        """The pieces of each series' labels, in the order of the labels' names."""
        known = self._tables.get(id(labels))
        if known is not None and known[1] is not None:
            if 2 * self._table_bytes > _KEEP_TABLE_BYTES:
                self._use(labels)  # else none is forgotten soon
            return known[1]
        made_up = any((codes & _OVERLAY_BIT).any() for codes in labels.columns.values())
        if made_up or labels.symbols.base is not self._symbols:
            return _Fresh(labels.symbols)._pieces(labels)
        with self._lock:
            if self._offsets[self._count] > _KEEP_BYTES:
                self._clear()
            pieces = self._pieces(labels)
            if known is not None:
                pieces = _joined(pieces)
            self._keep(labels, None if known is None else pieces)
            return pieces

    def _use(self, labels: LabelTable) -> None:
        with self._lock:
            if id(labels) in self._tables:
                self._tables.move_to_end(id(labels))

    def _keep(self, labels: LabelTable, pieces: Pieces | None) -> None:
        before = self._tables.pop(id(labels), None)
        if before is not None:
            self._table_bytes -= _bytes_of(*before)
        self._tables[id(labels)] = labels, pieces
        self._table_bytes += _bytes_of(labels, pieces)
        while self._table_bytes > _KEEP_TABLE_BYTES:
            _, gone = self._tables.popitem(last=False)
            self._table_bytes -= _bytes_of(*gone)

    def _pieces(self, labels: LabelTable) -> Pieces:
        names = sorted(labels.columns)
        rows = np.zeros((labels.n, len(names)), np.int64)
        for k, name in enumerate(names):
            rows[:, k] = self._column(name, labels.columns[name])
        return Pieces(rows, self._arena, self._offsets)

    def _column(self, name: str, codes: Codes) -> Indices:
        known = self._known[name]
        found = known.find(codes)
        missing = found < 0
        if missing.any():
            new = np.unique(codes[missing])
            known.add(new, self._add(name, new))
            found[missing] = known.find(codes[missing])
        return found

    def _add(self, name: str, codes: Codes) -> Indices:
        """New pieces for values of one label."""
        prefix = _escape(name) + b":"
        text = self._text
        texts = [prefix + _escape(text(code)) for code in codes.tolist()]
        first = self._count
        end = first + len(texts)
        lengths = np.fromiter(map(len, texts), np.int64, len(texts))
        start = int(self._offsets[first])
        stop = start + int(lengths.sum())
        # Grown arrays are new arrays: who prints from the old ones goes on undisturbed.
        self._arena = _grown(self._arena, stop)
        self._offsets = _grown(self._offsets, end + 1)
        self._arena[start:stop] = np.frombuffer(b"".join(texts), np.uint8)
        self._offsets[first + 1 : end + 1] = start + np.cumsum(lengths)
        self._count = end
        return np.arange(first, end, dtype=np.int64)

    def _text(self, code: int) -> str:
        return self._symbols.text(code)


def _joined(pieces: Pieces) -> Pieces:
    """The same labels as one piece a series."""
    from promlab.server.json_kernels import join_labels

    arena = np.empty(pieces.total, np.uint8)
    offsets = np.zeros(len(pieces.rows) + 1, np.int64)
    join_labels(*pieces.columns, arena, offsets)
    rows = np.arange(len(pieces.rows), dtype=np.int64)[:, None]
    return Pieces(rows, arena[: offsets[-1]], offsets)


def _bytes_of(labels: LabelTable, pieces: Pieces | None) -> int:
    size = _TABLE_BYTES + labels.n * len(labels.columns) * 4
    return size if pieces is None else size + len(pieces.arena) + 24 * labels.n


class _Fresh(LabelText):
    """For one answer only, with labels that are not in storage."""

    def __init__(self, symbols: Symbols) -> None:
        super().__init__(symbols)
        self._overlay = symbols

    def _text(self, code: int) -> str:
        return self._overlay.text(code)


def _grown(array: npt.NDArray[D], size: int) -> npt.NDArray[D]:
    if size <= len(array):
        return array
    larger = np.zeros(max(size, 2 * len(array)), array.dtype)
    larger[: len(array)] = array
    return larger
