"""What a query evaluates to: columns, ready to be printed as JSON, Arrow or a graph.

Values are arrays over series x steps. Where a series has no value at a step, `present` is
False and the value there means nothing; NaN is a value like any other. Where `histograms`
has an index that is not -1, the value is that histogram; it is None where there are none.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from promlab.model.histograms import HistogramColumn
from promlab.model.labels import LabelTable
from promlab.model.samples import SeriesBatch, Times, Values
from promlab.promql.step_counts import StepCounts


class InstantVector(NamedTuple):
    """One sample a series, all at `t_ms`, in the order the answer has them."""

    labels: LabelTable
    t_ms: int
    values: Values  # f64[n]
    histograms: HistogramColumn | None = None  # index i64[n]


class Matrix(NamedTuple):
    """Series over the steps of a range query, sorted by labels."""

    labels: LabelTable
    t_ms: Times  # i64[steps]
    values: Values  # f64[n, steps], C-contiguous
    present: npt.NDArray[np.bool_]  # bool[n, steps], C-contiguous; each row has some True
    histograms: HistogramColumn | None = None  # index i64[n, steps]


class RawMatrix(NamedTuple):
    """Stored samples of an instant query for a range vector; no staleness markers."""

    batch: SeriesBatch


class Scalar(NamedTuple):
    """A number at `t_ms`."""

    t_ms: int
    value: float


class String(NamedTuple):
    """A string literal at `t_ms`."""

    t_ms: int
    value: str


Value = InstantVector | Matrix | RawMatrix | Scalar | String


class QueryStats(msgspec.Struct, frozen=True):
    """What a query cost. `samples_read` counts what came from storage, markers too."""

    samples_read: int = 0
    peak_samples: int = 0
    prepare_s: float = 0.0
    eval_s: float = 0.0
    by_step: StepCounts | None = None  # only where it was asked for


class QueryResult(NamedTuple):
    """Value, annotations (text as the API prints it) and cost."""

    value: Value
    warnings: tuple[str, ...] = ()
    infos: tuple[str, ...] = ()
    stats: QueryStats = QueryStats()

    @property
    def points(self) -> int:
        """How many values there are to print, at most."""
        match self.value:
            case InstantVector() as vector:
                return vector.labels.n
            case Matrix() as matrix:
                return matrix.values.size
            case RawMatrix() as raw:
                return raw.batch.sample_count
            case _:
                return 1
