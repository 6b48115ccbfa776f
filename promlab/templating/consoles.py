"""Console pages: HTML templates that ask queries, and libraries of definitions that they share.

    page = ConsolePage("/node.html", text, {"prom.lib": library})
    page.expand(ConsoleData({"instance": ["a:80"]}, "node.html", {}), functions(...))

Values are made safe for where they stand in the HTML. What `tmpl` gives is a definition's HTML.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from promlab.templating.errors import FunctionError, Limits, TemplateError, TemplateSyntaxError
from promlab.templating.html import HtmlEscaper, SafeHtml
from promlab.templating.prometheus import DECLARED
from promlab.templating.template import TemplateSet
from promlab.templating.values import Function, Functions, StringMap, Struct

# What every page may use by these names.
_VARIABLES = (
    "{{$rawParams := .RawParams }}{{$params := .Params}}"
    "{{$path := .Path}}{{$externalLabels := .ExternalLabels}}"
)
_MAX_NESTED = 20  # pieces in pieces by `tmpl`
_LIMITS = Limits(max_output=16 << 20, time_s=60.0)  # its queries take their time


@dataclass(frozen=True, slots=True)
class ConsoleData:
    """What a page sees: the parameters of its URL, and where it is below `/consoles/`."""

    params: Mapping[str, list[str]]
    path: str
    external_labels: Mapping[str, str]


class _Data(Struct):
    go_type = "struct { RawParams url.Values; Params map[string]string; Path string; ExternalLabels map[string]string }"  # noqa: E501  (Go's own words)

    def __init__(self, data: ConsoleData) -> None:
        first = {name: values[0] for name, values in data.params.items() if values}
        self._fields = {
            "RawParams": dict(data.params),
            "Params": StringMap(first),
            "Path": data.path,
            "ExternalLabels": StringMap(data.external_labels),
        }

    def template_fields(self) -> Mapping[str, Any]:
        return self._fields


class ConsolePage:
    """One page with its libraries. Raises TemplateSyntaxError if any of it does not parse."""

    def __init__(self, name: str, text: str, libraries: Mapping[str, str]) -> None:
        self._name = f"__console_{name}"
        self._set = TemplateSet({**DECLARED, **_MARKUP}, missing="zero", limits=_LIMITS)
        self._set.add(self._name, _VARIABLES + text)
        for library, definitions in sorted(libraries.items()):
            self._set.add(library, definitions)

    def expand(self, data: ConsoleData, functions: Functions) -> str:
        """The page's HTML. Raises TemplateError."""
        nested = 0

        def piece(name: str, value: Any) -> SafeHtml:
            nonlocal nested
            if nested >= _MAX_NESTED:
                raise FunctionError(f"tmpl is nested more than {_MAX_NESTED} times")
            nested += 1
            try:
                return SafeHtml(self._set.execute(name, value, callables, HtmlEscaper()))
            except TemplateError as error:
                raise FunctionError(str(error)) from None
            finally:
                nested -= 1

        callables = {**functions, "tmpl": replace(_MARKUP["tmpl"], call=piece)}
        return self._set.execute(self._name, _Data(data), callables, HtmlEscaper())


def explanation(path: str, error: TemplateError) -> str:
    """What Prometheus answers in the place of a page whose template fails."""
    doing = "parsing" if isinstance(error, TemplateSyntaxError) else "executing"
    return f"error {doing} template __console_{path}: {error}"


def _no_piece(_name: str, _value: Any) -> SafeHtml:
    raise FunctionError("there is no page around it")


_MARKUP: Functions = {
    "safeHtml": Function(SafeHtml, ("string",)),
    "tmpl": Function(_no_piece, ("string", "any")),
}
