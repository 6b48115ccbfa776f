"""Families in OpenMetrics 1.0: with exemplars, and since when each sample counts.

The format wants a counter's samples to end in `_total` and its family not to, seconds where
the text format has milliseconds, and an end that can't be missed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from promlab.exporters.families import (
    Exemplar,
    Family,
    Labels,
    help_text,
    label_key,
    name_text,
    number_text,
    series_text,
)

_TYPES = {"untyped": "unknown"}
_FLOAT_LABELS = {"histogram": "le", "summary": "quantile"}


def render(families: Iterable[Family], *, utf8: bool = False) -> bytes:
    """OpenMetrics text of families that have samples, sorted by name."""
    out: list[str] = []
    for family in sorted(families, key=lambda family: family.name):
        if family.samples:
            out += _lines(family, utf8)
    out.append("# EOF\n")
    return "".join(out).encode("utf-8", errors="replace")


def _lines(family: Family, utf8: bool) -> Iterator[str]:
    is_counter = family.type == "counter"
    base = family.name.removesuffix("_total") if is_counter else family.name
    name = name_text(base, utf8)
    # The standard escapes quotes in HELP, the text format does not.
    described = help_text(family.help).replace('"', '\\"')
    yield f"# HELP {name} {described}\n"
    yield f"# TYPE {name} {_TYPES.get(family.type, family.type)}\n"
    float_label = _FLOAT_LABELS.get(family.type, "")
    told = set()
    for i, (sample, labels, value) in enumerate(family.samples):
        if is_counter and not sample.endswith("_total"):
            sample += "_total"
        if float_label in labels:
            number = number_text(float(labels[float_label]))
            labels = {**labels, float_label: number}
        exemplar = family.exemplars.get(i)
        shown = f" # {_exemplar(exemplar)}" if exemplar is not None else ""
        if i in family.stamps:
            shown = f" {family.stamps[i] / 1000:.3f}{shown}"
        yield f"{series_text(sample, labels, utf8)} {number_text(value)}{shown}\n"
        key = label_key(labels, float_label)
        if key in family.created and key not in told and not _more(family, i, key, float_label):
            told.add(key)
            created = series_text(f"{base}_created", dict(key), utf8)
            yield f"{created} {number_text(family.created[key])}\n"


def _more(family: Family, i: int, key: tuple[tuple[str, str], ...], float_label: str) -> bool:
    """Whether the next sample belongs to the same metric."""
    if i + 1 >= len(family.samples):
        return False
    return label_key(family.samples[i + 1][1], float_label) == key


def _exemplar(exemplar: Exemplar) -> str:
    labels: Labels = exemplar.labels
    shown = series_text("x", labels, False)[1:] or "{}"
    stamp = "" if exemplar.time_s is None else f" {exemplar.time_s:.3f}"
    return f"{shown} {number_text(exemplar.value)}{stamp}"
