"""Values that templates work on, and how Go sees them: kinds, names of types, truth.

A template never touches a Python attribute: it sees text, numbers, bools, None (Go's nil),
lists, dicts with text keys, and `Struct`s, which say themselves what fields and methods they
have. So data that users wrote can't reach anything that was not handed to it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Function:
    """A function or method that templates may call.

    `kinds` are its parameters: "string", "int", "float", "bool", "any", or a name of a Go
    type that the argument must have. `variadic` is the kind of any number of further ones.
    `call` raises FunctionError.
    """

    call: Callable[..., Any]
    kinds: tuple[str, ...] = ()
    variadic: str = ""


Functions = Mapping[str, Function]
_NO_METHODS: Functions = {}


class HasMethods:
    """Something with a Go type name and methods."""

    go_type = "interface {}"

    def template_methods(self) -> Functions:
        """Methods by name."""
        return _NO_METHODS


class Struct(HasMethods):
    """A value with named fields."""

    def template_fields(self) -> Mapping[str, Any]:
        """Fields by name, in order."""
        return {}


class StringMap(dict[str, str], HasMethods):
    """map[string]string: a missing key gives "" where Go's zero value is asked for."""

    go_type = "map[string]string"


class List(list[Any], HasMethods):
    """A list whose Go type has a name, or methods."""

    go_type = "[]interface {}"


class Stringer(HasMethods):
    """A value that prints itself."""

    def go_string(self) -> str:
        """What Go's String() gives."""
        raise NotImplementedError(type(self).__name__)


def is_number(value: object) -> bool:
    """Whether this is one of Go's numbers (a bool is none)."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def type_name(value: object) -> str:
    """The name of a value's type in Go."""
    if isinstance(value, HasMethods):
        return value.go_type
    for kind, name in _TYPES:
        if isinstance(value, kind):
            return name
    return "interface {}"


_TYPES: tuple[tuple[type, str], ...] = (
    (type(None), "<nil>"),
    (bool, "bool"),
    (int, "int"),
    (float, "float64"),
    (str, "string"),
    (dict, "map[string]interface {}"),
    ((list), "[]interface {}"),
    (tuple, "[]interface {}"),
    (Function, "func"),
)


def zero_of(value: object) -> object:
    """What a map gives for a key that it has not, where zero values are asked for."""
    return "" if isinstance(value, StringMap) else None


def truth(value: object) -> bool:
    """Whether a condition holds: false, 0, "", nil and what is empty do not."""
    if value is None:
        return False
    if isinstance(value, (bool, int, float, str, dict, list, tuple)):
        return bool(value)
    return True


def basic_kind(value: object) -> str:
    """Go's kind of a value that can be compared; "" for others."""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "int"
    if isinstance(value, float):
        return "float"
    return "string" if isinstance(value, str) else ""
