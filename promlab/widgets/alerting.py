"""Widgets for alerts: a list of silences, and a timeline of when alerts were active.

The page asks for fresh data while it is looked at; Python asks the server and answers. A saved
notebook keeps a text. Labels reach the page as text, never as HTML.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import traitlets
from anywidget import AnyWidget

from promlab.client import Client
from promlab.client.results import RangeVector
from promlab.client.times import DurationLike, to_duration_ms
from promlab.errors import PromlabError

_STATIC = Path(__file__).parent / "static"
_LONGEST = 500


class SilenceList(AnyWidget):  # type: ignore[misc]  # anywidget has no stubs here
    """Silences: those that are, a form for another, a button that ends each.

    `silences` are as an Alertmanager's API gives them; `preview` are labels of the alerts that
    the form's matchers match.
    """

    _esm = _STATIC / "silence_list.js"
    _css = _STATIC / "alerting.css"

    silences = traitlets.List(traitlets.Dict()).tag(sync=True)
    preview = traitlets.List(traitlets.Dict()).tag(sync=True)
    problem = traitlets.Unicode("").tag(sync=True)

    def __init__(
        self,
        read: Callable[[], list[dict[str, Any]]],
        create: Callable[..., str],
        expire: Callable[[str], None],
        alerts: Callable[..., list[dict[str, Any]]],
    ) -> None:
        self._read, self._create, self._expire, self._alerts = read, create, expire, alerts
        super().__init__()
        self.refresh()
        self.on_msg(self._heard)

    def refresh(self) -> None:
        """Ask for all silences again."""
        self.silences = self._read()[:_LONGEST]

    def _heard(self, _widget: Any, message: dict[str, Any], _buffers: Any) -> None:
        try:
            match message:
                case {"kind": "expire", "id": str(silence_id)}:
                    self._expire(silence_id)
                case {"kind": "create", "matchers": list(matchers), **more}:
                    self._create(
                        *map(str, matchers),
                        hours=float(more.get("hours") or 2),
                        comment=str(more.get("comment", "")),
                    )
                case {"kind": "preview", "matchers": list(matchers)}:
                    found = self._alerts(*map(str, matchers))
                    self.preview = [alert["labels"] for alert in found[:_LONGEST]]
            self.refresh()
            self.problem = ""
        except (PromlabError, ValueError) as error:
            self.problem = str(error)

    def __repr__(self) -> str:
        lines = [
            f"{each['status']['state']:8} "
            + ", ".join(f"{m['name']}{_operator(m)}{m['value']!r}" for m in each["matchers"])
            for each in self.silences
        ]
        return "\n".join(lines) or "no silences"


def _operator(matcher: dict[str, Any]) -> str:
    equal, regex = matcher.get("isEqual", True), matcher.get("isRegex", False)
    return ("=~" if equal else "!~") if regex else ("=" if equal else "!=")


class AlertTimeline(AnyWidget):  # type: ignore[misc]  # anywidget has no stubs here
    """When alerts were pending and firing, a row an alert, from the series ALERTS.

    `spans` are dicts of row, state, start_ms, end_ms; `rows` the labels of each row.
    """

    _esm = _STATIC / "alert_timeline.js"
    _css = _STATIC / "alerting.css"

    rows = traitlets.List(traitlets.Dict()).tag(sync=True)
    spans = traitlets.List(traitlets.Dict()).tag(sync=True)
    start_ms = traitlets.Float(0).tag(sync=True)
    end_ms = traitlets.Float(0).tag(sync=True)
    problem = traitlets.Unicode("").tag(sync=True)

    def __init__(self, client: Client, last: DurationLike = "1h", matchers: str = "") -> None:
        self._client, self._last, self._matchers = client, last, matchers
        super().__init__()
        self.refresh()
        self.on_msg(lambda *_: self.refresh())

    def refresh(self) -> None:
        """Ask for the time up to now."""
        try:
            start = datetime.now(UTC) - timedelta(milliseconds=to_duration_ms(self._last))
            result = self._client.query_range(f"ALERTS{{{self._matchers}}}", start)
        except PromlabError as error:
            self.problem = str(error)
            return
        self.problem = ""
        if isinstance(result, RangeVector):
            self._show(result)

    def _show(self, result: RangeVector) -> None:
        rows: dict[tuple[tuple[str, str], ...], int] = {}
        spans: list[dict[str, Any]] = []
        first, last = float("inf"), 0.0
        for series in result.series[:_LONGEST]:
            labels = {k: v for k, v in series.labels.items() if k != "__name__"}
            state = labels.pop("alertstate", "")
            row = rows.setdefault(tuple(sorted(labels.items())), len(rows))
            for start_ms, end_ms in _runs(series.t_ms.tolist(), result.step_ms):
                spans.append({"row": row, "state": state, "start_ms": start_ms, "end_ms": end_ms})
                first, last = min(first, start_ms), max(last, end_ms)
        with self.hold_sync():
            self.rows = [dict(labels) for labels in rows]
            self.spans = spans
            self.start_ms, self.end_ms = (first, last) if spans else (0.0, 0.0)

    def __repr__(self) -> str:
        if not self.rows:
            return "no alerts in this time"
        shown = []
        for i, labels in enumerate(self.rows):
            firing = sum(
                span["end_ms"] - span["start_ms"]
                for span in self.spans
                if span["row"] == i and span["state"] == "firing"
            )
            name = labels.get("alertname", "")
            rest = {k: v for k, v in labels.items() if k != "alertname"}
            shown.append(f"{name} {rest}: {firing / 1000:.0f} s firing")
        return "\n".join(shown)


def _runs(times_ms: list[int], step_ms: int) -> list[tuple[float, float]]:
    """Stretches of times that are a step apart, each up to the end of its last step."""
    found: list[tuple[float, float]] = []
    for t_ms in times_ms:
        if found and t_ms - found[-1][1] <= 0:
            found[-1] = (found[-1][0], t_ms + step_ms)
        else:
            found.append((float(t_ms), float(t_ms + step_ms)))
    return found
