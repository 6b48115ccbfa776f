"""How metrics and attributes of OpenTelemetry are called in Prometheus.

Four strategies: with or without suffixes for units and types, with names escaped to the old
character set or as they are.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from promlab.config.otlp import OTLPConfig

_UNITS = {
    "d": "days", "h": "hours", "min": "minutes", "s": "seconds", "ms": "milliseconds",
    "us": "microseconds", "ns": "nanoseconds",
    "By": "bytes", "KiBy": "kibibytes", "MiBy": "mebibytes", "GiBy": "gibibytes",
    "TiBy": "tibibytes", "KBy": "kilobytes", "MBy": "megabytes", "GBy": "gigabytes",
    "TBy": "terabytes",
    "m": "meters", "V": "volts", "A": "amperes", "J": "joules", "W": "watts", "g": "grams",
    "Cel": "celsius", "Hz": "hertz", "1": "", "%": "percent",
}  # fmt: skip
_PER = {
    "s": "second", "m": "minute", "h": "hour", "d": "day", "w": "week", "mo": "month", "y": "year",
}  # fmt: skip
_APART = re.compile(r"[^a-zA-Z0-9:]+")
_APART_UTF8 = re.compile(r"[^\w:]+|_")
_NOT_LABEL = re.compile(r"[^a-zA-Z0-9_]")
_UNDERSCORES = re.compile("__+")

COUNTER, GAUGE, OTHER = range(3)  # kinds of metrics that have suffixes of their own


class Style(NamedTuple):
    """How names are made."""

    escaped: bool
    suffixes: bool
    key_prefix: bool  # a label that begins with one underscore gets `key` before it
    keep_underscores: bool

    @staticmethod
    def of(config: OTLPConfig) -> Style:
        """The style that a configuration asks for."""
        strategy = config.translation_strategy
        return Style(
            strategy.startswith("Underscore"),
            strategy.endswith("WithSuffixes"),
            config.label_name_underscore_sanitization,
            config.label_name_preserve_multiple_underscores,
        )


def metric_name(name: str, unit: str, kind: int, style: Style) -> str:
    """The name of a metric; "" if nothing is left of it."""
    if not style.suffixes:
        if not style.escaped:
            return name
        found = "_".join(filter(None, _APART.split(name)))
        return "_" + found if found[:1].isdigit() else found
    if style.escaped:
        return _escaped_with_suffixes(name, unit, kind)
    return _plain_with_suffixes(name, unit, kind)


def _units(unit: str) -> tuple[str, str]:
    """The suffixes that a unit asks for: of its main part, and of what it is per."""
    main, _, per = unit.partition("/")
    main, per = main.strip(), per.strip()
    first = "" if not main or "{" in main or "}" in main else _UNITS.get(main, main)
    second = "" if not per or "{" in per or "}" in per else _PER.get(per, per)
    return first, f"per_{second}" if second else ""


def unit_name(unit: str, style: Style) -> str:
    """What a unit is called, "" for none."""
    parts = _units(unit)
    return "_".join(filter(None, map(_cleaned, parts) if style.escaped else parts))


def _escaped_with_suffixes(name: str, unit: str, kind: int) -> str:
    tokens = [token for token in _APART.split(name) if token]
    first, second = (_cleaned(part) for part in _units(unit))
    if first and first not in tokens:
        tokens.append(first)
    if second and second.removeprefix("per_") not in tokens:
        tokens += ["per", second.removeprefix("per_")]
    tokens = _with_kind(tokens, unit, kind)
    found = "_".join(tokens)
    return "_" + found if found[:1].isdigit() else found


def _with_kind(tokens: list[str], unit: str, kind: int) -> list[str]:
    if kind == COUNTER:
        return [*(part for part in tokens if part != "total"), "total"]
    if kind == GAUGE and unit == "1":
        return [*(part for part in tokens if part != "ratio"), "ratio"]
    return tokens


def _cleaned(unit: str) -> str:
    return "_".join(filter(None, re.split("[^a-zA-Z0-9]+", unit)))


def _plain_with_suffixes(name: str, unit: str, kind: int) -> str:
    """Characters stay; suffixes that are not at the end yet are added there."""
    first, second = _units(unit)
    parts = [part for part in (first, second) if part]
    if kind == COUNTER:
        name = name.removesuffix("_total")
        parts.append("total")
    elif kind == GAUGE and unit == "1":
        name = name.removesuffix("_ratio")
        parts.append("ratio")
    for part in parts:
        if not name.endswith(f"_{part}"):
            name = f"{name}_{part}"
    return name


def label_name(name: str, style: Style) -> str:
    """The name of a label for an attribute."""
    if not style.escaped or not name:
        return name
    found = _NOT_LABEL.sub("_", name)
    if not style.keep_underscores:
        found = _UNDERSCORES.sub("_", found)
    if found[0].isdigit():
        return "key_" + found
    if style.key_prefix and found.startswith("_") and not found.startswith("__"):
        return "key" + found
    return found
