"""`PieceNumbers`: where the pieces of one label's values are, by the values' codes.

Sorted runs, each a few times as long as the next. A new value makes a run of its own, and runs
that come near the length of the one before are merged: who prints another of a million
values with each answer does not sort a million each time.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from promlab.model.labels import Codes

Indices = npt.NDArray[np.int64]
_TIMES = 4  # as long as the next, at least


class PieceNumbers:
    """Code 0, no value, is piece 0. Not to be used from several threads at once."""

    __slots__ = ("_runs",)

    def __init__(self) -> None:
        self._runs = [(np.zeros(1, np.uint32), np.zeros(1, np.int64))]

    def find(self, codes: Codes) -> Indices:
        """The piece of each code, -1 where it has none."""
        found = np.full(len(codes), -1, np.int64)
        for known, pieces in self._runs:
            at = np.minimum(np.searchsorted(known, codes), len(known) - 1)
            there = known[at] == codes
            if there.all():
                return pieces[at]
            found[there] = pieces[at[there]]
        return found

    def add(self, codes: Codes, pieces: Indices) -> None:
        """Pieces of some codes, in ascending order, that have none yet."""
        runs = self._runs
        while runs and len(runs[-1][0]) < _TIMES * len(codes):
            known, before = runs.pop()
            codes, pieces = np.concatenate([known, codes]), np.concatenate([before, pieces])
            order = np.argsort(codes, kind="stable")
            codes, pieces = codes[order], pieces[order]
        runs.append((codes, pieces))
