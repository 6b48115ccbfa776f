"""The registry: all functions of Prometheus, documented, and the page made from it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from promlab.promql import parse
from promlab.promql.registry import AGGREGATIONS, FAMILIES, FUNCTIONS, KEYWORDS
from promlab.promql.registry_docs import markdown_of, reference_page
from promlab.promql.registry_spec import arguments
from promlab.promql.valuetype import ValueType

ROOT = Path(__file__).parents[2]


@pytest.mark.shared
def test_names_are_those_of_prometheus(shared: Path) -> None:
    features = json.loads((shared / "contract" / "features.json").read_text())
    stable = features["promql_functions"]
    assert {name: not spec.experimental for name, spec in FUNCTIONS.items()} == stable
    operators = features["promql_operators"]
    assert set(AGGREGATIONS) <= set(operators)
    assert {n for n, s in AGGREGATIONS.items() if s.experimental} == {"limitk", "limit_ratio"}
    assert not any(operators[name] for name in ("limitk", "limit_ratio"))


def test_everything_is_documented() -> None:
    for spec in (*FUNCTIONS.values(), *AGGREGATIONS.values(), *KEYWORDS.values()):
        assert spec.summary.endswith("."), spec.name
    assert {spec.family for spec in FUNCTIONS.values()} == set(FAMILIES)
    for keyword in KEYWORDS.values():
        parse(keyword.example)


def test_the_reference_page_is_up_to_date() -> None:
    page = ROOT / "docs" / "reference" / "promql-functions.md"
    assert page.read_text(encoding="utf-8") == reference_page(), (
        "write it anew: python -m promlab.promql.registry_docs > docs/reference/promql-functions.md"
    )


@pytest.mark.parametrize(
    ("name", "least", "most"),
    [
        ("rate", 1, 1),
        ("round", 1, 2),
        ("time", 0, 0),
        ("hour", 0, 1),
        ("label_join", 3, None),
        ("sort_by_label", 1, None),
        ("histogram_quantiles", 3, 12),
        ("info", 1, 2),
        ("label_replace", 5, 5),
    ],
)
def test_numbers_of_arguments(name: str, least: int, most: int | None) -> None:
    spec = FUNCTIONS[name]
    assert (spec.min_args, spec.max_args) == (least, most)


def test_signatures() -> None:
    assert FUNCTIONS["round"].signature == (
        "round(v instant vector, [to_nearest scalar]) instant vector"
    )
    assert FUNCTIONS["label_join"].signature == (
        "label_join(v instant vector, dst string, separator string, [src string, ...]) "
        "instant vector"
    )
    assert FUNCTIONS["label_join"].argument(7).type is ValueType.STRING
    assert AGGREGATIONS["topk"].signature == (
        "topk by|without (labels) (k scalar, v instant vector) instant vector"
    )


def test_the_notation_of_arguments() -> None:
    found, optional, repeats = arguments("a:vector b:scalar? c:string*")
    assert [argument.type.value for argument in found] == ["vector", "scalar", "string"]
    assert (optional, repeats) == (1, True)


def test_markdown() -> None:
    assert markdown_of("rate", called=True).startswith("```promql\nrate(")
    assert "aggregation" in markdown_of("BY", called=False)
    assert markdown_of("http_requests_total", called=False) == ""
