"""Parsed templates, ready to be executed any number of times and by several threads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from promlab.templating.builtins import BUILTINS
from promlab.templating.errors import DEFAULT_LIMITS, Limits, TemplateError, quote
from promlab.templating.evaluate import Escaper, Execution
from promlab.templating.parser import parse as parse_definitions
from promlab.templating.tree import Definition
from promlab.templating.values import Function, Functions

Missing = Literal["default", "zero", "error"]
NO_FUNCTIONS: Functions = {}
_MAX_TEXTS = 1000


class TemplateSet:
    """Named templates that may use each other, as from a folder of `.tmpl` files.

    `functions` are what texts may call beside the builtins; `missing` says what a map gives
    for a key that it has not: "default" (printed as `<no value>`), "zero" or "error".
    """

    def __init__(
        self,
        functions: Functions = NO_FUNCTIONS,
        *,
        missing: Missing = "default",
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        self._functions: dict[str, Function] = {**BUILTINS, **functions}
        self._missing, self._limits = missing, limits
        self._definitions: dict[str, Definition] = {}
        self._texts: dict[tuple[str, str], list[Definition]] = {}

    @property
    def names(self) -> list[str]:
        """Names of all templates, sorted."""
        return sorted(self._definitions)

    def add(self, name: str, text: str) -> None:
        """Parse a text; later definitions replace earlier ones. Raises TemplateSyntaxError."""
        _merge(self._definitions, parse_definitions(name, text, self._functions))

    def execute(
        self,
        name: str,
        value: Any,
        functions: Functions = NO_FUNCTIONS,
        escaper: Escaper | None = None,
    ) -> str:
        """The text of a template for a value; `functions` replace those of the set.

        With an `escaper`, values are made safe for where they stand. Raises TemplateError.
        """
        definition = self._definitions.get(name)
        if definition is None:
            raise TemplateError(f"no template {quote(name)} associated with template", name=name)
        return self._run(self._definitions, definition, value, functions, escaper)

    def expand(
        self,
        text: str,
        value: Any,
        *,
        name: str = "",
        functions: Functions = NO_FUNCTIONS,
        escaper: Escaper | None = None,
    ) -> str:
        """The text of a template that is given here and may use those of the set.

        With an `escaper`, values are made safe for where they stand. Raises TemplateError.
        """
        parsed = self._parsed(name, text)
        definitions = dict(self._definitions)
        _merge(definitions, parsed)
        return self._run(definitions, parsed[0], value, functions, escaper)

    def _parsed(self, name: str, text: str) -> list[Definition]:
        """The same few texts are expanded again and again."""
        found = self._texts.get((name, text))
        if found is None:
            found = parse_definitions(name, text, self._functions)
            if len(self._texts) >= _MAX_TEXTS:
                self._texts.clear()
            self._texts[name, text] = found
        return found

    def _run(
        self,
        definitions: Mapping[str, Definition],
        definition: Definition,
        value: Any,
        functions: Functions,
        escaper: Escaper | None = None,
    ) -> str:
        callable_now = {**self._functions, **functions} if functions else self._functions
        return Execution(definitions, callable_now, self._missing, self._limits, escaper).run(
            definition, value
        )


class Template:
    """One text with its own definitions."""

    def __init__(
        self,
        name: str,
        text: str,
        functions: Functions = NO_FUNCTIONS,
        *,
        missing: Missing = "default",
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        self._set = TemplateSet(functions, missing=missing, limits=limits)
        self._set.add(name, text)
        self.name = name

    def execute(self, value: Any = None, functions: Functions = NO_FUNCTIONS) -> str:
        """The text for a value. Raises TemplateError."""
        return self._set.execute(self.name, value, functions)


def _merge(into: dict[str, Definition], found: list[Definition]) -> None:
    for definition in found:
        # A body of blanks does not replace a template: files hold definitions only.
        if definition.is_empty and definition.name in into:
            continue
        into[definition.name] = definition
