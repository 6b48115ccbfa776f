"""How results are shown: a live graph, a table, or a frame.

A graph is a widget where the front end has widgets, and a picture otherwise. When the kernel
ends, the output that held the widget becomes the picture of its last frame.
"""

from __future__ import annotations

import contextlib
import weakref
from typing import TYPE_CHECKING, Any

from IPython.display import display

from promlab.client import Client, InstantVector, RangeVector, Result
from promlab.client.charts import describe, line_spec, points
from promlab.client.tables import printable
from promlab.client.times import to_duration_ms
from promlab.magics.evaluate import Window

if TYPE_CHECKING:
    from promlab.widgets.live_chart import LiveChart

_shown: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()


def as_form(result: Result, form: str) -> Any:
    """The object that `--as` asks for: the result itself, a frame, or an Altair chart."""
    if form == "polars" and hasattr(result, "polars"):
        return result.polars()
    if form == "pandas" and hasattr(result, "pandas"):
        return result.pandas()
    if form == "chart" and isinstance(result, InstantVector | RangeVector):
        return result.chart()
    return result


def show_table(result: Result) -> None:
    """The result as a table."""
    bundle = {"text/plain": repr(result)}
    if isinstance(result, InstantVector | RangeVector):
        bundle["text/html"] = result._repr_html_()
    display(bundle, raw=True)


def show_graph(result: RangeVector) -> None:
    """The result as a picture that stays as it is."""
    display(result._repr_mimebundle_(), raw=True)


def show_live(
    client: Client, result: RangeVector, window: Window, *, live: str = "", is_now: bool = True
) -> LiveChart:
    """The result as a graph that goes on, unless `live` is off or the window ends earlier."""
    from promlab.widgets.feed import Feed
    from promlab.widgets.live_chart import LiveChart

    drawn = points(result.batch, result.step_ms)
    title = printable(result.query.strip().replace("\n", " "), 100)
    lasting = [window.note, *(f"warning: {text}" for text in result.warnings), *result.infos]
    chart = LiveChart(line_spec(title, describe(title, drawn)), drawn, remarks=lasting)
    if result.why_empty:
        chart.note = "; ".join([result.why_empty, *filter(None, lasting)])
    if is_now and live != "off":
        every_s = to_duration_ms(live) / 1000 if live else None
        feed = Feed(
            chart, client, result.query, result,
            length_ms=window.length_ms, end_ms=window.end_ms, interval_s=every_s,
        )  # fmt: skip
        feed.start()
    handle = display(chart._repr_mimebundle_(), raw=True, display_id=True)
    _shown[chart] = handle
    return chart


def leave_pictures() -> None:
    """Replace each widget by its last frame: the next reader has no kernel to draw it."""
    for chart, handle in list(_shown.items()):
        if handle is not None and chart.comm is not None:
            with contextlib.suppress(OSError, RuntimeError, ValueError):
                handle.update(chart.static_bundle(), raw=True)
