"""Go's text/template in Python, as far as alerts and notifications use it.

    Template("greeting", "Hello {{ .name }}").execute({"name": "you"})

`TemplateSet` holds templates that use each other; `prometheus` has the functions that
Prometheus gives to alerts. Templates and data are untrusted: a template reaches only what it
was handed, and every execution has limits of time, depth and output. `docs/reference/rules.md`
says what is there.

    lexer → parser → tree → evaluate      functions: builtins, humanize, texts, prometheus
"""

from __future__ import annotations

from promlab.templating.errors import (
    FunctionError,
    Limits,
    TemplateError,
    TemplateLimit,
    TemplateSyntaxError,
)
from promlab.templating.template import Template, TemplateSet
from promlab.templating.values import Function, HasMethods, List, Stringer, StringMap, Struct

__all__ = [
    "Function",
    "FunctionError",
    "HasMethods",
    "Limits",
    "List",
    "StringMap",
    "Stringer",
    "Struct",
    "Template",
    "TemplateError",
    "TemplateLimit",
    "TemplateSet",
    "TemplateSyntaxError",
]
