"""Rows of label tables grouped by some of their labels."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from promlab.model.labels import METRIC_NAME, Codes, LabelTable
from promlab.promql.ast import Aggregation
from promlab.promql.context import QueryContext
from promlab.promql.vector import Rows


@dataclass(frozen=True, slots=True)
class Groups:
    """Group of each row, the first row of each group, and the labels of the groups."""

    of_row: Rows
    first: Rows
    labels: LabelTable

    @property
    def count(self) -> int:
        """Number of groups."""
        return len(self.first)


class Members(NamedTuple):
    """Rows in the order of their groups: group g has rows[starts[g]:starts[g + 1]]."""

    rows: Rows
    starts: Rows


def code_matrix(labels: LabelTable, names: Iterable[str]) -> Codes:
    """Codes of these labels as u32[n, labels], a row a series."""
    wanted = list(names)
    matrix = np.zeros((labels.n, len(wanted)), np.uint32)
    for i, name in enumerate(wanted):
        codes = labels.columns.get(name)
        if codes is not None:
            matrix[:, i] = codes
    return matrix


def group_matrix(matrix: Codes) -> tuple[Rows, Rows]:
    """Group of each row of a code matrix, and the first row of each group."""
    from promlab.promql.label_kernels import group_rows

    of_row = np.empty(len(matrix), np.int64)
    first = np.empty(len(matrix), np.int64)
    count = group_rows(matrix, of_row, first)
    return of_row, first[:count]


def groups_by(ctx: QueryContext, labels: LabelTable, names: tuple[str, ...]) -> Groups:
    """Groups of rows that agree in these labels and keep only them."""

    def make() -> Groups:
        of_row, first = group_matrix(code_matrix(labels, names))
        return Groups(of_row, first, labels.keep(names).take(first))

    return ctx.remember((labels,), ("by", names), make)


def groups_without(ctx: QueryContext, labels: LabelTable, names: tuple[str, ...]) -> Groups:
    """Groups of rows that agree in all labels but these and the metric name."""

    def make() -> Groups:
        kept = labels.drop((*names, METRIC_NAME))
        of_row, first = group_matrix(code_matrix(kept, kept.columns))
        return Groups(of_row, first, kept.take(first))

    return ctx.remember((labels,), ("without", names), make)


def grouped(
    ctx: QueryContext, node: Aggregation, labels: LabelTable, names: tuple[str, ...]
) -> Groups:
    """Groups of an aggregation, by these names or without them."""
    return (groups_without if node.without else groups_by)(ctx, labels, names)


def groups_equal(ctx: QueryContext, labels: LabelTable) -> Groups:
    """Groups of rows with equal label sets."""

    def make() -> Groups:
        of_row, first = group_matrix(code_matrix(labels, labels.columns))
        return Groups(of_row, first, labels if len(first) == labels.n else labels.take(first))

    return ctx.remember((labels,), "equal", make)


def members(groups: Groups) -> Members:
    """The rows of each group, each in the order of the table."""
    rows = np.argsort(groups.of_row, kind="stable")
    counts = np.bincount(groups.of_row, minlength=groups.count)
    return Members(rows, np.concatenate([[0], np.cumsum(counts)]).astype(np.int64))
