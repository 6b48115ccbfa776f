"""Labels of an answer as pieces of JSON: each distinct `"name":"value"` escaped once.

Label values are untrusted text: they are escaped here, and nowhere else. Pieces of stored
label values are kept from answer to answer; those a query makes up are not.
"""

from __future__ import annotations

import threading
from typing import NamedTuple, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt

from promlab.model.labels import Codes, LabelTable, Symbols

Indices = npt.NDArray[np.int64]
D = TypeVar("D", bound=np.generic)

_KEEP_BYTES = 64 << 20
_OVERLAY_BIT = np.uint32(1 << 31)
_escape = msgspec.json.Encoder().encode


def label_set(labels: dict[str, str]) -> str:
    """A label set as messages show it: `{__name__="up", job="a"}`."""
    pairs = (f"{name}={_escape(value).decode()}" for name, value in sorted(labels.items()))
    return "{" + ", ".join(pairs) + "}"


class Pieces(NamedTuple):
    """Piece p is `arena[offsets[p]:offsets[p+1]]`; `rows[s]` are the pieces of series s."""

    rows: Indices  # i64[n, k]; piece 0 is empty
    arena: npt.NDArray[np.uint8]
    offsets: Indices

    def sizes(self) -> Indices:
        """Bytes of all labels of each series, commas included. i64[n]."""
        lengths = self.offsets[self.rows + 1] - self.offsets[self.rows] + 1
        total: Indices = lengths.sum(axis=1)
        return total


class LabelText:
    """Pieces of the label values of one symbol table. Safe to use from several threads."""

    def __init__(self, symbols: Symbols) -> None:
        self._symbols = symbols.base
        self._lock = threading.Lock()
        self._clear()

    def _clear(self) -> None:
        self._arena = np.zeros(1 << 12, np.uint8)
        self._offsets = np.zeros(1 << 8, np.int64)
        self._count = 1
        self._known: dict[str, tuple[Codes, Indices]] = {}

    def pieces(self, labels: LabelTable) -> Pieces:
        """The pieces of each series' labels, in the order of the labels' names."""
        made_up = any((codes & _OVERLAY_BIT).any() for codes in labels.columns.values())
        if made_up or labels.symbols.base is not self._symbols:
            return _Fresh(labels.symbols)._pieces(labels)
        with self._lock:
            if self._offsets[self._count] > _KEEP_BYTES:
                self._clear()
            return self._pieces(labels)

    def _pieces(self, labels: LabelTable) -> Pieces:
        names = sorted(labels.columns)
        rows = np.zeros((labels.n, len(names)), np.int64)
        for k, name in enumerate(names):
            rows[:, k] = self._column(name, labels.columns[name])
        return Pieces(rows, self._arena, self._offsets)

    def _column(self, name: str, codes: Codes) -> Indices:
        known, pieces = self._known.get(name) or (np.zeros(1, np.uint32), np.zeros(1, np.int64))
        at = np.minimum(np.searchsorted(known, codes), len(known) - 1)
        missing = known[at] != codes
        if missing.any():
            new = np.unique(codes[missing])
            known = np.concatenate([known, new])
            order = np.argsort(known)
            known, pieces = known[order], np.concatenate([pieces, self._add(name, new)])[order]
            self._known[name] = known, pieces
            at = np.searchsorted(known, codes)
        found: Indices = pieces[at]
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
