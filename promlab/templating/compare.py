"""Comparisons of template values: `eq`, `ne`, `lt`, `le`, `gt`, `ge`.

Numbers of different kinds are not comparable, as in Go: `eq 1 1.0` is an error.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from promlab.templating.errors import FunctionError
from promlab.templating.printing import text_of
from promlab.templating.values import basic_kind, type_name


def equal(first: Any, *others: Any) -> bool:
    """Whether the first is equal to any of the others."""
    if not others:
        raise FunctionError("missing argument for comparison")
    return any(_same(first, other) for other in others)


def not_equal(first: Any, second: Any) -> bool:
    """Whether two values differ."""
    return not _same(first, second)


def _same(a: Any, b: Any) -> bool:
    kind_a, kind_b = basic_kind(a), basic_kind(b)
    if kind_a != kind_b:
        if a is None or b is None:
            return False
        raise _incompatible(a, b)
    if kind_a:
        return bool(a == b)
    if a is None or b is None:
        return a is None and b is None
    for value in (a, b):
        if isinstance(value, (dict, list, tuple)):
            raise FunctionError(f"non-comparable type {text_of(value)}: {type_name(value)}")
    return bool(a == b)


def _incompatible(a: Any, b: Any) -> FunctionError:
    return FunctionError(f"incompatible types for comparison: {type_name(a)} and {type_name(b)}")


def _ordering(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def apply(a: Any, b: Any) -> bool:
        kind_a, kind_b = basic_kind(a), basic_kind(b)
        if not kind_a or not kind_b:
            raise FunctionError("invalid type for comparison")
        if kind_a != kind_b:
            raise _incompatible(a, b)
        if kind_a == "bool":
            raise FunctionError("invalid type for comparison")
        return compare(a, b)

    return apply


less = _ordering(operator.lt)
less_or_equal = _ordering(operator.le)
greater = _ordering(operator.gt)
greater_or_equal = _ordering(operator.ge)
