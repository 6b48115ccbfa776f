"""Warnings and infos of a query, in Prometheus's words.

An annotation is a fact about the answer, not an error: `PromQL warning: ... (line:column)`.
Equal ones are kept once, in the order they were found.
"""

from __future__ import annotations

from promlab.errors import position
from promlab.promql.ast import Node


class Annotations:
    """Collects the annotations of the query with this text."""

    def __init__(self, query: str) -> None:
        self._query = query
        self._warnings: dict[str, None] = {}
        self._infos: dict[str, None] = {}

    def warn(self, message: str, node: Node) -> None:
        """Something is probably wrong."""
        self._warnings[f"PromQL warning: {message} ({position(self._query, node.start)})"] = None

    def inform(self, message: str, node: Node) -> None:
        """Something is perhaps not what was meant."""
        self._infos[f"PromQL info: {message} ({position(self._query, node.start)})"] = None

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
