"""Ranges too short for what is asked of them: `rate(x[15s])` where a sample comes every 15 s.

A rate needs two samples. A range that holds fewer gives nothing and no error either, as in
Prometheus; here is which parts of a query that can happen to, and what to write instead.
Nothing is evaluated here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from promlab.model.durations import format_duration_ms
from promlab.promql.ast import Call, Expr, MatrixSelector, VectorSelector, walk

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

# Functions of two samples and more.
OF_TWO = frozenset({"rate", "increase", "irate", "delta", "idelta", "deriv", "predict_linear"})
# What Prometheus's own documentation advises: two scrapes may fail then.
_INTERVALS = 4


class Window(NamedTuple):
    """A range that has to hold two samples."""

    function: str
    selector: VectorSelector
    range_ms: int


def windows_of_two(expr: Expr) -> Iterator[Window]:
    """Those of a query whose length is written down, in text order.

    An anchored or smoothed range looks beyond its edges and is none of them.
    """
    for node in walk(expr):
        if isinstance(node, Call) and node.function in OF_TWO:
            window = node.args[0]
            if isinstance(window, MatrixSelector) and isinstance(window.range, int):
                selector = window.selector
                if not (selector.anchored or selector.smoothed):
                    yield Window(node.function, selector, window.range)


def advice(window: Window, spacing_ms: int) -> str:
    """What to say where samples are so far apart; empty where the range is long enough."""
    if spacing_ms <= 0 or window.range_ms >= 2 * spacing_ms:
        return ""
    name = window.selector.name or str(window.selector)
    better = _rounded_up(_INTERVALS * _rounded(spacing_ms))
    return (
        f"{window.function} needs two samples, and [{format_duration_ms(window.range_ms)}] holds "
        f"fewer: {name} has one every {format_duration_ms(_rounded(spacing_ms))}. Write "
        f"[{format_duration_ms(better)}] or longer"
    )


def spacing_ms(t_ms: npt.NDArray[np.int64]) -> int:
    """How far apart the samples of a series are, most of the time; 0 for fewer than two."""
    import numpy as np

    return int(np.median(np.diff(t_ms))) if len(t_ms) > 1 else 0


def _rounded(duration_ms: int) -> int:
    """Whole seconds, from one second on."""
    return round(duration_ms / 1000) * 1000 if duration_ms >= 1000 else duration_ms


def _rounded_up(duration_ms: int) -> int:
    """A length that people write: a whole number of seconds, above a minute of minutes."""
    unit = 1000 if duration_ms <= 60_000 else 60_000
    return -(-duration_ms // unit) * unit
