"""Aggregations that go on row by row: their state at first, and what it says in the end.

All rows at once or a few at a time, in the order of the rows: the result is the same, bit for
bit. A state is f64[parts, groups, steps]; what the parts are is the kernel's business.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from promlab.model.samples import Values
from promlab.promql.vector import Mask, Rows

AddKernel = Callable[..., None]


class Reduction:
    """The running state of one aggregation over `groups` groups and `steps` steps."""

    def __init__(self, op: str, groups: int, steps: int) -> None:
        self._kind = kind = _KINDS[op]
        self._kernel, self._mode = _kernel(op)
        self.state: Any = np.empty((kind.parts, groups, steps))
        self.state.fill(kind.first)
        self.seen: Mask = np.zeros((groups, steps), np.bool_)

    def add(self, values: Values, present: Mask, group: Rows, n: int) -> None:
        """Add the first n rows at all steps; `group[i]` is the group of row i."""
        self.add_at(values, present, group, n, 0, values.shape[1])

    def add_at(self, values: Values, present: Mask, group: Rows, n: int, t0: int, t1: int) -> None:
        """The same at the steps t0 <= t < t1."""
        self._kernel(values, present, group, n, t0, t1, self._mode, self.state, self.seen)

    def result(self) -> Values:
        """The value of each group and step; only where `seen` it means anything."""
        if self._kind.parts == 1:  # given as it is: there is nothing to compute
            return self._kind.result(self.state)
        with np.errstate(all="ignore"):
            return self._kind.result(self.state)


@cache
def _kernel(op: str) -> tuple[AddKernel, int]:
    """The kernel of an aggregation, and its mode."""
    from promlab.promql import aggregate_kernels as kernels

    kind = _KINDS[op]
    return getattr(kernels, kind.kernel), getattr(kernels, kind.mode) if kind.mode else 0


def _sum(state: Any) -> Values:
    total: Values = state[0] + state[1]
    return total


def _avg(state: Any) -> Values:
    total, rest, count = state
    running = count < 0
    if running.any():
        count = np.where(running, 1.0, count)
    average: Values = total / count + rest / count
    return average


def _first(state: Any) -> Values:
    value: Values = state[0]
    return value


def _group(state: Any) -> Values:
    return np.ones(state[0].shape)


def _variance(state: Any) -> Values:
    variance: Values = state[1] / state[2]
    return variance


def _deviation(state: Any) -> Values:
    return np.sqrt(_variance(state))


class _Kind(NamedTuple):
    kernel: str
    mode: str
    parts: int
    first: float  # adding to -0 gives the very same number, +0 would lose the sign of -0
    result: Callable[[Any], Values]


_KINDS = {
    "sum": _Kind("add_to_sums", "SUM", 2, -0.0, _sum),
    "avg": _Kind("add_to_sums", "AVG", 3, -0.0, _avg),
    "min": _Kind("add_to_extremes", "MIN", 1, np.nan, _first),
    "max": _Kind("add_to_extremes", "MAX", 1, np.nan, _first),
    "count": _Kind("add_to_counts", "", 1, 0.0, _first),
    "group": _Kind("add_to_counts", "", 1, 0.0, _group),
    "stdvar": _Kind("add_to_variances", "STDVAR", 3, 0.0, _variance),
    "stddev": _Kind("add_to_variances", "STDDEV", 3, 0.0, _deviation),
}
REDUCING = frozenset(_KINDS)
