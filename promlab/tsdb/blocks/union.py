"""Label sets of several tables, each once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from promlab.model.labels import LabelTable, Symbols
from promlab.tsdb.registry import Registry

Longs = npt.NDArray[np.int64]


class Union(NamedTuple):
    """Label sets, and the row that each row of the tables they came from has among them."""

    labels: LabelTable
    rows: list[Longs]


def unite(tables: Sequence[LabelTable], symbols: Symbols) -> Union:
    """The label sets of some tables whose codes are those of `symbols`."""
    registry = Registry(symbols)
    rows, new = [], []
    for table in tables:
        series, fresh = registry.add(table)
        rows.append(series.astype(np.int64))
        new.append(fresh)
    names = dict.fromkeys(name for table in tables for name in table.columns)
    columns = {
        name: np.concatenate([t.column(name)[at] for t, at in zip(tables, new, strict=True)])
        for name in names
    }
    return Union(LabelTable(registry.count, columns, symbols), rows)
