"""Results as Vega-Lite: the points to draw and the specification that draws them.

Plain dicts, so that no chart library is needed until somebody asks for an Altair chart. The
fields are always `t` (ms UTC), `v` and `s` (the series' name): no label ever becomes part of
an expression. Colours are told apart by the colour-blind too, and dashes differ as well.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from promlab.client.frames import by_last_value
from promlab.client.tables import printable, series_text
from promlab.errors import PromlabError
from promlab.model.labels import METRIC_NAME, LabelTable
from promlab.model.samples import SeriesBatch

if TYPE_CHECKING:
    from promlab.client.results import Vector

MAX_SERIES = 20
MAX_POINTS = 5_000
MAX_POINTS_A_SERIES = 1_000
SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"

# Okabe and Ito's palette, darkened where it would vanish on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#B8860B", "#7F3C8D", "#666666")
DASHES = ((1, 0), (6, 3), (2, 2), (8, 3, 2, 3), (12, 4))
_NUMBERS = "abs(datum.value) >= 1e4 ? format(datum.value, '.4~s') : format(datum.value, '.6~g')"
_TIMES = (
    "utcFormat(datum.value, utcseconds(datum.value) ? '%H:%M:%S' : "
    "utchours(datum.value) || utcminutes(datum.value) ? '%H:%M' : '%d %b')"
)


class Points(NamedTuple):
    """What a chart draws: f64 times in ms, f64 values (NaN breaks the line), series codes.

    Series number `s` is called `names[s]` and is row `rows[s]` of the batch drawn.
    """

    t: npt.NDArray[np.float64]
    v: npt.NDArray[np.float64]
    s: npt.NDArray[np.uint16]
    names: list[str]
    note: str
    rows: npt.NDArray[np.int64]


def points(
    batch: SeriesBatch,
    step_ms: int = 0,
    *,
    max_series: int = MAX_SERIES,
    max_points: int = MAX_POINTS,
) -> Points:
    """At most `max_points` points of at most `max_series` series, the largest ones.

    Where samples are further apart than `step_ms` (if it is known) the line is broken.
    """
    rows = np.sort(by_last_value(batch)[:max_series])
    names = short_names(batch.labels.take(rows))
    each = min(MAX_POINTS_A_SERIES, max_points // max(1, len(rows)))
    times, values, codes, stride = [], [], [], 1
    for code, row in enumerate(rows):
        t, v = batch.series(int(row))
        every = -(-len(t) // max(1, each))
        stride = max(stride, every)
        thin = slice((len(t) - 1) % max(1, every), None, max(1, every))
        ft, fv = broken(t[thin], v[thin], step_ms * max(1, every))
        times.append(ft)
        values.append(fv)
        codes.append(np.full(len(ft), code, np.uint16))
    notes = []
    if len(rows) < batch.n:
        notes.append(f"{len(rows)} of {batch.n:,} series shown, those with the largest last value")
    if stride > 1:
        notes.append(f"one sample in {stride} drawn")
    empty = np.zeros(0)
    return Points(
        np.concatenate([empty, *times]),
        np.concatenate([empty, *values]),
        np.concatenate([np.zeros(0, np.uint16), *codes]),
        names,
        "; ".join(notes),
        rows,
    )


def broken(
    t: npt.NDArray[np.int64], v: npt.NDArray[np.float64], step_ms: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """The points with a NaN in every gap that is longer than a step and a half."""
    gaps = np.flatnonzero(np.diff(t) > 1.5 * step_ms) if step_ms else np.zeros(0, np.int64)
    times = np.insert(t.astype(np.float64), gaps + 1, t[gaps] + step_ms)
    return times, np.insert(v, gaps + 1, np.nan)


def short_names(labels: LabelTable) -> list[str]:
    """A name for each series: only labels that differ, and never twice the same name."""
    varying = [name for name, codes in labels.columns.items() if len(np.unique(codes)) > 1]
    if not varying:
        names = [printable(series_text(row)) for row in labels.rows()]
    else:
        names = [printable(_pairs(row)) for row in labels.keep(varying).rows()]
    seen: dict[str, int] = {}
    for i, name in enumerate(names):
        seen[name] = seen.get(name, 0) + 1
        if seen[name] > 1:
            names[i] = f"{name} ({seen[name]})"
    return names


def line_spec(title: str, description: str, *, zoom: bool = True) -> dict[str, Any]:
    """Lines over time, without data: its rows are those of the data set named `samples`."""
    names = {"field": "s", "type": "nominal", "sort": None}
    legend = {"title": None, "orient": "bottom", "columns": 2, "labelLimit": 420, "symbolSize": 300}
    spec: dict[str, Any] = {
        "$schema": SCHEMA,
        "description": description,
        "title": {"text": title, "anchor": "start", "fontSize": 12, "fontWeight": "normal"},
        "width": 640,
        "height": 260,
        "data": {"name": "samples"},
        "mark": {"type": "line", "interpolate": "linear", "strokeWidth": 1.6},
        "encoding": {
            "x": {
                "field": "t", "type": "temporal", "scale": {"type": "utc"},
                "axis": {
                    "title": "UTC",
                    "labelExpr": _TIMES,
                    "labelOverlap": True,
                    "grid": False,
                },
            },
            "y": {
                "field": "v", "type": "quantitative", "scale": {"zero": False},
                "axis": {"title": None, "labelExpr": _NUMBERS, "tickCount": 6},
            },
            "color": {**names, "scale": {"range": list(COLOURS)}, "legend": legend},
            "strokeDash": {
                **names, "scale": {"range": [list(dash) for dash in DASHES]}, "legend": legend
            },
            "tooltip": [
                {"field": "s", "type": "nominal", "title": "series"},
                {"field": "v", "type": "quantitative", "title": "value", "format": ".8~g"},
                {
                    "field": "t", "type": "temporal", "title": "time (UTC)",
                    "timeUnit": "utcyearmonthdatehoursminutesseconds",
                },
            ],
        },
    }  # fmt: skip
    if zoom:
        brush = {"type": "interval", "encodings": ["x"]}
        spec["params"] = [{"name": "zoom", "select": brush, "bind": "scales"}]
    return spec


def bar_spec(title: str, description: str, rows: int) -> dict[str, Any]:
    """One bar a series, largest first, without data."""
    return {
        "$schema": SCHEMA,
        "description": description,
        "title": {"text": title, "anchor": "start", "fontSize": 12, "fontWeight": "normal"},
        "width": 480,
        "height": max(60, 22 * rows),
        "data": {"name": "samples"},
        "mark": {"type": "bar", "color": COLOURS[0]},
        "encoding": {
            "x": {"field": "v", "type": "quantitative", "axis": {"title": None}},
            "y": {
                "field": "s", "type": "nominal", "sort": "-x",
                "axis": {"title": None, "labelLimit": 360},
            },
            "tooltip": [{"field": "s", "title": "series"}, {"field": "v", "title": "value"}],
        },
    }  # fmt: skip


def chart_spec(result: Vector) -> dict[str, Any]:
    """A whole Vega-Lite chart of a result, data included."""
    is_range = result.kind == "matrix"
    drawn = points(result.batch, result.step_ms)
    title = printable(result.query or "query result", 100)
    text = describe(title, drawn)
    shown = [title, drawn.note] if drawn.note else title
    spec = (
        line_spec(title, text, zoom=True) if is_range else bar_spec(title, text, len(drawn.names))
    )
    spec["title"]["text"] = shown
    # A data set given by name cannot be extended in Altair, so the rows stand in place.
    spec["data"] = {"values": vega_rows(drawn)}
    return spec


def vega_rows(drawn: Points) -> list[dict[str, Any]]:
    """Points as Vega's rows; values that JSON lacks become null, which breaks the line."""
    names = drawn.names
    finite = np.isfinite(drawn.v).tolist()
    columns = zip(drawn.t.tolist(), drawn.v.tolist(), drawn.s.tolist(), finite, strict=True)
    return [{"t": t, "v": v if ok else None, "s": names[s]} for t, v, s, ok in columns]


