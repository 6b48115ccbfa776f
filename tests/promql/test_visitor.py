"""Trees that are visited and rewritten."""

from __future__ import annotations

from dataclasses import replace

import pytest

from promlab.promql import Visitor, children, parse, pretty, rewrite, walk, with_matchers
from promlab.promql.ast import Call, MatrixSelector, Node, NumberLiteral, VectorSelector


class Metrics(Visitor):
    def __init__(self) -> None:
        self.names: list[str] = []
        self.functions: list[str] = []

    def vector_selector(self, node: VectorSelector) -> None:
        self.names.append(node.name)

    def call(self, node: Call) -> None:
        self.functions.append(node.function)
        self.below(node)


def test_visits_kinds_of_nodes_in_text_order() -> None:
    found = Metrics()
    found.visit(parse("sum(rate(a[5m])) / ignoring (x) b + max_over_time(c[1h:1m]) * -abs(d)"))
    assert found.names == ["a", "b", "c", "d"]
    assert found.functions == ["rate", "max_over_time", "abs"]


def test_a_visit_returns_what_its_method_does() -> None:
    class Depth(Visitor):
        def node(self, node: Node) -> int:
            return 1 + max(map(self.visit, children(node)), default=0)

    assert Depth().visit(parse("sum(rate(a[5m]))")) == 4


def test_walk_and_rewrite_from_the_package() -> None:
    tree = parse("rate(a[5m]) > 5")
    assert [type(node).__name__ for node in walk(tree)] == [
        "Binary", "Call", "MatrixSelector", "VectorSelector", "NumberLiteral",
    ]  # fmt: skip

    def slower(node: Node) -> Node:
        match node:
            case MatrixSelector():
                return replace(node, range=3_600_000)
            case NumberLiteral():
                return replace(node, value=node.value * 2)
        return node

    assert str(rewrite(tree, slower)) == "rate(a[1h]) > 10"
    assert str(tree) == "rate(a[5m]) > 5"
    assert pretty(tree) == "  rate(a[5m])\n>\n  5" or pretty(tree) == "rate(a[5m]) > 5"


def test_matchers_in_every_selector() -> None:
    tree = parse('a{job="x"} / on (job) rate(b{tenant!="1"}[5m] offset 1h)')
    assert str(with_matchers(tree, tenant="7")) == (
        'a{job="x",tenant="7"} / on (job) rate(b{tenant="7"}[5m] offset 1h)'
    )
    with pytest.raises(ValueError, match="__name__ is the metric"):
        with_matchers(tree, __name__="x")
