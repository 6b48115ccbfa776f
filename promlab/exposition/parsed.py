"""What is read of one body, whatever its format."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from promlab.exposition.exemplars import Exemplar
from promlab.exposition.layout import Layout
from promlab.model.histograms import HistogramColumn
from promlab.model.samples import Times, Values


@dataclass(frozen=True, slots=True)
class ParsedBody:
    """The samples of one body.

    `values` (f64[n]) and `t_ms` (i64[n], NO_TIME for a row without a timestamp; None where
    none has one) may be the parser's own memory: the next `parse` overwrites them, so copy
    what must live longer. Where `histograms` has an index, the row is that histogram and its
    value means nothing. `start_ms` says since when rows count, 0 where the body does not.
    `layout` is never written to.
    """

    layout: Layout
    values: Values
    t_ms: Times | None
    histograms: HistogramColumn | None
    start_ms: Times | None
    _exemplars: Callable[[], list[Exemplar]]

    def exemplars(self) -> list[Exemplar]:
        """Exemplars in the order of rows; ask before the next `parse`. Raises ExpositionError."""
        return self._exemplars()
