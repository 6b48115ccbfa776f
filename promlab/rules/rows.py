"""Label tables of rule results: naming, duplicates, and series that have vanished.

All of it by columns of codes: nothing here looks at one series.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from promlab.model.histograms import HistogramColumn
from promlab.model.labels import METRIC_NAME, LabelTable, Symbols
from promlab.model.samples import Values
from promlab.promql.grouping import code_matrix, group_matrix
from promlab.promql.result import InstantVector, QueryResult, Scalar
from promlab.promql.vector import Rows, stack_tables
from promlab.rules.errors import RuleError


def vector_of(result: QueryResult, symbols: Symbols) -> tuple[LabelTable, Values]:
    """Labels and values of what a rule's expression gave; a native histogram counts as 0.

    Raises RuleError for other types than vectors and scalars.
    """
    value = result.value
    if isinstance(value, InstantVector):
        if value.histograms is None:
            return value.labels, value.values
        return value.labels, np.where(value.histograms.index >= 0, 0.0, value.values)
    if isinstance(value, Scalar):
        return LabelTable(1, {}, symbols), np.array([value.value])
    raise RuleError("rule result is not a vector or scalar")


def histograms_of(result: QueryResult) -> HistogramColumn | None:
    """The native histograms among what a rule's expression gave; None if there are none."""
    value = result.value
    if not isinstance(value, InstantVector) or value.histograms is None:
        return None
    return value.histograms if (value.histograms.index >= 0).any() else None


def with_none(column: HistogramColumn | None, more: int) -> HistogramColumn | None:
    """The same for rows that have `more` floats behind them."""
    if column is None:
        return None
    return HistogramColumn(column.table, np.append(column.index, np.full(more, -1)))


def own_symbols(table: LabelTable) -> LabelTable:
    """The same table over symbols that may be added to without changing the storage's."""
    symbols = table.symbols
    if symbols.base is not symbols:
        return table
    return LabelTable(table.n, table.columns, symbols.overlay())


def with_labels(table: LabelTable, labels: Mapping[str, str]) -> LabelTable:
    """Every row with these labels; an empty one is removed."""
    table = own_symbols(table)
    for name, text in labels.items():
        codes = np.full(table.n, table.symbols.code(text), np.uint32)
        table = table.replace(name, codes)
    return table


def recorded(table: LabelTable, name: str, labels: Mapping[str, str]) -> LabelTable:
    """The series of a recording rule."""
    return with_labels(table, {**labels, METRIC_NAME: name})


def has_duplicates(table: LabelTable) -> bool:
    """Whether two rows are the same label set."""
    if table.n < 2:
        return False
    _, first = group_matrix(code_matrix(table, table.columns))
    return len(first) < table.n


def vanished(before: LabelTable | None, now: LabelTable) -> LabelTable | None:
    """The rows of `before` that `now` has not; None where there is none."""
    if before is None or before.n == 0:
        return None
    if now.n == 0:
        return before
    both = stack_tables(before.recode(now.symbols), now)
    of_row, first = group_matrix(code_matrix(both, both.columns))
    still = np.zeros(len(first), np.bool_)
    still[of_row[before.n :]] = True
    rows: Rows = np.flatnonzero(~still[of_row[: before.n]])
    return before.take(rows) if len(rows) else None
