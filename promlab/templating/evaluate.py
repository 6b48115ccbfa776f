"""One execution of a template: walks the tree, prints text, keeps to its limits.

Follows Go's text/template in what is evaluated when, and in what an error names. Fields are
looked up in dicts and `Struct`s only; functions get arguments of the kinds that they declare.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NoReturn, Protocol

from promlab.errors import PromlabError
from promlab.templating import tree
from promlab.templating.arguments import Mismatch, convert
from promlab.templating.errors import Limits, TemplateError, TemplateLimit, quote
from promlab.templating.printing import sorted_keys, text_of
from promlab.templating.tree import Definition, Node, Pipe
from promlab.templating.values import (
    Function,
    Functions,
    HasMethods,
    Struct,
    truth,
    type_name,
    zero_of,
)

_TIME_EVERY = 256


class _Missing:
    """No final argument: nil is one."""


MISSING: Final = _Missing()


class _Break(Exception):
    """Leaves the innermost range."""


class _Continue(Exception):
    """Goes on with the next element."""


class Escaper(Protocol):
    """What stands between a template's values and a text with a syntax of its own."""

    def literal(self, text: str) -> str:
        """Text of the template itself, as it is printed."""

    def value(self, value: Any, text: str) -> str:
        """A value whose plain text is given, as it is printed where it stands."""


