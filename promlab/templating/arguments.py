"""Arguments of template functions: does a value fit the kind that a function declares?"""

from __future__ import annotations

from typing import Any

from promlab.templating import tree
from promlab.templating.tree import Node
from promlab.templating.values import is_number, type_name


class Mismatch(Exception):
    """A value that does not fit."""


_GO_NAMES = {"float": "float64"}


def convert(kind: str, value: Any, node: Node | None) -> Any:
    """The value as an argument of this kind; `node` is where it is written, if it is.

    Literals are converted (5 is a float where one is wanted); other values must fit.
    """
    if kind == "any":
        return value
    literal = isinstance(node, tree.Literal)
    name = _GO_NAMES.get(kind, kind)
    if isinstance(node, tree.Nil):
        raise Mismatch(f"cannot assign nil to {name}")
    match kind:
        case "string":
            if isinstance(value, str):
                return value
            expected = "string"
        case "bool":
            if isinstance(value, bool):
                return value
            expected = "bool"
        case "int":
            if isinstance(value, int) and not isinstance(value, bool):
                return value
            if literal and isinstance(value, float) and value.is_integer():
                return int(value)
            expected = "integer"
        case "float":
            if isinstance(value, float):
                return value
            if literal and is_number(value):
                return float(value)
            expected = "float"
        case _:
            if type_name(value).lstrip("*") == kind.lstrip("*"):
                return value
            if literal:
                raise Mismatch(f"can't handle {node} for arg of type {kind}")
            expected = kind
    if literal:
        raise Mismatch(f"expected {expected}; found {node}")
    if value is None:
        raise Mismatch(f"invalid value; expected {name}")
    raise Mismatch(f"wrong type for value; expected {name}; got {type_name(value)}")
