"""Arithmetic and comparisons, element by element, with IEEE 754's rules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Operator = Callable[[Any, Any], Any]


def _quiet(ufunc: Any) -> Operator:
    """Dividing by zero and the like are values, not events."""

    def apply(a: Any, b: Any) -> Any:
        with np.errstate(all="ignore"):
            return ufunc(a, b)

    return apply


OPERATORS: dict[str, Operator] = {
    "+": _quiet(np.add),
    "-": _quiet(np.subtract),
    "*": _quiet(np.multiply),
    "/": _quiet(np.divide),
    "%": _quiet(np.fmod),
    "^": _quiet(np.power),
    "atan2": _quiet(np.arctan2),
    "==": np.equal,
    "!=": np.not_equal,
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
}
