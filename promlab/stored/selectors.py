"""The text of a selector, as PromQL has it, becomes matchers."""

from __future__ import annotations

from collections.abc import Sequence

from promlab.errors import PromQLSyntaxError
from promlab.model.matchers import Matcher
from promlab.promql.ast import VectorSelector
from promlab.promql.parser import parse


def matchers_of(selector: str | Sequence[Matcher]) -> tuple[Matcher, ...]:
    """Matchers of `up{job="node"}`; "" selects everything. Raises PromQLSyntaxError."""
    if not isinstance(selector, str):
        return tuple(selector)
    if not selector.strip():
        return ()
    found = parse(selector)
    if not isinstance(found, VectorSelector) or found.offset or found.at is not None:
        raise PromQLSyntaxError(
            'not a selector: give a metric and labels, as up{job="node"}',
            query=selector,
            end=len(selector),
        )
    return tuple(found.matchers)
