"""Which series pass some matchers: `Selection`, and those of an index that were asked for last.

A selection keeps what was worked out for it: labels, where its samples are, values of labels.
Whoever asks for all series in a thousand ways must not fill the memory with them: what is kept
is bounded in rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from promlab.model.bounded import Bounded
from promlab.model.labels import LabelTable
from promlab.model.matchers import Matcher
from promlab.tsdb.plan import Plan

Longs = npt.NDArray[np.int64]
_OWN_ROWS = 64  # what a selection takes in memory besides its rows, in rows


class Witnessed(NamedTuple):
    """Sorted values of a label in a selection: text, code, and a series that has it."""

    texts: list[str]
    codes: Longs
    series: Longs


@dataclass(slots=True)
class Selection:
    """The series that pass some matchers, of the first `looked_at` series."""

    series: Longs
    looked_at: int
    labels: LabelTable | None = None
    plan: Plan | None = None
    starts: Selection | None = None  # the hidden series with these series' start times
    starts_of: Longs | None = None  # which of this selection each of those belongs to
    values: dict[str, Witnessed] = field(default_factory=dict)  # of labels that were asked for

    def witnesses(self, name: str) -> Witnessed:
        """The values of a label, and of each one series that has it: the newest."""
        found = self.values.get(name)
        if found is None:
            assert self.labels is not None
            codes = self.labels.column(name)
            newest = np.full(int(codes.max(initial=0)) + 1, -1, np.int64)
            newest[codes] = np.arange(len(codes))
            newest[0] = -1
            distinct = np.flatnonzero(newest >= 0)
            texts = self.labels.symbols.texts(distinct)
            order = sorted(range(len(texts)), key=texts.__getitem__)
            distinct = distinct[np.array(order, np.int64)]
            texts = [texts[i] for i in order]
            found = Witnessed(texts, distinct, newest[distinct])
            if texts:  # names that nobody has are without number
                self.values[name] = found
        return found


def rows_of_head(series: int) -> int:
    """Rows that selections of a head may have together: dashboards ask for the same again."""
    return (1 << 16) + min(8 * series, 1 << 21)


def rows_of_block(series: int) -> int:
    """The same of one of many blocks."""
    return (1 << 13) + series


class Selections:
    """Selections by matchers; those not used for longest go where there is no room."""

    def __init__(self, most_rows: Callable[[int], int] = rows_of_head) -> None:
        self._most_rows = most_rows
        self._kept: Bounded[tuple[Matcher, ...], Selection] = Bounded(most_rows(0), _rows_of)

    @property
    def rows(self) -> int:
        """Of all of them."""
        return self._kept.size

    def get(self, key: tuple[Matcher, ...]) -> Selection | None:
        """The selection by these matchers."""
        return self._kept.get(key)

    def keep(self, key: tuple[Matcher, ...], found: Selection, series: int) -> None:
        """Keep one, of an index with so many series, in the place of an earlier one."""
        self._kept.most = self._most_rows(series)
        self._kept.put(key, found)


def _rows_of(selection: Selection) -> int:
    return len(selection.series) + _OWN_ROWS
