"""Label sets as columns of codes.

A label set is never a Python object here. `Symbols` gives every distinct string a code;
`LabelTable` holds the labels of n series as one array of codes a label name. Code 0 is the
empty string, and a label with an empty value is the same as no label at all, as everywhere
in Prometheus.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Codes = npt.NDArray[np.uint32]

METRIC_NAME = "__name__"
MOST_NAMES = 20_000  # different label names of one body or request: each is a column
MOST_CELLS = 1 << 26  # of those names x series: 256 MB of codes
_LOCAL = 1 << 31


def too_many_names(names: int, rows: int, most_cells: int = MOST_CELLS) -> bool:
    """Whether a table of so many label names and rows is too wide to be made."""
    return names > MOST_NAMES or names * rows > most_cells


class Symbols:
    """Append-only table of distinct strings; codes are dense, 0 is the empty string."""

    is_overlay = False

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self._texts: list[str] = [""]
        self._codes: dict[str, int] = {"": 0}
        self._growing = threading.Lock()  # a large body is read in a thread of its own
        for text in texts:
            self.code(text)

    def __len__(self) -> int:
        return len(self._texts)

    @property
    def base(self) -> Symbols:
        """The table below all overlays: a key for caches that outlive a query."""
        return self

    def code(self, text: str) -> int:
        """The code of `text`, given now if it has none."""
        code = self._codes.get(text)
        return self._give(text) if code is None else code

    def _give(self, text: str) -> int:
        with self._growing:
            code = self._codes.get(text)
            if code is None:
                code = len(self._texts)
                # The text first: a concurrent reader that sees the code finds its text.
                self._texts.append(text)
                self._codes[text] = code
            return code

    def find(self, text: str) -> int | None:
        """The code of `text`, or None if it was never given one."""
        return self._codes.get(text)

    def codes(self, texts: Iterable[str]) -> Codes:
        """Codes of many strings."""
        code = self.code
        return np.fromiter((code(text) for text in texts), np.uint32)

    def text(self, code: int) -> str:
        """The string with this code."""
        return self._texts[code]

    def texts(self, codes: npt.ArrayLike) -> list[str]:
        """Strings of many codes."""
        text = self.text
        return [text(code) for code in np.asarray(codes).tolist()]

    def overlay(self) -> Symbols:
        """A table that knows all strings of this one, and keeps new ones to itself.

        For a query: what `label_replace` makes must not stay in the server for ever.
        """
        return _Overlay(self)


class _Overlay(Symbols):
    """Codes of the table below stay as they are; own codes have the highest bit set."""

    is_overlay = True

    def __init__(self, below: Symbols) -> None:
        super().__init__()
        self._below = below

    def __len__(self) -> int:
        return len(self._below) + len(self._texts) - 1

    @property
    def base(self) -> Symbols:
        return self._below.base

    def code(self, text: str) -> int:
        found = self.find(text)
        return found if found is not None else super().code(text) | _LOCAL

    def find(self, text: str) -> int | None:
        # Own strings first: the table below may have learnt one of them since.
        own = super().find(text)
        return own | _LOCAL if own else self._below.find(text)

    def text(self, code: int) -> str:
        if code & _LOCAL:
            return super().text(code ^ _LOCAL)
        return self._below.text(code)


@dataclass(frozen=True, slots=True)
class LabelTable:
    """Labels of `n` series: `columns[name]` is u32[n], the code of that label's value.

    Columns are never written to after the table is made, so tables share them freely. The
    order of names means nothing; a name whose column is all 0 means the same as no column.
    """

    n: int
    columns: Mapping[str, Codes]
    symbols: Symbols

    @staticmethod
    def from_dicts(rows: Sequence[Mapping[str, str]], symbols: Symbols) -> LabelTable:
        """Table of label sets that come one by one (tests, configuration, small input)."""
        names = dict.fromkeys(name for row in rows for name in row)
        columns = {name: symbols.codes(row.get(name, "") for row in rows) for name in names}
        return LabelTable(len(rows), columns, symbols)

    def column(self, name: str) -> Codes:
        """Codes of one label; zeros where no series has it."""
        found = self.columns.get(name)
        return found if found is not None else np.zeros(self.n, np.uint32)

    def take(self, rows: npt.NDArray[np.int64]) -> LabelTable:
        """The table of these rows, in this order."""
        taken = {name: codes[rows] for name, codes in self.columns.items()}
        return LabelTable(len(rows), taken, self.symbols)

    def keep(self, names: Iterable[str]) -> LabelTable:
        """The same rows with these labels only."""
        kept = {name: self.columns[name] for name in names if name in self.columns}
        return LabelTable(self.n, kept, self.symbols)

    def drop(self, names: Iterable[str]) -> LabelTable:
        """The same rows without these labels."""
        gone = set(names)
        kept = {name: codes for name, codes in self.columns.items() if name not in gone}
        return LabelTable(self.n, kept, self.symbols)

    def replace(self, name: str, codes: Codes) -> LabelTable:
        """The same rows with one column set or replaced."""
        return LabelTable(self.n, {**self.columns, name: codes}, self.symbols)

    def recode(self, symbols: Symbols) -> LabelTable:
        """The same label sets in the codes of another symbol table."""
        if symbols is self.symbols:
            return self
        recoded = {}
        for name, codes in self.columns.items():
            distinct, inverse = np.unique(codes, return_inverse=True)
            recoded[name] = symbols.codes(self.symbols.texts(distinct))[inverse]
        return LabelTable(self.n, recoded, symbols)

    def row(self, i: int) -> dict[str, str]:
        """One label set, names sorted, empty values left out."""
        text = self.symbols.text
        found = ((name, int(codes[i])) for name, codes in self.columns.items())
        return {name: text(code) for name, code in sorted(found) if code}

    def rows(self) -> Iterator[dict[str, str]]:
        """Every label set as a dict: for tests and small answers, never on a hot path."""
        return (self.row(i) for i in range(self.n))
