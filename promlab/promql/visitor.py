"""Looking at trees and changing them: a visitor by kind of node, and the commonest rewrite."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, cast

from promlab.model.labels import METRIC_NAME
from promlab.model.matchers import Matcher, MatchType
from promlab.promql.ast import Binary, Expr, Node, VectorSelector, children, rewrite, spine


class Visitor:
    """Calls a method for each node, named for its kind: `vector_selector(node)`, `call(node)`.

    Nodes without a method are passed to `node(node)`, which visits what is below them; a
    method that wants that too calls `self.below(node)`. A visit returns what its method does.
    A method `binary` that goes below has thousands of calls open in a chain of thousands of
    operators: follow `spine(node)` there instead.

        class Metrics(Visitor):
            def __init__(self): self.names = set()
            def vector_selector(self, node): self.names.add(node.name)

        found = Metrics()
        found.visit(parse("a / rate(b[5m])"))
    """

    def visit(self, node: Node) -> Any:
        """Call the method for this kind of node."""
        method = getattr(self, _method_name(type(node).__name__), self.node)
        return method(node)

    def below(self, node: Node) -> None:
        """Visit all nodes directly below, in text order."""
        if isinstance(node, Binary) and self._follows_chains():
            chain = spine(node)
            self.visit(chain[0].lhs)
            for link in chain:
                self.visit(link.rhs)
            return
        for child in children(node):
            self.visit(child)

    def _follows_chains(self) -> bool:
        """Nothing is done with an operator itself: a chain of any length is one level."""
        return type(self).node is Visitor.node and not hasattr(self, "binary")

    def node(self, node: Node) -> Any:
        """What is done with kinds of nodes that have no method of their own."""
        self.below(node)


def with_matchers(expr: Expr, **labels: str) -> Expr:
    """The query with an equality matcher for each label in every selector.

    A matcher that a selector has for one of these labels is replaced: the query then sees
    nothing but series with these labels, as a proxy that separates tenants wants it.
    Raises ValueError for the metric's name: that is a selector's own.
    """
    if METRIC_NAME in labels:
        raise ValueError(f"{METRIC_NAME} is the metric of each selector: rewrite the tree for that")
    added = tuple(Matcher(name, MatchType.EQUAL, value) for name, value in labels.items())

    def change(node: Node) -> Node:
        if not isinstance(node, VectorSelector):
            return node
        kept = tuple(matcher for matcher in node.matchers if matcher.name not in labels)
        return replace(node, matchers=(*kept, *added))

    return cast(Expr, rewrite(expr, change))


def _method_name(kind: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", kind).lower()
