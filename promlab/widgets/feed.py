"""What keeps a live graph alive: a thread that asks the server for the newest steps.

It asks at the step of the graph, twice a second at most, and only for steps that are new. It
rests when no page shows the graph any more and wakes when one does. It never prints.
"""

from __future__ import annotations

import threading
import time
from typing import Any

import numpy as np

from promlab.client import Client
from promlab.client.charts import MAX_SERIES, Points, broken, points, short_names
from promlab.client.results import RangeVector
from promlab.client.times import now_ms, show_time
from promlab.errors import ClientError, NotReady, NotRunning, PromlabError, QueryTimeout
from promlab.model.labels import LabelTable, Symbols
from promlab.model.samples import Times, Values
from promlab.widgets.live_chart import LiveChart

MIN_INTERVAL_S = 0.5
_UNSEEN_S = 150.0  # pages beat each 30 s; those in the background may beat late
_PATIENCE_S = 600.0  # how long a server may be gone before nobody waits for it


class Feed:
    """Pushes the newest steps of a range query into a chart until nobody looks."""

    def __init__(
        self,
        chart: LiveChart,
        client: Client,
        expr: str,
        first: RangeVector,
        *,
        length_ms: int,
        end_ms: int,
        interval_s: float | None = None,
    ) -> None:
        self._chart, self._client, self._expr = chart, client, expr
        self._step_ms, self._length_ms, self._end_ms = first.step_ms, length_ms, end_ms
        self._interval_s = max(MIN_INTERVAL_S, interval_s or self._step_ms / 1000)
        self._series: dict[tuple[tuple[str, str], ...], int] = {}
        self._last: dict[int, int] = {}  # time of the newest row of each series
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._seen = time.monotonic()
        self._restart(first)
        chart.on_view(self._viewed)

    def start(self) -> None:
        """Begin, or go on."""
        if self.running:
            return
        self._stop = threading.Event()
        self._seen = time.monotonic()
        self._chart.live = True
        self._chart.status = f"live, every {self._interval_s:g} s"
        self._thread = threading.Thread(
            target=self._run, args=(self._stop,), name="promlab-feed", daemon=True
        )
        self._thread.start()

    def stop(self, why: str = "stopped") -> None:
        """Stop asking; the graph stays."""
        self._stop.set()
        self._say(why, live=False)

    @property
    def running(self) -> bool:
        """Whether the thread is at work."""
        return self._thread is not None and self._thread.is_alive() and not self._stop.is_set()

    def tick(self) -> None:
        """Ask for the steps since the last one, and push them. Raises PromlabError."""
        end = now_ms() // self._step_ms * self._step_ms
        if end <= self._end_ms:
            return
        next_step = (self._end_ms // self._step_ms + 1) * self._step_ms
        start = max(next_step, end - self._length_ms)
        is_behind = end - self._end_ms > self._length_ms
        found = self._client.query_range(self._expr, start / 1000, end / 1000, self._step_ms / 1000)
        if not isinstance(found, RangeVector):
            return
        if is_behind:
            self._restart(found)
            self._chart.replace(self._rows(found))
        else:
            self._add(self._rows(found), float(end - self._length_ms))
        self._end_ms = end

    def _add(self, rows: Points, before_ms: float) -> None:
        known = len(self._chart.points.names)
        renamed = rows.names[:known] != self._chart.points.names
        self._chart.append(rows, before_ms)
        if renamed:  # a new series made other labels differ: all rows get their new names
            self._chart.replace(self._chart.points)

    def _run(self, stop: threading.Event) -> None:
        gone_since: float | None = None
        while not stop.wait(self._interval_s):
            if self._chart.comm is None or time.monotonic() - self._seen > _UNSEEN_S:
                self._say("resting: no page shows this graph", live=True)
                return
            try:
                self.tick()
            except (NotRunning, NotReady, QueryTimeout):
                gone_since = gone_since or time.monotonic()
                self._say(f"server stopped at {show_time(self._end_ms)} UTC", live=True)
                if time.monotonic() - gone_since > _PATIENCE_S:
                    self._say(self._chart.status, live=False)
                    return
            except (ClientError, PromlabError) as error:
                self._say(f"stopped: {error}", live=False)
                return
            else:
                gone_since = None
                self._say(f"live, every {self._interval_s:g} s", live=True)

    def _viewed(self, kind: str) -> None:
        if kind == "gone":
            self._stop.set()
            return
        self._seen = time.monotonic()
        if self._chart.live and not self.running:
            self.start()

    def _say(self, text: str, *, live: bool) -> None:
        chart: Any = self._chart
        if chart.status != text:
            chart.status = text
        if chart.live != live:
            chart.live = live

    def _restart(self, found: RangeVector) -> None:
        """Number the series anew: those that the chart has been drawn with."""
        drawn = points(found.batch, found.step_ms).rows
        keys = [_key(found.batch.labels, int(row)) for row in drawn]
        self._series = {key: code for code, key in enumerate(keys)}
        self._last = {
            code: int(found.batch.series(int(row))[0][-1]) for code, row in enumerate(drawn)
        }

    def _rows(self, found: RangeVector) -> Points:
        """Rows of the series that are drawn; new ones are drawn while there is room."""
        times, values, codes = [np.zeros(0)], [np.zeros(0)], [np.zeros(0, np.uint16)]
        hidden = 0
        for row in range(len(found)):
            key = _key(found.batch.labels, row)
            code = self._series.get(key)
            if code is None and len(self._series) < MAX_SERIES:
                code = self._series[key] = len(self._series)
            if code is None:
                hidden += 1
                continue
            t, v = self._joined(code, *found.batch.series(row))
            times.append(t)
            values.append(v)
            codes.append(np.full(len(t), code, np.uint16))
        labels = LabelTable.from_dicts([dict(key) for key in self._series], Symbols())
        shown = len(self._series)
        note = f"{shown} of {shown + hidden:,} series shown" if hidden else ""
        joined = (np.concatenate(times), np.concatenate(values), np.concatenate(codes))
        return Points(*joined, short_names(labels), note, np.zeros(0, np.int64))

    def _joined(self, code: int, t: Times, v: Values) -> tuple[Values, Values]:
        """Rows of one series; the line is broken where it had no sample for a step."""
        before = self._last.get(code)
        self._last[code] = int(t[-1])
        if before is None or before >= t[0]:
            return broken(t, v, self._step_ms)
        joined = broken(np.insert(t, 0, before), np.insert(v, 0, 0.0), self._step_ms)
        return joined[0][1:], joined[1][1:]


def _key(labels: LabelTable, row: int) -> tuple[tuple[str, str], ...]:
    return tuple(labels.row(row).items())
