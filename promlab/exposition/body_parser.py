"""Reading the bodies of one target, scrape after scrape.

A target sends the same lines in the same order with other values. So a body is compared with
the one before, 32 bytes at a time, and only values that changed are read; where anything
else differs the whole body is read again and gets a new `Layout`. Bodies are hostile: every
step is linear in their length, and one bad line makes the whole body bad.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from promlab.errors import ExpositionError
from promlab.exposition import line_kernels as k
from promlab.exposition.exemplars import Exemplar, milliseconds, read_exemplar
from promlab.exposition.formats import Format
from promlab.exposition.label_columns import label_table
from promlab.exposition.layout import Layout
from promlab.exposition.metadata import read_metadata
from promlab.exposition.parsed import ParsedBody
from promlab.exposition.problems import error_at, problem
from promlab.exposition.scan_kernels import rescan, scan
from promlab.exposition.strings import read_float
from promlab.model.labels import Symbols
from promlab.model.samples import Times, Values

if TYPE_CHECKING:
    from promlab.exposition.family_parser import FamilyParser

__all__ = ["CLASSIC", "NO_TIME", "BodyParser", "HistogramForms", "ParsedBody"]

NO_TIME = k.NO_TIME  # in `t_ms`: the line has no timestamp
MAX_BODY_BYTES = 1 << 28
_EMPTY_OPENMETRICS = b"# EOF\n"  # Prometheus takes no body at all for an empty one
_NO_PAIRS = np.zeros((1, 4), np.int32)
_NEWLINE, _QUOTE = 10, 34
_BLANKS = re.compile("[ \t]+")
_Index = npt.NDArray[np.int64]


class HistogramForms(NamedTuple):
    """Which forms of a native histogram are read: its own, and the classic one beside it."""

    native: bool = False
    classic: bool = False


CLASSIC = HistogramForms()


@dataclass(slots=True)
class _Lines:
    """Columns of a body's samples, brought up to date in place by each body."""

    value_at: _Index  # byte at which the value begins
    line_end: _Index  # byte at which the next line begins
    values: Values
    t_ms: Times
    exemplars: _Index  # from value_at to the exemplar's `{`, 0 without one
    slow: _Index  # rows whose numbers the kernel left to float()
    found: _Index  # counts, see line_kernels

    @staticmethod
    def empty(lines: int) -> _Lines:
        """Room for as many samples as there are lines."""
        index = [np.empty(lines, np.int64) for _ in range(5)]
        value_at, line_end, t_ms, exemplars, slow = index
        found = np.zeros(k.FOUND + 1, np.int64)
        return _Lines(value_at, line_end, np.empty(lines), t_ms, exemplars, slow, found)


