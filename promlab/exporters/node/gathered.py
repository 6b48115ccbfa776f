"""Families that come into being with their first sample.

Hardware decides what there is to tell: a collector that walks a folder of sensors finds out
what it has by reading it. HELP texts are made of the names where nothing better is given.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from promlab.exporters.families import Family, Labels

_NO_LABELS: Labels = {}


class Gathered:
    """Families by name, `<prefix>_<name>`, in the order in which they were met."""

    def __init__(self, prefix: str, about: str, helps: Mapping[str, str] | None = None) -> None:
        self._prefix, self._about, self._helps = prefix, about, helps or {}
        self._families: dict[str, Family] = {}

    def __iter__(self) -> Iterator[Family]:
        return iter(self._families.values())

    def gauge(self, name: str, value: float | None, labels: Labels = _NO_LABELS) -> None:
        """Add a sample of a gauge; None adds nothing."""
        self._add("gauge", name, value, labels)

    def counter(self, name: str, value: float | None, labels: Labels = _NO_LABELS) -> None:
        """Add a sample of a counter; None adds nothing."""
        self._add("counter", name, value, labels)

    def untyped(self, name: str, value: float | None, labels: Labels = _NO_LABELS) -> None:
        """Add a sample of something of which nobody says what it is; None adds nothing."""
        self._add("untyped", name, value, labels)

    def _add(self, type_: str, name: str, value: float | None, labels: Labels) -> None:
        if value is None:
            return
        family = self._families.get(name)
        if family is None:
            words = name.removesuffix("_total").replace("_", " ")
            help_ = self._helps.get(name, f"{self._about}: {words}.")
            family = self._families[name] = Family(f"{self._prefix}_{name}", type_, help_)
        family.add(value, labels)
