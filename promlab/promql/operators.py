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


def _elementary(name: str) -> Operator:
    """One of the functions whose last digit is Go's."""

    def apply(a: Any, b: Any) -> Any:
        from promlab.promql import elementary_kernels as kernels

        shape = np.broadcast_shapes(np.shape(a), np.shape(b))
        left, right = (
            np.ascontiguousarray(np.broadcast_to(one, shape), np.float64).reshape(-1)
            for one in (a, b)
        )
        out = np.empty(left.size)
        kernels.of_two(left, right, getattr(kernels, name), out)
        return out.reshape(shape)

    return apply


OPERATORS: dict[str, Operator] = {
    "+": _quiet(np.add),
    "-": _quiet(np.subtract),
    "*": _quiet(np.multiply),
    "/": _quiet(np.divide),
    "%": _quiet(np.fmod),
    "^": _elementary("POWER"),
    "atan2": _elementary("ATAN2"),
    "==": np.equal,
    "!=": np.not_equal,
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
}
