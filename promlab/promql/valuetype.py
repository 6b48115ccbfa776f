"""The four types that a PromQL expression can have."""

from __future__ import annotations

from enum import Enum


class ValueType(Enum):
    """A type; its value is the name in the HTTP API (`resultType`) and in error messages."""

    SCALAR = "scalar"
    VECTOR = "vector"
    MATRIX = "matrix"
    STRING = "string"

    @property
    def documented(self) -> str:
        """The name in the documentation and in error messages: `instant vector`."""
        return _DOCUMENTED[self]


_DOCUMENTED = {
    ValueType.SCALAR: "scalar",
    ValueType.VECTOR: "instant vector",
    ValueType.MATRIX: "range vector",
    ValueType.STRING: "string",
}
