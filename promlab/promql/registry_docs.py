"""The registry as Markdown: one entry for Shift-Tab, or the whole reference page.

`python -m promlab.promql.registry_docs > docs/reference/promql-functions.md` writes the page;
a test sees to it that the page is up to date.
"""

from __future__ import annotations

from promlab.promql.registry import (
    AGGREGATIONS,
    EXPERIMENTAL_FUNCTIONS,
    FAMILIES,
    FUNCTIONS,
    KEYWORDS,
    AggregationSpec,
    FunctionSpec,
    KeywordSpec,
)

_EXPERIMENTAL = f"Experimental: a server needs `--enable-feature={EXPERIMENTAL_FUNCTIONS}`."


def function_markdown(spec: FunctionSpec | AggregationSpec) -> str:
    """Signature, meaning and remarks of a function or an aggregation."""
    parts = [f"```promql\n{spec.signature}\n```", spec.summary]
    if spec.details:
        parts.append(spec.details)
    if spec.experimental:
        parts.append(_EXPERIMENTAL)
    return "\n\n".join(parts)


def keyword_markdown(spec: KeywordSpec) -> str:
    """Meaning and example of a keyword."""
    parts = [f"**`{spec.name}`** {spec.summary}"]
    if spec.details:
        parts.append(spec.details)
    return "\n\n".join([*parts, f"```promql\n{spec.example}\n```"])


def markdown_of(name: str, *, called: bool) -> str:
    """What is known about a word of a query, `called` if a parenthesis follows; or ""."""
    lower = name.lower()
    if called and name in FUNCTIONS:
        return function_markdown(FUNCTIONS[name])
    if lower in AGGREGATIONS:
        return function_markdown(AGGREGATIONS[lower])
    if lower in KEYWORDS:
        return keyword_markdown(KEYWORDS[lower])
    return function_markdown(FUNCTIONS[name]) if name in FUNCTIONS else ""


def reference_page() -> str:
    """All functions by family, the aggregations and the keywords."""
    parts = [
        "# PromQL functions, aggregations and keywords",
        "Made from `promlab/promql/registry.py`; Shift-Tab in a notebook shows the same texts.",
    ]
    for family, title in FAMILIES.items():
        parts.append(f"## {title}")
        for spec in FUNCTIONS.values():
            if spec.family == family:
                parts += [f"### {spec.name}", function_markdown(spec)]
    parts.append("## Aggregations")
    for aggregation in AGGREGATIONS.values():
        parts += [f"### {aggregation.name}", function_markdown(aggregation)]
    parts.append("## Keywords")
    for keyword in KEYWORDS.values():
        parts += [f"### {keyword.name}", keyword_markdown(keyword)]
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    print(reference_page(), end="")
