"""What stays the same from scrape to scrape: the series of a body, and their metadata."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from promlab.exposition.metadata import TypeRun
from promlab.model.labels import LabelTable
from promlab.model.metadata import MetricMetadata


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """The series of a body in the order of its lines.

    One object stands for one layout: compare with `is`, or keep things by it in a dict.
    Rows `duplicate_rows` (ascending) repeat the labels of the earlier rows `duplicate_of`.
    `metadata` is by the name of the family, as its TYPE, HELP or UNIT line has it.
    """

    labels: LabelTable
    metadata: Mapping[str, MetricMetadata]
    duplicate_rows: npt.NDArray[np.int64]
    duplicate_of: npt.NDArray[np.int64]
    runs: Sequence[TypeRun] = ()  # which rows belong to which family

    @property
    def n(self) -> int:
        """Number of rows."""
        return self.labels.n

    def families(self) -> Iterator[tuple[TypeRun, slice]]:
        """Each run and its rows."""
        ends = [run.first_row for run in self.runs[1:]] + [self.n]
        for run, end in zip(self.runs, ends, strict=False):
            yield run, slice(run.first_row, end)
