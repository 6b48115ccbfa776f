"""What the registry says about one function, aggregation or keyword.

Argument types are written in a small notation: `"v:vector to:scalar? label:string*"` are
three arguments, the second may be left out, the last may be repeated or left out.
"""

from __future__ import annotations

from dataclasses import dataclass

from promlab.promql.valuetype import ValueType

_TYPES = {
    "vector": ValueType.VECTOR,
    "range": ValueType.MATRIX,
    "scalar": ValueType.SCALAR,
    "string": ValueType.STRING,
}


@dataclass(frozen=True, slots=True)
class Argument:
    """One parameter: its name in the documentation and its type."""

    name: str
    type: ValueType


@dataclass(frozen=True, slots=True)
class FunctionSpec:
    """A function: what it takes, what it gives, what it means.

    The last `optional` of `arguments` may be left out; with `repeats`, the last argument may
    come any number of times, also none. An `experimental` function is refused unless the
    features of the parser name it (`promql-experimental-functions`).
    """

    name: str
    family: str
    arguments: tuple[Argument, ...]
    returns: ValueType
    summary: str
    details: str = ""
    optional: int = 0
    repeats: bool = False
    experimental: bool = False

    @property
    def min_args(self) -> int:
        """The fewest arguments it takes."""
        return len(self.arguments) - self.optional - self.repeats

    @property
    def max_args(self) -> int | None:
        """The most arguments it takes; None for any number."""
        return None if self.repeats else len(self.arguments)

    def argument(self, i: int) -> Argument:
        """What stands at position `i`, repeated ones counted."""
        return self.arguments[min(i, len(self.arguments) - 1)]

    @property
    def signature(self) -> str:
        """`round(v instant vector, [to_nearest scalar]) instant vector`"""
        shown = []
        for i, argument in enumerate(self.arguments):
            text = f"{argument.name} {argument.type.documented}"
            if self.repeats and i == len(self.arguments) - 1:
                text = f"[{text}, ...]"
            elif i >= self.min_args:
                text = f"[{text}]"
            shown.append(text)
        return f"{self.name}({', '.join(shown)}) {self.returns.documented}"


@dataclass(frozen=True, slots=True)
class AggregationSpec:
    """An aggregation; `param` is what stands before the vector, None for nothing."""

    name: str
    summary: str
    details: str = ""
    param: Argument | None = None
    experimental: bool = False

    @property
    def signature(self) -> str:
        """`topk by|without (labels) (k scalar, v instant vector) instant vector`"""
        param = f"{self.param.name} {self.param.type.documented}, " if self.param else ""
        return f"{self.name} by|without (labels) ({param}v instant vector) instant vector"


@dataclass(frozen=True, slots=True)
class KeywordSpec:
    """A word of the language, with an example of its use."""

    name: str
    summary: str
    example: str
    details: str = ""


def arguments(notation: str) -> tuple[tuple[Argument, ...], int, bool]:
    """Arguments, how many may be left out, and whether the last one repeats."""
    found, optional, repeats = [], 0, False
    for part in notation.split():
        name, _, kind = part.partition(":")
        optional += kind.endswith("?")
        repeats = kind.endswith("*")
        found.append(Argument(name, _TYPES[kind.rstrip("?*")]))
    return tuple(found), optional, repeats


def function(
    family: str,
    name: str,
    takes: str,
    summary: str,
    details: str = "",
    *,
    returns: ValueType = ValueType.VECTOR,
    experimental: bool = False,
) -> FunctionSpec:
    """A FunctionSpec from the notation above."""
    found, optional, repeats = arguments(takes)
    return FunctionSpec(
        name, family, found, returns, summary, details, optional, repeats, experimental
    )