class BodyParser:
    """Reads the bodies of one target; labels are coded by `symbols`.

    It keeps the last body, and some 50 bytes a line, to compare the next one with.
    """

    def __init__(self, symbols: Symbols) -> None:
        self.symbols = symbols
        self._body: bytes | None = None
        self._format = Format.TEXT
        self._layout: Layout | None = None
        self._lines = _Lines.empty(1)
        self._families: FamilyParser | None = None

    def parse(
        self,
        body: bytes | bytearray | memoryview,
        format: Format = Format.TEXT,
        forms: HistogramForms = CLASSIC,
    ) -> ParsedBody:
        """The samples of `body`. Raises ExpositionError, with the line, if it breaks the format.

        `forms` says which of a protobuf histogram are wanted. `bytes` are kept until the next
        call, not copied; anything else is copied, and may be reused at once. After an error the
        next body gets a new layout.
        """
        if len(body) > MAX_BODY_BYTES:
            raise ExpositionError(
                f"a body of {len(body)} bytes is too long: {MAX_BODY_BYTES} are allowed"
            )
        whole = body if isinstance(body, bytes) else bytes(body)
        if format is Format.PROTOBUF:
            return self._protobuf(whole, forms)
        if not whole and format is Format.OPENMETRICS:
            whole = _EMPTY_OPENMETRICS
        if not whole.endswith(b"\n"):
            whole += b"\n"
        previous, self._body = self._body, None
        unchanged = (
            previous is not None and format is self._format and self._rescan(whole, previous)
        )
        if not unchanged:
            self._scan(whole, format)
        self._format = format
        self._read_slow_rows(whole)
        layout, lines = self._layout, self._lines
        assert layout is not None
        if not lines.found[k.GLUED]:
            self._body = whole
        n = layout.n
        t_ms = lines.t_ms[:n] if lines.found[k.TIMED] else None
        return ParsedBody(
            layout, lines.values[:n], t_ms, None, None, lambda: _exemplars(whole, lines, n)
        )

    def _protobuf(self, body: bytes, forms: HistogramForms) -> ParsedBody:
        if self._families is None:
            # Loaded with the first such body: few targets speak it.
            from promlab.exposition.family_parser import FamilyParser

            self._families = FamilyParser(self.symbols)
        self._body = None
        return self._families.parse(body, native=forms.native, classic=forms.classic)

    def _rescan(self, body: bytes, previous: bytes) -> bool:
        """Whether `body` has the lines of `previous`: then the columns are up to date."""
        lines = self._lines
        lines.found[k.SLOW_ROWS] = 0
        code = rescan(
            np.frombuffer(body, np.uint8),
            np.frombuffer(previous, np.uint8),
            self._format is Format.OPENMETRICS,
            lines.value_at,
            lines.line_end,
            lines.values,
            lines.t_ms,
            lines.exemplars,
            _NO_PAIRS,
            lines.slow,
            lines.found,
        )
        return int(code) == k.OK

    def _scan(self, body: bytes, format: Format) -> None:
        """Read the whole of `body` into new columns and a new layout."""
        view = np.frombuffer(body, np.uint8)
        openmetrics = format is Format.OPENMETRICS
        most = int(np.count_nonzero(view == _NEWLINE)) + 1
        lines = self._lines = _Lines.empty(most)
        first_pair = np.empty(most + 1, np.int64)
        pairs = np.empty((most + int(np.count_nonzero(view == _QUOTE)) // 2, 4), np.int32)
        comments = np.empty((most, 6), np.int32)
        code = scan(
            view,
            openmetrics,
            lines.value_at,
            lines.line_end,
            lines.values,
            lines.t_ms,
            lines.exemplars,
            first_pair,
            pairs,
            comments,
            lines.slow,
            lines.found,
        )
        found = lines.found
        if code != k.OK:
            raise problem(int(code), body, int(found[k.POSITION]), int(found[k.ROWS]))
        comments = comments[: found[k.COMMENTS]]
        metadata, runs = read_metadata(body, comments, openmetrics=openmetrics)
        first_pair, pairs = first_pair[: found[k.ROWS] + 1], pairs[: found[k.PAIRS]]
        labels, repeated, of = label_table(body, pairs, first_pair, runs, self.symbols)
        self._layout = Layout(labels, metadata, repeated, of, runs)

    def _read_slow_rows(self, body: bytes) -> None:
        """Read what the kernel left: numbers that need more than one division to be exact."""
        lines, openmetrics = self._lines, self._format is Format.OPENMETRICS
        if not lines.found[k.SLOW_ROWS]:
            return
        for row in lines.slow[: lines.found[k.SLOW_ROWS]].tolist():
            start, end = int(lines.value_at[row]), int(lines.line_end[row]) - 1
            text = body[start:end].decode()
            try:
                tokens = _BLANKS.split(text, maxsplit=2)
                lines.values[row] = read_float(tokens[0])
                if openmetrics and lines.t_ms[row] != NO_TIME:
                    lines.t_ms[row] = milliseconds(tokens[1])
                if lines.exemplars[row]:
                    read_exemplar(row, text[int(lines.exemplars[row]) :])
            except ValueError as error:
                raise error_at(str(error), body, start, row) from None


def _exemplars(body: bytes, lines: _Lines, n: int) -> list[Exemplar]:
    rows = np.flatnonzero(lines.exemplars[:n])
    starts = (lines.value_at[rows] + lines.exemplars[rows]).tolist()
    ends = lines.line_end[rows].tolist()
    return [
        read_exemplar(row, body[start : end - 1].decode())
        for row, start, end in zip(rows.tolist(), starts, ends, strict=True)
    ]
