"""Results as small tables of plain text and HTML; labels are always escaped."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from promlab.model.labels import METRIC_NAME

if TYPE_CHECKING:
    from promlab.client.results import Series, Vector

MAX_ROWS = 20
_MAX_TEXT = 120
_PLAIN_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*\Z")
_CONTROL = {code: f"\\x{code:02x}" for code in [*range(32), *range(127, 160)]}
# Marks that turn the direction of text could make a label look like another one.
_CONTROL |= {code: f"\\u{code:04x}" for code in [*range(0x202A, 0x202F), *range(0x2066, 0x206A)]}


def number(value: float) -> str:
    """A value as Prometheus prints it: `1`, `0.5`, `+Inf`, `NaN`."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    shown = repr(value)
    return shown.removesuffix(".0")


def quoted(text: str) -> str:
    """A label value in double quotes, escaped as PromQL reads it."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def series_text(labels: Mapping[str, str]) -> str:
    """A label set as PromQL writes it; names that are not plain are quoted."""
    name = labels.get(METRIC_NAME, "")
    plain = bool(_PLAIN_NAME.match(name))
    pairs = [quoted(name)] if name and not plain else []
    for label, value in labels.items():
        if label != METRIC_NAME:
            shown = label if _PLAIN_NAME.match(label) and ":" not in label else quoted(label)
            pairs.append(f"{shown}={quoted(value)}")
    inside = "{" + ", ".join(pairs) + "}" if pairs else ""
    return (name if plain else "") + inside or "{}"


def printable(text: str, limit: int = _MAX_TEXT) -> str:
    """One line of text with nothing invisible in it, cut to `limit` characters."""
    shown = text[: limit + 1].translate(_CONTROL)
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def truncation(result: Vector, rows: int) -> str:
    """What to say when not all series are shown; empty when they are."""
    if len(result) <= rows:
        return ""
    return (
        f"{rows} of {len(result):,} series shown: "
        ".top(50) or topk(50, …) choose by value, .polars() has all"
    )


def text_table(result: Vector, heading: str, notes: list[str]) -> str:
    """Heading, a line a series with its last value, remarks."""
    shown = result.series[:MAX_ROWS]
    names = [printable(series.name) for series in shown]
    width = max(map(len, names), default=0)
    rows = [
        f"  {name:<{width}}  {_last(series)}" for name, series in zip(names, shown, strict=True)
    ]
    ends = [truncation(result, MAX_ROWS), result.why_empty if not result else "", *notes]
    return "\n".join([heading, *rows, *(end for end in ends if end)])


def html_table(result: Vector, heading: str, notes: list[str]) -> str:
    """The same as an accessible HTML table: a column a label, then value or samples."""
    shown = result.series[:MAX_ROWS]
    names = list(dict.fromkeys(name for series in shown for name in series.labels))
    names.sort(key=lambda name: (name != METRIC_NAME, name))
    is_range = result.kind == "matrix"
    titles = ["metric" if n == METRIC_NAME else n for n in names]
    titles += ["samples", "first", "last"] if is_range else ["value"]
    head = "".join(f'<th scope="col">{escape(printable(title))}</th>' for title in titles)
    rows = "".join(f"<tr>{_html_row(series, names, is_range)}</tr>" for series in shown)
    ends = [truncation(result, MAX_ROWS), result.why_empty if not result else "", *notes]
    foot = "".join(f"<div>{escape(end)}</div>" for end in ends if end)
    table = f"<table><caption>{escape(heading)}</caption><thead><tr>{head}</tr></thead>"
    table += f"<tbody>{rows}</tbody></table>"
    return f'<div class="promlab-result">{table if shown else escape(heading)}{foot}</div>'


def _html_row(series: Series, names: list[str], is_range: bool) -> str:
    cells = [escape(printable(series.labels.get(name, ""))) for name in names]
    values = [number(float(value)) for value in series.values[np.array([0, -1])]]
    cells += [f"{len(series.values):,}", *values] if is_range else values[1:]
    return "".join(f"<td>{cell}</td>" for cell in cells)


def _last(series: Series) -> str:
    last = number(float(series.values[-1]))
    return last if len(series.values) == 1 else f"{last}  ({len(series.values):,} samples)"
