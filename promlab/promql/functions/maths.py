"""Mathematics on the values of instant vectors, and between scalars."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from promlab.model.samples import Values
from promlab.promql.ast import Call
from promlab.promql.functions.attach import implements
from promlab.promql.naming import drop_name
from promlab.promql.steps import Steps
from promlab.promql.vector import Vector

if TYPE_CHECKING:
    from promlab.promql.evaluator import Evaluator


def _elementary(name: str) -> Callable[[Values], Values]:
    """One of the functions whose last digit is Go's."""

    def apply(values: Values) -> Values:
        from promlab.promql import elementary_kernels as kernels

        out = np.empty(values.size)
        kernels.of_one(np.ascontiguousarray(values).reshape(-1), getattr(kernels, name), out)
        return out.reshape(values.shape)

    return apply


UNARY: dict[str, Callable[[Any], Any]] = {
    "abs": np.abs,
    "ceil": np.ceil,
    "floor": np.floor,
    "sgn": lambda x: np.copysign(np.sign(x), x),  # of zeros the same one
    "sqrt": np.sqrt,
    "exp": _elementary("EXP"),
    "ln": _elementary("LN"),
    "log2": _elementary("LOG2"),
    "log10": _elementary("LOG10"),
    "acos": _elementary("ACOS"),
    "acosh": _elementary("ACOSH"),
    "asin": _elementary("ASIN"),
    "asinh": _elementary("ASINH"),
    "atan": _elementary("ATAN"),
    "atanh": _elementary("ATANH"),
    "cos": _elementary("COS"),
    "cosh": _elementary("COSH"),
    "sin": _elementary("SIN"),
    "sinh": _elementary("SINH"),
    "tan": _elementary("TAN"),
    "tanh": _elementary("TANH"),
    "deg": lambda x: x * 180 / np.pi,
    "rad": lambda x: x * np.pi / 180,
}


@implements(*UNARY)
def elementwise(ev: Evaluator, node: Call, steps: Steps) -> Vector:
    """A function of one value."""
    vector = ev.vector(node.args[0], steps).floats()
    with np.errstate(all="ignore"):
        values = UNARY[node.function](vector.values)
    return drop_name(ev.ctx, vector.with_values(values), node)


@implements("round")
def round_to(ev: Evaluator, node: Call, steps: Steps) -> Vector:
    """The nearest multiple; halves go up."""
    vector = ev.vector(node.args[0], steps).floats()
    nearest = ev.scalar(node.args[1], steps) if len(node.args) > 1 else np.ones(steps.count)
    with np.errstate(all="ignore"):
        inverse = 1.0 / nearest
        values = np.floor(vector.values * inverse + 0.5) / inverse
    return drop_name(ev.ctx, vector.with_values(values), node)


@implements("clamp", "clamp_min", "clamp_max")
def clamp(ev: Evaluator, node: Call, steps: Steps) -> Vector:
    """Values within bounds; NaN bounds give NaN, crossed bounds no result."""
    vector = ev.vector(node.args[0], steps).floats()
    bounds = [ev.scalar(argument, steps) for argument in node.args[1:]]
    values, present = vector.values, vector.present
    if node.function == "clamp":
        values = at_least(bounds[0], at_most(bounds[1], values))
        present = present & ~(bounds[1] < bounds[0])
    elif node.function == "clamp_min":
        values = at_least(bounds[0], values)
    else:
        values = at_most(bounds[0], values)
    return drop_name(ev.ctx, vector.with_values(values, present), node)


def at_least(bound: Values, values: Values) -> Values:
    """The larger of two; NaN if one is, unless the other is +Inf, as Go has it."""
    larger: Values = np.where(
        (bound == np.inf) | (values == np.inf), np.inf, np.maximum(bound, values)
    )
    return larger


def at_most(bound: Values, values: Values) -> Values:
    """The smaller of two; NaN if one is, unless the other is -Inf."""
    smaller: Values = np.where(
        (bound == -np.inf) | (values == -np.inf), -np.inf, np.minimum(bound, values)
    )
    return smaller


@implements("pi")
def pi(ev: Evaluator, node: Call, steps: Steps) -> Values:
    """The number π."""
    return np.full(steps.count, np.pi)


@implements("min_of", "max_of")
def extreme_of(ev: Evaluator, node: Call, steps: Steps) -> Values:
    """The smaller or larger of two scalars."""
    a, b = (ev.scalar(argument, steps) for argument in node.args)
    return at_most(a, b) if node.function == "min_of" else at_least(a, b)
