"""Warnings and infos of a query, in Prometheus's words.

An annotation is a fact about the answer, not an error: `PromQL warning: ... (line:column)`.
Equal ones are kept once, in the order they were found.
"""

from __future__ import annotations

from promlab.errors import position
from promlab.promql.ast import Node, Paren


class Annotations:
    """Collects the annotations of the query with this text."""

    def __init__(self, query: str) -> None:
        self._query = query
        self._warnings: dict[str, None] = {}
        self._infos: dict[str, None] = {}

    def warn(self, message: str, node: Node, *, inside: bool = True) -> None:
        """Something is probably wrong."""
        self._warnings[f"PromQL warning: {message} ({self._position(node, inside)})"] = None

    def inform(self, message: str, node: Node, *, inside: bool = True) -> None:
        """Something is perhaps not what was meant."""
        self._infos[f"PromQL info: {message} ({self._position(node, inside)})"] = None

    def add(self, text: str) -> None:
        """A warning of a source, in its own words."""
        self._warnings[text] = None

    @property
    def warnings(self) -> tuple[str, ...]:
        """All warnings."""
        return tuple(self._warnings)

    @property
    def infos(self) -> tuple[str, ...]:
        """All infos."""
        return tuple(self._infos)

    def _position(self, node: Node, inside: bool) -> str:
        """Where an expression stands; `inside` the parentheses around it, as of arguments."""
        while inside and isinstance(node, Paren):
            node = node.expr
        return position(self._query, node.start)
