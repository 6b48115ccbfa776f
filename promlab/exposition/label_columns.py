"""From slices of a body to columns of label codes.

Slices are hashed in a kernel, so that only distinct names and values become Python strings.
A body whose label names don't fit its rows (every line with names of its own) is refused:
as columns it would not fit into memory.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from promlab.errors import ExpositionError
from promlab.exposition.metadata import TypeRun
from promlab.exposition.problems import error_at
from promlab.exposition.strings import canonical_float, unescape
from promlab.model.labels import (
    METRIC_NAME,
    MOST_CELLS,
    MOST_NAMES,
    Codes,
    LabelTable,
    Symbols,
    too_many_names,
)
from promlab.model.metadata import MetricType
from promlab.model.slices import Slices, distinct_slices

Index = npt.NDArray[np.int64]

_SEED = secrets.randbits(64)
_FLOAT_LABELS = {MetricType.HISTOGRAM: "le", MetricType.SUMMARY: "quantile"}


def check_names(names: int, rows: int) -> None:
    """Raise ExpositionError if a body has too many label names for its series."""
    if too_many_names(names, rows):
        raise ExpositionError(
            f"{names} different label names on {rows} series are too many: "
            f"a body may have {MOST_NAMES} names, and {MOST_CELLS} names times series"
        )


def label_table(
    body: bytes, pairs: Slices, first_pair: Index, runs: Sequence[TypeRun], symbols: Symbols
) -> tuple[LabelTable, Index, Index]:
    """Labels of all rows, the rows that repeat an earlier row, and which row that is.

    `pairs` and `first_pair` (i64[n + 1]) are those of `scan_kernels.scan`. Raises
    ExpositionError for a label name that a series has twice.
    """
    n = len(first_pair) - 1
    none = np.zeros(0, np.int64)
    if n == 0:
        return LabelTable(0, {}, symbols), none, none
    ids, texts = _distinct_texts(body, pairs[:, 0], pairs[:, 1])
    texts[0] = METRIC_NAME  # the first pair of each row, and none but it, has an empty name
    names = list(dict.fromkeys(texts))
    check_names(len(names), n)
    place = {name: i for i, name in enumerate(names)}
    column = np.array([place[text] for text in texts], np.int64)[ids]
    row = np.repeat(np.arange(n), np.diff(first_pair))
    cells = np.zeros((len(names), n), np.uint32)
    _check_unique(body, pairs, cells, column, row, names)
    ids, texts = _distinct_texts(body, pairs[:, 2], pairs[:, 3])
    cells[column, row] = symbols.codes(texts)[ids]
    for label in ("le", "quantile"):
        if label in place:
            _canonicalise(cells[place[label]], _rows_of(label, runs, n), symbols)
    repeated, of = repeated_rows(cells)
    return LabelTable(n, dict(zip(names, cells, strict=True)), symbols), repeated, of


def _distinct_texts(body: bytes, starts: Slices, ends: Slices) -> tuple[Slices, list[str]]:
    """The id of each slice, and the text of each id, unescaped."""
    ids, firsts = distinct_slices(body, starts, ends)
    bounds = zip(starts[firsts].tolist(), ends[firsts].tolist(), strict=True)
    if body.isascii():
        whole = body.decode("ascii")
        texts = [whole[start:end] for start, end in bounds]
    else:
        texts = [body[start:end].decode() for start, end in bounds]
    if b"\\" in body:
        texts = [unescape(text) for text in texts]
    return ids, texts


def _check_unique(
    body: bytes, pairs: Slices, cells: Codes, column: Index, row: Index, names: list[str]
) -> None:
    """Every pair has a cell of its own, or a series has a label twice."""
    order = np.arange(len(pairs), dtype=np.uint32)
    cells[column, row] = order
    lost = np.flatnonzero(cells[column, row] != order)
    if len(lost):
        name = names[column[lost[0]]]
        raise error_at(
            f"the series has the label {name[:80]!r} twice", body, int(pairs[lost[0], 2])
        )


def _rows_of(label: str, runs: Sequence[TypeRun], n: int) -> npt.NDArray[np.bool_]:
    """Rows below a TYPE line that makes this label a number."""
    chosen = np.zeros(n, np.bool_)
    ends = [run.first_row for run in runs[1:]] + [n]
    for run, end in zip(runs, ends, strict=False):
        if _FLOAT_LABELS.get(run.type) == label:
            chosen[run.first_row : end] = True
    return chosen


def _canonicalise(codes: Codes, chosen: npt.NDArray[np.bool_], symbols: Symbols) -> None:
    """Write the numbers of a label in one way, in place."""
    rows = np.flatnonzero(chosen & (codes != 0))
    distinct, inverse = np.unique(codes[rows], return_inverse=True)
    texts = [canonical_float(text) for text in symbols.texts(distinct)]
    codes[rows] = symbols.codes(texts)[inverse]


def repeated_rows(cells: Codes) -> tuple[Index, Index]:
    """Rows of `cells` (u32[names, n]) whose labels an earlier row has too, and that row."""
    n = cells.shape[1]
    rng = np.random.default_rng(_SEED)
    keys = rng.integers(0, 1 << 64, len(cells), np.uint64)
    sums = np.zeros(n, np.uint64)
    for key, codes in zip(keys, cells, strict=True):
        sums += codes * key
    ordered = np.sort(sums)
    if (ordered[1:] != ordered[:-1]).all():
        none = np.zeros(0, np.int64)
        return none, none
    _, first, inverse = np.unique(sums, return_index=True, return_inverse=True)
    earlier = first[inverse]
    repeated = np.flatnonzero(earlier != np.arange(n))
    of = earlier[repeated]
    same = (cells[:, repeated] == cells[:, of]).all(axis=0)
    return repeated[same], of[same]
