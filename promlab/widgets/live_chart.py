"""`LiveChart`: a graph in a notebook that new rows are pushed into.

The specification (Vega-Lite without data) is sent once; afterwards only rows travel, packed
as numbers, so that the view in the page keeps its zoom. A saved notebook keeps a picture of
the first frame and a text. Nothing here queries a server: see promlab.widgets.feed.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import traitlets
from anywidget import AnyWidget
from ipywidgets import widget_serialization

from promlab.client.charts import Points, svg, vega_rows
from promlab.widgets.vega import VegaAsset, asset

_STATIC = Path(__file__).parent / "static"
_EMPTY = Points(np.zeros(0), np.zeros(0), np.zeros(0, np.uint16), [], "", np.zeros(0, np.int64))


def pack(points: Points) -> bytes:
    """All times (f64), then all values (f64), then all series codes (u16), little-endian."""
    columns = ((points.t, "<f8"), (points.v, "<f8"), (points.s, "<u2"))
    return b"".join(np.ascontiguousarray(column, kind).tobytes() for column, kind in columns)


class LiveChart(AnyWidget):  # type: ignore[misc]  # anywidget has no stubs here
    """A chart whose rows come and go.

    `status` and `note` are lines under it; `selection` is the time range that the reader has
    zoomed to, `(start_ms, end_ms)` or empty. `live` says whether rows still come.
    """

    _esm = _STATIC / "live_chart.js"
    _css = _STATIC / "live_chart.css"

    spec = traitlets.Dict().tag(sync=True)
    vega = traitlets.Instance(VegaAsset).tag(sync=True, **widget_serialization)
    key = traitlets.Unicode().tag(sync=True)
    names = traitlets.List(traitlets.Unicode()).tag(sync=True)
    # The window as it is whenever the page asks for it; changes travel as messages.
    rows = traitlets.Any(None).tag(sync=True, to_json=lambda _, chart: chart._packed())
    feeds = traitlets.Bool(True).tag(sync=True)
    fluid = traitlets.Bool(True).tag(sync=True)
    live = traitlets.Bool(False).tag(sync=True)
    status = traitlets.Unicode("").tag(sync=True)
    note = traitlets.Unicode("").tag(sync=True)
    selection = traitlets.List(traitlets.Float()).tag(sync=True)

    def __init__(
        self,
        spec: dict[str, Any],
        points: Points = _EMPTY,
        *,
        remarks: Sequence[str] = (),
        **traits: Any,
    ) -> None:
        self._remarks = [remark for remark in remarks if remark]
        self._points, self._guard = points, threading.Lock()
        self._on_view: list[Callable[[str], None]] = []
        traits = {"note": self._noted(points), "names": list(points.names), **traits}
        super().__init__(spec=spec, vega=asset(), key=uuid.uuid4().hex, **traits)
        self.on_msg(self._heard)

    @property
    def points(self) -> Points:
        """What is drawn now."""
        return self._points

    def append(self, points: Points, before_ms: float) -> None:
        """Add rows, and drop those older than `before_ms`. From any thread."""
        with self._guard:
            old, keep = self._points, self._points.t >= before_ms
            self._points = Points(
                np.concatenate([old.t[keep], points.t]),
                np.concatenate([old.v[keep], points.v]),
                np.concatenate([old.s[keep], points.s]),
                points.names,
                points.note,
                points.rows,
            )
        self._push(points, {"kind": "append", "before": before_ms, "reset": False})

    def replace(self, points: Points) -> None:
        """Show these rows and no others. From any thread."""
        with self._guard:
            self._points = points
        self._push(points, {"kind": "append", "before": 0, "reset": True})

    def on_view(self, call: Callable[[str], None]) -> None:
        """Call with `beat` while a page shows the chart, and `gone` when one has closed it."""
        self._on_view.append(call)

    def static_bundle(self) -> dict[str, Any]:
        """The chart as it is now, for those who have no widgets: a text and a picture."""
        points = self._points
        bundle: dict[str, Any] = {"text/plain": str(self.spec.get("description", "chart"))}
        if not self.feeds:
            drawn = svg(dict(self.spec))
        else:
            drawn = svg({**self.spec, "data": {"name": "samples", "values": vega_rows(points)}})
        if drawn is not None:
            bundle["image/svg+xml"] = drawn
        return bundle

    def _repr_mimebundle_(self, **options: Any) -> dict[str, Any]:
        found = super()._repr_mimebundle_(**options)
        live = found[0] if isinstance(found, tuple) else found
        return {**(live or {}), **self.static_bundle()}

    def _packed(self) -> bytes:
        with self._guard:
            return pack(self._points)

    def _push(self, points: Points, message: dict[str, Any]) -> None:
        if self.comm is None:
            return
        if self.names != points.names:
            self.names = list(points.names)
        note = self._noted(points)
        if self.note != note:
            self.note = note
        self.send(message, buffers=[pack(points)])

    def _noted(self, points: Points) -> str:
        """What is to be said of these points, and of all of the chart."""
        return "; ".join([*([points.note] if points.note else []), *self._remarks])

    def _heard(self, _: Any, message: Any, __: Any) -> None:
        kind = message.get("kind") if isinstance(message, dict) else None
        if kind in ("beat", "gone"):
            for call in self._on_view:
                call(kind)


def altair_renderer(spec: dict[str, Any], **_: Any) -> dict[str, Any]:
    """How Altair charts are shown: interactive, offline, with the Vega that the page has."""
    shown: dict[str, Any] = LiveChart(spec, feeds=False, fluid=False)._repr_mimebundle_()
    return shown
