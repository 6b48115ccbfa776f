"""Where implementations are attached to the names of functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from promlab.promql.ast import Call
from promlab.promql.steps import Steps

if TYPE_CHECKING:
    from promlab.promql.evaluator import Evaluator, StepValue

Implementation = Callable[["Evaluator", Call, Steps], "StepValue"]
F = TypeVar("F", bound=Callable[..., object])

IMPLEMENTATIONS: dict[str, Implementation] = {}


def implements(*names: str) -> Callable[[F], F]:
    """Attach a function to one or more names; it finds its own name in the call."""

    def attach(function: F) -> F:
        for name in names:
            IMPLEMENTATIONS[name] = function  # type: ignore[assignment]  # F is one of these
        return function

    return attach