def describe(title: str, drawn: Points) -> str:
    """A sentence for those who don't see the chart."""
    count = len(drawn.names)
    if not count:
        return f"Chart of {title}: no data"
    finite = drawn.v[np.isfinite(drawn.v)]
    span = f", values from {finite.min():.6g} to {finite.max():.6g}" if len(finite) else ""
    return f"Chart of {title}: {count} series{span}. {drawn.note}".rstrip()


def svg(spec: dict[str, Any]) -> str | None:
    """The chart as SVG text; None where vl-convert is not installed or refuses it."""
    try:
        import vl_convert
    except ImportError:
        return None
    try:
        drawn: str = vl_convert.vegalite_to_svg(spec)
    except (RuntimeError, ValueError):
        return None
    return drawn


def altair_chart(result: Vector) -> Any:
    """An altair.Chart of a result. Raises PromlabError where Altair is not installed."""
    try:
        # By name: the client works without Altair, and no other function of it needs any.
        altair = import_module("altair")
    except ImportError:
        raise PromlabError("charts need Altair: pip install 'promlab[lab]'") from None
    return altair.Chart.from_dict(chart_spec(result))


def _pairs(labels: dict[str, str]) -> str:
    name = labels.pop(METRIC_NAME, "")
    if name:
        return series_text({METRIC_NAME: name, **labels})
    if len(labels) == 1:
        return next(iter(labels.values()))
    return series_text(labels) if labels else "{}"
