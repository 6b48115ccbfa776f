"""Which rows of a layout belong together: the lines of one histogram, summary or counter."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from promlab.exposition.layout import Layout
from promlab.model.labels import METRIC_NAME
from promlab.model.metadata import MetricType

Index = npt.NDArray[np.int64]
_OWN = (METRIC_NAME, "le", "quantile")


def series_keys(layout: Layout) -> Index:
    """A number for each row, the same for all lines of one metric.

    Those are the lines of one run whose labels are the same but for name, le and quantile.
    """
    n = layout.n
    run = np.zeros(n, np.uint32)
    for i, each in enumerate(layout.runs):
        run[each.first_row :] = i + 1
    columns = [codes for name, codes in sorted(layout.labels.columns.items()) if name not in _OWN]
    cells = np.stack([run, *columns], axis=1)
    rows = np.ascontiguousarray(cells).view([("", np.uint32)] * cells.shape[1]).reshape(n)
    _, keys = np.unique(rows, return_inverse=True)
    return keys.astype(np.int64)


class Names(NamedTuple):
    """The metric names of a run's rows, and the name of their family."""

    family: str
    texts: list[str]  # distinct names
    which: Index  # of each row

    def ends(self, suffix: str) -> npt.NDArray[np.bool_]:
        """Which rows have the family's name with this suffix."""
        wanted = self.family + suffix
        return np.array([text == wanted for text in self.texts], np.bool_)[self.which]


def run_names(layout: Layout, *types: MetricType) -> Iterator[tuple[slice, Names]]:
    """The rows of each run that has one of these types, and their names."""
    names = layout.labels.column(METRIC_NAME)
    for run, rows in layout.families():
        if run.type in types and rows.stop > rows.start:
            distinct, which = np.unique(names[rows], return_inverse=True)
            # A counter's lines end in _total, its family's name in OpenMetrics does not.
            counter = run.type is MetricType.COUNTER
            family = run.family.removesuffix("_total") if counter else run.family
            yield rows, Names(family, layout.labels.symbols.texts(distinct), which)
