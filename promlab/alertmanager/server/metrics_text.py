"""Families in the exposition format."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from promlab.alertmanager.measures import Histogram
from promlab.model.float_text import format_float

Labels = Mapping[str, str]
Sample = tuple[str, Labels, float]


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def family(name: str, kind: str, help_text: str, samples: Iterable[Sample]) -> str:
    """One family in the exposition format; a sample's first part is added to the name."""
    lines = [f"# HELP {name} {help_text}", f"# TYPE {name} {kind}"]
    for suffix, labels, value in samples:
        shown = ",".join(f'{key}="{_escape(text)}"' for key, text in labels.items())
        braces = f"{{{shown}}}" if shown else ""
        lines.append(f"{name}{suffix}{braces} {format_float(value)}")
    return "\n".join(lines) + "\n"


def single(name: str, kind: str, help_text: str, value: float) -> str:
    """A family of one sample without labels."""
    return family(name, kind, help_text, one(value))


def one(value: float) -> list[Sample]:
    """One sample without labels."""
    return [("", {}, float(value))]


def buckets(histogram: Histogram, labels: Labels) -> Iterator[Sample]:
    """The samples of a histogram."""
    count = histogram.count
    for bound, up_to in histogram.buckets():
        yield "_bucket", {**labels, "le": format_float(bound)}, up_to
    yield "_bucket", {**labels, "le": "+Inf"}, count
    yield from totals(histogram, labels)


def totals(histogram: Histogram, labels: Labels) -> Iterator[Sample]:
    """Sum and count of a histogram, as a summary has them."""
    yield "_sum", labels, histogram.sum
    yield "_count", labels, histogram.count
