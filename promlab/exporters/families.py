"""Metric families as exporters build them, and their text form.

An exporter makes a handful of samples per family at each scrape and throws them away, so a
family is a plain list. Label values may hold anything: they are escaped here, and nowhere
else. Only the text format 0.0.4 is written; every Prometheus-compatible scraper reads it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
TYPES = frozenset({"counter", "gauge", "histogram", "summary", "untyped"})

_NO_LABELS: Mapping[str, str] = {}
_VALUE_ESCAPES = str.maketrans({"\\": "\\\\", "\n": "\\n", '"': '\\"'})
_HELP_ESCAPES = str.maketrans({"\\": "\\\\", "\n": "\\n"})


class Family:
    """A metric family: name, type, help, and samples as (sample name, labels, value)."""

    __slots__ = ("help", "name", "samples", "type")

    def __init__(self, name: str, type_: str, help_: str) -> None:
        assert type_ in TYPES, type_
        self.name, self.type, self.help = name, type_, help_
        self.samples: list[tuple[str, Mapping[str, str], float]] = []

    def add(
        self, value: float, labels: Mapping[str, str] = _NO_LABELS, *, suffix: str = ""
    ) -> None:
        """Append a sample; `suffix` is what a histogram or a summary adds to the name."""
        self.samples.append((self.name + suffix, labels, value))

    def __repr__(self) -> str:
        return f"<{self.type} {self.name}, {len(self.samples)} samples>"


def counter(name: str, help_: str, value: float | None = None) -> Family:
    """A counter, with one sample without labels where `value` is given."""
    return _single(name, "counter", help_, value)


def gauge(name: str, help_: str, value: float | None = None) -> Family:
    """A gauge, with one sample without labels where `value` is given."""
    return _single(name, "gauge", help_, value)


def untyped(name: str, help_: str, value: float | None = None) -> Family:
    """A family whose type nobody knows."""
    return _single(name, "untyped", help_, value)


def info(name: str, help_: str, labels: Mapping[str, str]) -> Family:
    """A gauge that is always 1 and says something with its labels."""
    family = gauge(name, help_)
    family.add(1, labels)
    return family


def _single(name: str, type_: str, help_: str, value: float | None) -> Family:
    family = Family(name, type_, help_)
    if value is not None:
        family.add(value)
    return family


def render(families: Iterable[Family]) -> bytes:
    """Text format 0.0.4 of families that have samples, sorted by name."""
    out: list[str] = []
    for family in sorted(families, key=lambda family: family.name):
        if not family.samples:
            continue
        out.append(f"# HELP {family.name} {family.help.translate(_HELP_ESCAPES)}\n")
        out.append(f"# TYPE {family.name} {family.type}\n")
        for name, labels, value in family.samples:
            out.append(f"{name}{_label_text(labels)} {_number(value)}\n")
    return "".join(out).encode("utf-8", errors="replace")


def _label_text(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    pairs = [f'{name}="{value.translate(_VALUE_ESCAPES)}"' for name, value in labels.items()]
    return "{" + ",".join(pairs) + "}"


def _number(value: float) -> str:
    if value != value:
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return repr(value)
