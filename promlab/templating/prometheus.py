"""Templates of alerts: Prometheus' functions and variables.

    template = AlertTemplate("HighLoad", "{{ $labels.instance }} is at {{ $value | humanize }}")
    template.expand(AlertData({"instance": "a:80"}, 3.5, {}, "http://here"), functions(...))

`query` is handed in: this room knows no storage.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from promlab.errors import PromlabError
from promlab.templating import humanize, texts
from promlab.templating.errors import DEFAULT_LIMITS, FunctionError, Limits, TemplateError
from promlab.templating.template import Template
from promlab.templating.values import Function, Functions, List, StringMap, Struct

# What every alert template may use by these names.
_VARIABLES = (
    "{{$labels := .Labels}}{{$externalLabels := .ExternalLabels}}"
    "{{$externalURL := .ExternalURL}}{{$value := .Value}}"
)


class Sample(Struct):
    """One element of a query's result."""

    go_type = "*template.sample"
    __slots__ = ("labels", "value")

    def __init__(self, labels: Mapping[str, str], value: float) -> None:
        self.labels, self.value = StringMap(labels), value

    def template_fields(self) -> Mapping[str, Any]:
        """Labels and Value."""
        return {"Labels": self.labels, "Value": self.value}


class QueryResult(List):
    """The samples of an instant vector."""

    go_type = "template.queryResult"


Query = Callable[[str], Iterable[tuple[Mapping[str, str], float]]]


@dataclass(frozen=True, slots=True)
class AlertData:
    """What a template of an alert sees; labels with the metric's name."""

    labels: Mapping[str, str]
    value: float
    external_labels: Mapping[str, str]
    external_url: str

    def fields(self) -> dict[str, Any]:
        """The value of dot."""
        return {
            "Labels": StringMap(self.labels),
            "ExternalLabels": StringMap(self.external_labels),
            "ExternalURL": self.external_url,
            "Value": self.value,
        }


class _Data(Struct):
    go_type = "struct { Labels map[string]string; ExternalLabels map[string]string; ExternalURL string; Value interface {} }"  # noqa: E501  (Go's own words)

    def __init__(self, data: AlertData) -> None:
        self._fields = data.fields()

    def template_fields(self) -> Mapping[str, Any]:
        return self._fields


class AlertTemplate:
    """One label's or annotation's text. Raises TemplateSyntaxError if it does not parse."""

    def __init__(self, alert: str, text: str, limits: Limits = DEFAULT_LIMITS) -> None:
        self.text = text
        self._template: Template | None = None
        if "{{" in text:
            self._template = Template(
                f"__alert_{alert}", _VARIABLES + text, DECLARED, missing="zero", limits=limits
            )

    def expand(self, data: AlertData, functions: Functions) -> str:
        """The text for one alert. Raises TemplateError."""
        if self._template is None:
            return self.text
        return self._template.execute(_Data(data), functions)


def check(alert: str, text: str) -> None:
    """Raise TemplateSyntaxError if a text is not a template that an alert may have."""
    AlertTemplate(alert, text)


def _first(result: QueryResult) -> Sample:
    if not result:
        raise FunctionError("first() called on vector with no elements")
    sample: Sample = result[0]
    return sample


def _args(*values: Any) -> dict[str, Any]:
    return {f"arg{i}": value for i, value in enumerate(values)}


def _sorted(label: str, result: QueryResult) -> QueryResult:
    return QueryResult(sorted(result, key=lambda sample: sample.labels.get(label, "")))


_SAMPLE, _RESULT = (Sample.go_type,), (QueryResult.go_type,)
_OF_RESULTS: Functions = {
    "first": Function(_first, _RESULT),
    "label": Function(lambda name, s: s.labels.get(name, ""), ("string", *_SAMPLE)),
    "value": Function(lambda s: s.value, _SAMPLE),
    "strvalue": Function(lambda s: s.labels.get("__value__", ""), _SAMPLE),
    "sortByLabel": Function(_sorted, ("string", *_RESULT)),
    "args": Function(_args, (), "any"),
}


def _not_here(*_args: object) -> Any:
    raise FunctionError("there is nothing to ask here")


# Names and parameters of what depends on the evaluation, for the parser.
DECLARED: Functions = {
    **humanize.FUNCTIONS,
    **texts.FUNCTIONS,
    **_OF_RESULTS,
    "query": Function(_not_here, ("string",)),
    "now": Function(_not_here),
    "externalURL": Function(_not_here),
    "pathPrefix": Function(_not_here),
}
FUNCTION_NAMES = frozenset(DECLARED)


def functions(query: Query, now_s: float, external_url: str) -> Functions:
    """The functions of one evaluation, which happens at `now_s` (seconds since 1970)."""

    @lru_cache(maxsize=256)
    def ask(text: str) -> QueryResult:
        try:
            return QueryResult(Sample(labels, value) for labels, value in query(text))
        except PromlabError as error:
            raise FunctionError(str(error)) from error

    prefix = urlsplit(external_url).path
    return {
        "query": Function(lambda text: QueryResult(ask(text)), ("string",)),
        "now": Function(lambda: now_s),
        "externalURL": Function(lambda: external_url),
        "pathPrefix": Function(lambda: prefix),
    }


def explanation(error: TemplateError) -> str:
    """What Prometheus puts in the place of a text whose template fails."""
    return f"<error expanding template: error executing template {error.name}: {error}>"
