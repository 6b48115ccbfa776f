"""Functions of PromQL, one module a family; `attach` joins them to the registry's names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from promlab.promql.ast import Call
from promlab.promql.functions import (
    histogram,
    info,
    labels,
    maths,
    over_time,
    rates,
    shape,
    times,
)
from promlab.promql.functions.attach import IMPLEMENTATIONS
from promlab.promql.steps import Steps

if TYPE_CHECKING:
    from promlab.promql.evaluator import Evaluator, StepValue

__all__ = [
    "IMPLEMENTATIONS",
    "call",
    "histogram",
    "info",
    "labels",
    "maths",
    "over_time",
    "rates",
    "shape",
    "times",
]


def call(ev: Evaluator, node: Call, steps: Steps) -> StepValue:
    """Value of a function call."""
    implementation = IMPLEMENTATIONS.get(node.function)
    if implementation is None:
        raise ev.ctx.error(f"function {node.function} can't be evaluated by this engine", node)
    return implementation(ev, node, steps)
