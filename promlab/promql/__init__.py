"""PromQL: grammar, types, functions, evaluation over columns.

`parse(text)` gives the tree of a query, `pretty(tree)` its text as Prometheus formats it. The
package loads nothing until one of them is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from promlab.promql.parser import parse
    from promlab.promql.printer import pretty

_HOMES = {"parse": "promlab.promql.parser", "pretty": "promlab.promql.printer"}

__all__ = ["parse", "pretty"]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'promlab.promql' has no attribute {name!r}")
    return getattr(import_module(home), name)
