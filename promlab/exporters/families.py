"""Metric families as exporters build them, and their text form.

An exporter makes a handful of samples per family at each scrape and throws them away, so a
family is a plain list. Label values may hold anything: they are escaped here and in
`openmetrics`, and nowhere else. Names beyond the old character set are quoted where the
scraper takes that, and otherwise get underscores.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from promlab.model.float_text import go_number

TYPES = frozenset({"counter", "gauge", "histogram", "summary", "untyped"})

Labels = Mapping[str, str]
LabelKey = tuple[tuple[str, str], ...]

_NO_LABELS: Labels = {}
_VALUE_ESCAPES = str.maketrans({"\\": "\\\\", "\n": "\\n", '"': '\\"'})
_HELP_ESCAPES = str.maketrans({"\\": "\\\\", "\n": "\\n"})
_METRIC_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


class Exemplar(NamedTuple):
    """One event that a sample counts; `time_s` is Unix time, None where nobody noted it."""

    labels: Labels
    value: float
    time_s: float | None = None


@dataclass(frozen=True, slots=True)
class Native:
    """A native histogram: buckets by index (model/histograms.py says what an index means).

    Counts are whole numbers, except in a histogram that somebody computed.
    """

    count: float
    sum: float
    schema: int
    zero_threshold: float
    zero_count: float
    positive: Mapping[int, float]
    negative: Mapping[int, float]
    exemplars: tuple[Exemplar, ...] = ()


class Family:
    """A metric family: name, type, help, and samples as (sample name, labels, value).

    What few samples have stands beside them: `stamps` (t_ms) and `exemplars` by a sample's
    position, `created` (Unix time since when it counts) and `natives` by labels.
    """

    __slots__ = ("created", "exemplars", "help", "name", "natives", "samples", "stamps", "type")

    def __init__(self, name: str, type_: str, help_: str) -> None:
        assert type_ in TYPES, type_
        self.name, self.type, self.help = name, type_, help_
        self.samples: list[tuple[str, Labels, float]] = []
        self.stamps: dict[int, int] = {}
        self.exemplars: dict[int, Exemplar] = {}
        self.created: dict[LabelKey, float] = {}
        self.natives: dict[LabelKey, Native] = {}

    def add(self, value: float, labels: Labels = _NO_LABELS, *, suffix: str = "") -> None:
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


def render(families: Iterable[Family], *, utf8: bool = False) -> bytes:
    """Text format 0.0.4 of families that have samples, sorted by name.

    `utf8` quotes names of any characters; without it these become underscores.
    """
    in_order = sorted(families, key=lambda family: family.name)
    return b"".join(
        header(family, utf8) + lines(family, utf8) for family in in_order if family.samples
    )


def header(family: Family, utf8: bool) -> bytes:
    """The lines before a family's samples."""
    name = name_text(family.name, utf8)
    help_ = f"# HELP {name} {family.help.translate(_HELP_ESCAPES)}\n" if family.help else ""
    return f"{help_}# TYPE {name} {family.type}\n".encode("utf-8", errors="replace")


def lines(family: Family, utf8: bool) -> bytes:
    """The lines of a family's samples."""
    stamps = {i: f" {t_ms}" for i, t_ms in family.stamps.items()}
    return "".join(
        f"{series_text(name, labels, utf8)} {go_number(value)}{stamps.get(i, '')}\n"
        for i, (name, labels, value) in enumerate(family.samples)
    ).encode("utf-8", errors="replace")


def name_text(name: str, utf8: bool) -> str:
    """A metric name as it stands after HELP and TYPE."""
    if _METRIC_NAME.fullmatch(name):
        return name
    return f'"{name.translate(_VALUE_ESCAPES)}"' if utf8 else plain_name(name)


def plain_name(name: str) -> str:
    """A name in the old character set: an underscore for whatever is beyond it."""
    plain = re.sub(r"[^a-zA-Z0-9_:]", "_", name)
    return f"_{plain}" if not plain or plain[0].isdigit() else plain


def series_text(name: str, labels: Labels, utf8: bool) -> str:
    """Name and labels of a sample."""
    plain = _METRIC_NAME.fullmatch(name)
    if not labels and plain:
        return name
    pairs = [
        f'{_label_name(label, utf8)}="{value.translate(_VALUE_ESCAPES)}"'
        for label, value in labels.items()
    ]
    if plain or not utf8:
        shown = name if plain else plain_name(name)
        return f"{shown}{{{','.join(pairs)}}}" if pairs else shown
    quoted = f'"{name.translate(_VALUE_ESCAPES)}"'
    return f"{{{','.join([quoted, *pairs])}}}"


def _label_name(name: str, utf8: bool) -> str:
    if _LABEL_NAME.fullmatch(name):
        return name
    return f'"{name.translate(_VALUE_ESCAPES)}"' if utf8 else plain_name(name).replace(":", "_")


def number_text(value: float) -> str:
    """A value as both text formats write it."""
    if value != value:
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    # numpy's numbers write themselves as np.float64(1.0).
    return repr(value if isinstance(value, int) else float(value))


def label_key(labels: Labels, without: str = "") -> LabelKey:
    """Labels as a key, sorted; `without` one of them."""
    return tuple(sorted(pair for pair in labels.items() if pair[0] != without))


def help_text(text: str) -> str:
    """HELP, escaped."""
    return text.translate(_HELP_ESCAPES)


def value_text(text: str) -> str:
    """A label value, escaped."""
    return text.translate(_VALUE_ESCAPES)
