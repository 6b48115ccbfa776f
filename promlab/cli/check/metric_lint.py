"""The customs for metrics and their names, as promtool holds them; one function a custom."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from promlab.exposition.body_parser import ParsedBody
from promlab.model.labels import METRIC_NAME
from promlab.model.metadata import MetricType

_SUFFIXES = {
    MetricType.HISTOGRAM: ("_bucket", "_count", "_sum"),
    MetricType.SUMMARY: ("_count", "_sum"),
}
_CAMEL = re.compile("[a-z][A-Z]")
_UNITS = {
    "amperes": "",
    "bytes": "bit bits",
    "celsius": "fahrenheit rankine",
    "grams": "ounce ounces pound pounds",
    "joules": "calorie calories",
    "kelvin": "",
    "meters": "inch inches yard yards mile miles",
    "metres": "",
    "moles": "",
    "seconds": "minute minutes hour hours day days week weeks",
    "volts": "",
}
_PREFIXES = (
    "pico|nano|micro|milli|centi|deci|deca|deka|hecto|kilo|kibi|mega|mibi|giga|gibi|tera|tebi|"
    "peta|pebi"
)
_PREFIX = re.compile(f"(?:{_PREFIXES})?")
_ABBREVIATED = re.compile("(?i)_(?:s|ms|us|ns|sec|[kmgtp]?b|m|h|d)(?:_|$)")


@dataclass
class Family:
    """A metric: what its comments say, and what its series show."""

    name: str
    type: MetricType = MetricType.UNKNOWN
    help: str = ""
    series: int = 0
    labels: set[str] = field(default_factory=set)
    repeated: bool = False


def families_of(parsed: ParsedBody) -> list[Family]:
    """All families of a body, in order of name."""
    metadata = parsed.layout.metadata
    found = {name: Family(name, known.type, known.help) for name, known in metadata.items() if name}
    repeated = set(parsed.layout.duplicate_rows.tolist())
    for row, labels in enumerate(parsed.layout.labels.rows()):
        name = _family_name(labels[METRIC_NAME], found)
        family = found.setdefault(name, Family(name))
        family.series += 1
        family.labels.update(labels.keys() - {METRIC_NAME})
        family.repeated |= row in repeated
    return [family for _, family in sorted(found.items()) if family.series]


def _family_name(name: str, known: Mapping[str, Family]) -> str:
    for suffix in ("_bucket", "_count", "_sum"):
        base = name.removesuffix(suffix)
        if base != name and base in known and suffix in _SUFFIXES.get(known[base].type, ()):
            return base
    return name


def problems_of(families: list[Family]) -> list[str]:
    """Each problem as `metric what`, sorted."""
    return sorted(
        f"{family.name} {problem}"
        for family in families
        for custom in _CUSTOMS
        for problem in custom(family)
    )


def _help(family: Family) -> Iterator[str]:
    if not family.help:
        yield "no help text"


def _unique(family: Family) -> Iterator[str]:
    if family.repeated:
        yield "metric not unique"


def _counter(family: Family) -> Iterator[str]:
    total = family.name.endswith("_total")
    if family.type is MetricType.COUNTER and not total:
        yield 'counter metrics should have "_total" suffix'
    if total and family.type not in (MetricType.COUNTER, MetricType.UNKNOWN):
        yield 'non-counter metrics should not have "_total" suffix'


def _suffixes(family: Family) -> Iterator[str]:
    if family.type is MetricType.UNKNOWN:
        return
    histogram, summary = MetricType.HISTOGRAM, MetricType.SUMMARY
    if family.type is not histogram and family.name.endswith("_bucket"):
        yield 'non-histogram metrics should not have "_bucket" suffix'
    if family.type not in (histogram, summary):
        for suffix in ("_count", "_sum"):
            if family.name.endswith(suffix):
                yield f'non-histogram and non-summary metrics should not have "{suffix}" suffix'
    if family.type is not histogram and "le" in family.labels:
        yield 'non-histogram metrics should not have "le" label'
    if family.type is not summary and "quantile" in family.labels:
        yield 'non-summary metrics should not have "quantile" label'


def _type_in_name(family: Family) -> Iterator[str]:
    if family.type is MetricType.UNKNOWN:
        return
    kind = family.type.value
    if f"_{kind}_" in f"{family.name.lower()}_":
        yield f"metric name should not include type '{kind}'"


def _characters(family: Family) -> Iterator[str]:
    if ":" in family.name:
        yield "metric names should not contain ':'"
    if _CAMEL.search(family.name):
        yield "metric names should be written in 'snake_case' not 'camelCase'"
    if any(_CAMEL.search(label) for label in family.labels):
        yield "label names should be written in 'snake_case' not 'camelCase'"


def _unit(family: Family) -> Iterator[str]:
    if _ABBREVIATED.search(family.name):
        yield "metric names should not contain abbreviated units"
    for word in family.name.lower().split("_"):
        base = _base_unit(word)
        if base and base != word:
            yield f'use base unit "{base}" instead of "{word}"'
            return


def _base_unit(word: str) -> str:
    """What a unit, with or without a prefix, should have been; "" if it is none."""
    plain = word[_PREFIX.match(word).end() :]  # type: ignore[union-attr]  # it matches nothing too
    for base, others in _UNITS.items():
        if word == base or plain in (base, *others.split()):
            return base
    return ""


_CUSTOMS: tuple[Callable[[Family], Iterator[str]], ...] = (
    _help, _unique, _counter, _suffixes, _type_in_name, _characters, _unit,
)  # fmt: skip
