"""PromQL: grammar, types, functions, evaluation over columns.

`parse(text)` gives the tree of a query (`promlab.promql.ast`), `str(tree)` its text and
`pretty(tree)` the text as Prometheus formats it. `parse_selector` gives the matchers of a plain
selector. `walk` and `Visitor` look at a tree, `rewrite`
makes another of it. The package loads nothing until one of them is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from promlab.promql import ast
    from promlab.promql.ast import children, rewrite, walk
    from promlab.promql.parser import parse, parse_selector
    from promlab.promql.printer import pretty
    from promlab.promql.visitor import Visitor, with_matchers

_HOMES = {
    "Visitor": "promlab.promql.visitor",
    "children": "promlab.promql.ast",
    "parse": "promlab.promql.parser",
    "parse_selector": "promlab.promql.parser",
    "pretty": "promlab.promql.printer",
    "rewrite": "promlab.promql.ast",
    "walk": "promlab.promql.ast",
    "with_matchers": "promlab.promql.visitor",
}

__all__ = [
    "Visitor", "ast", "children", "parse", "parse_selector", "pretty", "rewrite", "walk",
    "with_matchers",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name == "ast":
        return import_module("promlab.promql.ast")
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'promlab.promql' has no attribute {name!r}")
    return getattr(import_module(home), name)
