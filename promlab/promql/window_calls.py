"""Range functions that one kernel does for floats: which kernel, in which mode.

Those with scalar arguments besides their window are not here.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import NamedTuple

from promlab.promql.eval_selector import WindowKernel


class WindowCall(NamedTuple):
    """The kernel of a range function by its names; it is loaded when it is needed."""

    family: str
    kernel: str
    mode: str
    keeps_name: bool = False

    def load(self) -> tuple[WindowKernel, int]:
        """Kernel and mode."""
        return _loaded(self.family, self.kernel, self.mode)


@cache
def _loaded(family: str, kernel: str, mode: str) -> tuple[WindowKernel, int]:
    module = import_module(f"promlab.promql.{family}_kernels")
    return getattr(module, kernel), getattr(module, mode)


WINDOW_CALLS = {
    "rate": WindowCall("rate", "extrapolated", "RATE"),
    "increase": WindowCall("rate", "extrapolated", "INCREASE"),
    "delta": WindowCall("rate", "extrapolated", "DELTA"),
    "irate": WindowCall("rate", "last_two", "IRATE"),
    "idelta": WindowCall("rate", "last_two", "IDELTA"),
    "changes": WindowCall("window", "step_counts", "CHANGES"),
    "resets": WindowCall("window", "step_counts", "RESETS"),
    "deriv": WindowCall("moment", "moments", "SLOPE"),
    "sum_over_time": WindowCall("over_time", "sums", "SUM"),
    "avg_over_time": WindowCall("over_time", "sums", "AVG"),
    "max_over_time": WindowCall("over_time", "extremes", "MAX"),
    "min_over_time": WindowCall("over_time", "extremes", "MIN"),
    "ts_of_max_over_time": WindowCall("over_time", "extremes", "MAX_TIME"),
    "ts_of_min_over_time": WindowCall("over_time", "extremes", "MIN_TIME"),
    "stddev_over_time": WindowCall("moment", "moments", "DEVIATION"),
    "stdvar_over_time": WindowCall("moment", "moments", "VARIANCE"),
    "mad_over_time": WindowCall("quantile", "quantiles", "MAD"),
    "count_over_time": WindowCall("window", "edges", "COUNT"),
    "present_over_time": WindowCall("window", "edges", "PRESENT"),
    "last_over_time": WindowCall("window", "edges", "LAST", keeps_name=True),
    "first_over_time": WindowCall("window", "edges", "FIRST", keeps_name=True),
    "ts_of_last_over_time": WindowCall("window", "edges", "LAST_TIME"),
    "ts_of_first_over_time": WindowCall("window", "edges", "FIRST_TIME"),
}