class Execution:
    """State of one execution."""

    def __init__(
        self,
        definitions: Mapping[str, Definition],
        functions: Functions,
        missing: str,
        limits: Limits,
        escaper: Escaper | None = None,
    ) -> None:
        self._definitions, self._functions = definitions, functions
        self._missing, self._limits, self._escaper = missing, limits, escaper
        self._out: list[str] = []
        self._size = 0
        self._steps = 0
        self._depth = 0
        self._deadline = time.monotonic() + limits.time_s
        self._variables: list[tuple[str, Any]] = []
        self._definition: Definition
        self._node: Node

    def run(self, definition: Definition, value: Any) -> str:
        """The text of a template for a value. Raises TemplateError."""
        self._definition, self._node = definition, definition.body
        self._variables = [("$", value)]
        try:
            self._walk_block(value, definition.body)
        except RecursionError:
            self._stop("it is nested too deeply")
        return "".join(self._out)

    # Errors and limits

    def _fail(self, message: str, kind: type[TemplateError] = TemplateError) -> NoReturn:
        where = self._definition
        line, column = where.place(self._node.at)
        raise kind(
            message,
            name=where.file,
            line=line,
            column=column,
            executing=where.name,
            context=str(self._node),
        )

    def _stop(self, what: str) -> NoReturn:
        self._fail(f"the template was stopped: {what}", TemplateLimit)

    def _at(self, node: Node) -> None:
        self._node = node
        self._step()

    def _step(self) -> None:
        self._steps += 1
        if self._steps > self._limits.max_steps:
            self._stop(f"it takes more than {self._limits.max_steps:,} steps")
        if self._steps % _TIME_EVERY == 0 and time.monotonic() > self._deadline:
            self._stop(f"it takes longer than {self._limits.time_s:g}s")

    def _deeper(self) -> None:
        self._depth += 1
        if self._depth > self._limits.max_depth:
            self._stop(f"it is nested deeper than {self._limits.max_depth} levels")

    def _print(self, text: str) -> None:
        self._size += len(text)
        if self._size > self._limits.max_output:
            self._stop(f"its text is longer than {self._limits.max_output:,} characters")
        self._out.append(text)

    # Nodes

    def _walk_block(self, dot: Any, block: tree.Block) -> None:
        self._deeper()
        self._step()
        for node in block.nodes:
            self._at(node)
            self._walk(dot, node)
        self._depth -= 1

    def _walk(self, dot: Any, node: Node) -> None:
        match node:
            case tree.Text(text=text):
                self._print(text if self._escaper is None else self._escaper.literal(text))
            case tree.Action(pipe=pipe):
                value = self._pipeline(dot, pipe)
                if not pipe.variables:
                    self._at(node)
                    text = "<no value>" if value is None else self._printable(value)
                    self._print(text if self._escaper is None else self._escaper.value(value, text))
            case tree.If() | tree.With():
                self._if_or_with(dot, node)
            case tree.Range():
                self._range(dot, node)
            case tree.Call():
                self._template(dot, node)
            case tree.Break():
                raise _Break
            case tree.Continue():
                raise _Continue

    def _printable(self, value: Any) -> str:
        if isinstance(value, Function):
            self._fail(f"can't print {self._node} of type {type_name(value)}")
        return text_of(value)

    def _if_or_with(self, dot: Any, node: tree.If | tree.With) -> None:
        kept = len(self._variables)
        value = self._pipeline(dot, node.pipe)
        if truth(value):
            self._walk_block(value if isinstance(node, tree.With) else dot, node.then)
        elif node.otherwise is not None:
            self._walk_block(dot, node.otherwise)
        del self._variables[kept:]

    def _range(self, dot: Any, node: tree.Range) -> None:
        kept = len(self._variables)
        value = self._pipeline(dot, node.pipe)
        inside = len(self._variables)
        depth = self._depth
        empty = True
        if isinstance(value, int) and len(node.pipe.variables) > 1:
            self._fail(f"can't use {value} to iterate over more than one variable")
        for index, element in self._elements(value):
            empty = False
            self._set_range_variables(node.pipe, index, element)
            try:
                self._walk_block(element, node.then)
            except _Break:
                break
            except _Continue:
                pass
            finally:
                self._depth = depth
                del self._variables[inside:]
        if empty and node.otherwise is not None:
            self._walk_block(dot, node.otherwise)
        del self._variables[kept:]

    def _elements(self, value: Any) -> Iterator[tuple[Any, Any]]:
        if value is None:
            return iter(())
        if isinstance(value, dict):
            return ((key, value[key]) for key in sorted_keys(value))
        if isinstance(value, (list, tuple)):
            return enumerate(value)
        if isinstance(value, int) and not isinstance(value, bool):
            return ((i, i) for i in range(value))
        self._fail(f"range can't iterate over {text_of(value)}")

    def _set_range_variables(self, pipe: Pipe, index: Any, element: Any) -> None:
        names = [variable.name for variable in pipe.variables]
        values = [index, element] if len(names) == 2 else [element]
        if pipe.assigns:
            for name, value in zip(names, values, strict=False):
                self._assign(name, value)
            return
        at = len(self._variables) - len(names)
        for i, (name, value) in enumerate(zip(names, values, strict=False)):
            self._variables[at + i] = (name, value)

    def _template(self, dot: Any, node: tree.Call) -> None:
        found = self._definitions.get(node.name)
        if found is None:
            self._fail(f"template {quote(node.name)} not defined")
        value = None if node.pipe is None else self._pipeline(dot, node.pipe)
        before = self._definition, self._variables
        self._definition, self._variables = found, [("$", value)]
        self._node = found.body
        self._walk_block(value, found.body)
        self._definition, self._variables = before
        self._node = node

    # Variables

    def _variable(self, name: str) -> Any:
        for known, value in reversed(self._variables):
            if known == name:
                return value
        self._fail(f"undefined variable: {name}")

    def _assign(self, name: str, value: Any) -> None:
        for i in range(len(self._variables) - 1, -1, -1):
            if self._variables[i][0] == name:
                self._variables[i] = (name, value)
                return
        self._fail(f"undefined variable: {name}")

    # Pipelines

    def _pipeline(self, dot: Any, pipe: Pipe) -> Any:
        self._deeper()
        self._at(pipe)
        value: Any = MISSING
        for command in pipe.commands:
            value = self._command(dot, command, value)
        for variable in pipe.variables:
            if pipe.assigns:
                self._assign(variable.name, value)
            else:
                self._variables.append((variable.name, value))
        self._depth -= 1
        return value

    def _command(self, dot: Any, command: tree.Command, final: Any) -> Any:
        first = command.args[0]
        match first:
            case tree.Field():
                return self._field_node(dot, first, command.args, final)
            case tree.Chain():
                return self._chain(dot, first, command.args, final)
            case tree.Identifier():
                return self._function(dot, first, command, command.args, final)
            case tree.Variable():
                return self._variable_node(dot, first, command.args, final)
            case Pipe():
                self._not_a_function(command.args, final)
                return self._pipeline(dot, first)
        self._at(first)
        self._not_a_function(command.args, final)
        if isinstance(first, tree.Nil):
            self._fail("nil is not a command")
        return dot if isinstance(first, tree.Dot) else first.value  # type: ignore[attr-defined] # a Literal

    def _not_a_function(self, args: Sequence[Node], final: Any) -> None:
        if len(args) > 1 or final is not MISSING:
            self._fail(f"can't give argument to non-function {args[0]}")

    def _field_node(self, dot: Any, node: tree.Field, args: Sequence[Node], final: Any) -> Any:
        self._at(node)
        return self._fields(dot, dot, node, node.names, args, final)

    def _variable_node(
        self, dot: Any, node: tree.Variable, args: Sequence[Node], final: Any
    ) -> Any:
        self._at(node)
        value = self._variable(node.name)
        if not node.fields:
            self._not_a_function(args, final)
            return value
        return self._fields(dot, value, node, node.fields, args, final)

    def _chain(self, dot: Any, node: tree.Chain, args: Sequence[Node], final: Any) -> Any:
        self._at(node)
        value = self._argument(dot, node.node)
        return self._fields(dot, value, node, node.fields, args, final)

    def _fields(
        self,
        dot: Any,
        receiver: Any,
        node: Node,
        names: Sequence[str],
        args: Sequence[Node],
        final: Any,
    ) -> Any:
        for name in names[:-1]:
            receiver = self._field(dot, name, node, (), MISSING, receiver)
        return self._field(dot, names[-1], node, args, final, receiver)

    def _field(
        self, dot: Any, name: str, node: Node, args: Sequence[Node], final: Any, receiver: Any
    ) -> Any:
        if isinstance(receiver, HasMethods):
            method = receiver.template_methods().get(name)
            if method is not None:
                return self._call(dot, method, node, name, args, final)
        has_arguments = len(args) > 1 or final is not MISSING
        if isinstance(receiver, Struct):
            fields = receiver.template_fields()
            if name in fields:
                if has_arguments:
                    self._fail(f"{name} has arguments but cannot be invoked as function")
                return fields[name]
        elif isinstance(receiver, dict):
            if has_arguments:
                self._fail(f"{name} is not a method but has arguments")
            return receiver[name] if name in receiver else self._no_key(receiver, name)
        elif receiver is None:
            if self._missing == "error":
                self._fail(f"nil data; no entry for key {quote(name)}")
            if self._missing == "zero":
                self._fail(f"nil pointer evaluating interface {{}}.{name}")
            return None
        self._fail(f"can't evaluate field {name} in type {type_name(receiver)}")

    def _no_key(self, receiver: Any, name: str) -> Any:
        if self._missing == "error":
            self._fail(f"map has no entry for key {quote(name)}")
        return zero_of(receiver) if self._missing == "zero" else None

    # Calls

    def _function(
        self,
        dot: Any,
        name: tree.Identifier,
        command: Node,
        args: Sequence[Node],
        final: Any,
    ) -> Any:
        self._at(name)
        function = self._functions.get(name.name)
        if function is None:
            self._fail(f"{quote(name.name)} is not a defined function")
        if name.name in ("and", "or"):
            return self._and_or(dot, name.name == "or", args[1:], final)
        return self._call(dot, function, command, name.name, args, final)

    def _and_or(self, dot: Any, is_or: bool, args: Sequence[Node], final: Any) -> Any:
        if not args and final is MISSING:
            name = "or" if is_or else "and"
            self._fail(f"wrong number of args for {name}: want at least 1 got 0")
        value: Any = None
        for arg in args:
            value = self._argument(dot, arg)
            if truth(value) == is_or:
                return value
        return value if final is MISSING else final

    def _call(
        self,
        dot: Any,
        function: Function,
        node: Node,
        name: str,
        args: Sequence[Node],
        final: Any,
    ) -> Any:
        given = args[1:]
        count = len(given) + (final is not MISSING)
        wanted = len(function.kinds)
        if function.variadic:
            if count < wanted:
                self._fail(f"wrong number of args for {name}: want at least {wanted} got {count}")
        elif count != wanted:
            self._fail(f"wrong number of args for {name}: want {wanted} got {count}")
        kinds = (*function.kinds, *(function.variadic for _ in range(count - wanted)))
        values = [
            self._typed(kind, self._argument(dot, arg), arg)
            for arg, kind in zip(given, kinds, strict=False)
        ]
        if final is not MISSING:
            values.append(self._typed(kinds[-1], final, None))
        try:
            result = function.call(*values)
        except (TemplateLimit, AssertionError, RecursionError):
            raise
        except (PromlabError, ArithmeticError, ValueError) as error:
            self._node = node
            self._fail(f"error calling {name}: {error}")
        if isinstance(result, str) and len(result) > self._limits.max_output:
            self._stop(f"a text is longer than {self._limits.max_output:,} characters")
        return result

    def _typed(self, kind: str, value: Any, arg: Node | None) -> Any:
        try:
            return convert(kind, value, arg)
        except Mismatch as error:
            self._fail(str(error))

    def _argument(self, dot: Any, node: Node) -> Any:
        self._at(node)
        match node:
            case tree.Dot():
                return dot
            case tree.Nil():
                return None
            case tree.Literal(value=value):
                return value
            case tree.Field():
                return self._field_node(dot, node, (node,), MISSING)
            case tree.Variable():
                return self._variable_node(dot, node, (node,), MISSING)
            case Pipe():
                return self._pipeline(dot, node)
            case tree.Identifier():
                return self._function(dot, node, node, (node,), MISSING)
            case tree.Chain():
                return self._chain(dot, node, (node,), MISSING)
        self._fail(f"can't handle {node}")
