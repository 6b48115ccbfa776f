"""The tree of a template, and its text as it stands in error messages.

Every node has `at`, its offset in the template's text in characters. `str(node)` is what Go
prints between `<` and `>` in an error.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from promlab.templating.errors import quote


@dataclass(frozen=True, slots=True)
class Node:
    """Anything in the tree."""

    at: int


@dataclass(frozen=True, slots=True)
class Text(Node):
    """What stands outside of actions."""

    text: str


@dataclass(frozen=True, slots=True)
class Dot(Node):
    """The value that the template works on here."""

    def __str__(self) -> str:
        return "."


@dataclass(frozen=True, slots=True)
class Nil(Node):
    """The word nil."""

    def __str__(self) -> str:
        return "nil"


@dataclass(frozen=True, slots=True)
class Literal(Node):
    """A bool, number, rune or string; `source` is as it is written."""

    value: bool | int | float | str
    source: str

    def __str__(self) -> str:
        return self.source


@dataclass(frozen=True, slots=True)
class Field(Node):
    """`.a.b`: fields of dot."""

    names: tuple[str, ...]

    def __str__(self) -> str:
        return "".join(f".{name}" for name in self.names)


@dataclass(frozen=True, slots=True)
class Variable(Node):
    """`$x.a.b`; the name has its dollar."""

    name: str
    fields: tuple[str, ...] = ()

    def __str__(self) -> str:
        return ".".join((self.name, *self.fields))


@dataclass(frozen=True, slots=True)
class Identifier(Node):
    """The name of a function."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Chain(Node):
    """`(pipeline).a.b` or `function.a.b`."""

    node: Node
    fields: tuple[str, ...]

    def __str__(self) -> str:
        base = f"({self.node})" if isinstance(self.node, Pipe) else str(self.node)
        return base + "".join(f".{name}" for name in self.fields)


@dataclass(frozen=True, slots=True)
class Command(Node):
    """A value, or a function or method with its arguments."""

    args: tuple[Node, ...]

    def __str__(self) -> str:
        return " ".join(f"({arg})" if isinstance(arg, Pipe) else str(arg) for arg in self.args)


@dataclass(frozen=True, slots=True)
class Pipe(Node):
    """Commands, each getting the value of the one before as its last argument."""

    commands: tuple[Command, ...]
    variables: tuple[Variable, ...] = ()
    assigns: bool = False

    def __str__(self) -> str:
        sign = " = " if self.assigns else " := "
        names = ", ".join(map(str, self.variables))
        shown = " | ".join(map(str, self.commands))
        return f"{names}{sign}{shown}" if names else shown


@dataclass(frozen=True, slots=True)
class Block(Node):
    """Nodes one after the other."""

    nodes: tuple[Node, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Action(Node):
    """`{{pipeline}}`: prints its value, unless it sets a variable."""

    pipe: Pipe

    def __str__(self) -> str:
        return f"{{{{{self.pipe}}}}}"


@dataclass(frozen=True, slots=True)
class If(Node):
    """`{{if}}`."""

    pipe: Pipe
    then: Block
    otherwise: Block | None


@dataclass(frozen=True, slots=True)
class With(Node):
    """`{{with}}`: as if, with dot set to the value."""

    pipe: Pipe
    then: Block
    otherwise: Block | None


@dataclass(frozen=True, slots=True)
class Range(Node):
    """`{{range}}`."""

    pipe: Pipe
    then: Block
    otherwise: Block | None


@dataclass(frozen=True, slots=True)
class Break(Node):
    """`{{break}}`."""


@dataclass(frozen=True, slots=True)
class Continue(Node):
    """`{{continue}}`."""


@dataclass(frozen=True, slots=True)
class Call(Node):
    """`{{template "name" pipeline}}`."""

    name: str
    pipe: Pipe | None

    def __str__(self) -> str:
        shown = f" {self.pipe}" if self.pipe else ""
        return f"{{{{template {quote(self.name)}{shown}}}}}"


@dataclass(frozen=True, slots=True)
class Definition:
    """A named template: its tree, and the text that offsets in it count in."""

    name: str
    body: Block
    file: str
    text: str

    def place(self, at: int) -> tuple[int, int]:
        """1-based line and column (in bytes, from 0) of an offset."""
        before = self.text[:at]
        line_start = before.rfind("\n") + 1
        return before.count("\n") + 1, len(before[line_start:].encode())

    @property
    def is_empty(self) -> bool:
        """Whether there are only blanks in it."""
        return all(isinstance(n, Text) and not n.text.strip() for n in self.body.nodes)
