"""A picture of a routing tree, on which the way of one alert is lit.

SVG with text as text: it can be read, searched and scaled, and labels can't be markup in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from promlab.alertmanager.config import Config
from promlab.alertmanager.matchers import show_all
from promlab.alertmanager.routing import Route, tree
from promlab.model.durations import format_duration_ms

_ROW, _INDENT, _HEIGHT, _PAD = 58, 34, 44, 10
_WIDTH, _CHAR = 300, 8.0
_STYLE = """
.promlab-route text { font: 13px ui-monospace, monospace; fill: currentColor; }
.promlab-route .small { font-size: 11px; opacity: .75; }
.promlab-route rect { fill: none; stroke: currentColor; stroke-opacity: .35; rx: 6; }
.promlab-route path { fill: none; stroke: currentColor; stroke-opacity: .35; }
.promlab-route .lit rect { stroke: #d35400; stroke-opacity: 1; stroke-width: 2; }
.promlab-route .end rect { fill: #d35400; fill-opacity: .16; }
.promlab-route path.lit { stroke: #d35400; stroke-opacity: 1; stroke-width: 2; }
.promlab-route .dark { opacity: .55; }
"""


@dataclass(frozen=True, slots=True)
class _Row:
    route: Route
    depth: int
    parent: int


class RoutePicture:
    """Shows itself in a notebook; `receivers` are who would be notified."""

    def __init__(self, config: Config, labels: Mapping[str, str]) -> None:
        self.labels = dict(labels)
        self._root = tree(config.root)
        self._ends = self._root.match(self.labels)
        self._rows: list[_Row] = []
        self._collect(self._root, 0, -1)

    @property
    def receivers(self) -> list[str]:
        """Receivers of an alert with these labels, in order."""
        return [route.options.receiver for route in self._ends]

    def _collect(self, route: Route, depth: int, parent: int) -> None:
        self._rows.append(_Row(route, depth, parent))
        own = len(self._rows) - 1
        for child in route.children:
            self._collect(child, depth + 1, own)

    def _lit(self) -> set[int]:
        """Rows on the way to an end."""
        ends = {id(route) for route in self._ends}
        found: set[int] = set()
        for i, row in enumerate(self._rows):
            if id(row.route) in ends:
                at = i
                while at >= 0:
                    found.add(at)
                    at = self._rows[at].parent
        return found

    def __repr__(self) -> str:
        ends, lit = {id(route) for route in self._ends}, self._lit()
        lines = []
        for i, row in enumerate(self._rows):
            mark = "=>" if id(row.route) in ends else "->" if i in lit else "  "
            first, _ = _texts(row.route)
            lines.append(f"{mark} {'  ' * row.depth}{first}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return self.svg()

    def svg(self) -> str:
        """The picture."""
        lit, ends = self._lit(), {id(route) for route in self._ends}
        texts = [_texts(row.route) for row in self._rows]
        widths = [max(_WIDTH, _width(each)) for each in texts]
        width = max(
            row.depth * _INDENT + each for row, each in zip(self._rows, widths, strict=True)
        )
        height = len(self._rows) * _ROW + _PAD
        parts = [
            f'<svg class="promlab-route" role="img" viewBox="0 0 {width + 2 * _PAD:.0f} {height}" '
            f'style="max-width: {width + 2 * _PAD:.0f}px" xmlns="http://www.w3.org/2000/svg">',
            f"<title>{escape(self._title())}</title><style>{_STYLE}</style>",
        ]
        parts += [self._edge(i, row, i in lit) for i, row in enumerate(self._rows) if row.depth]
        for i, (row, lines, box) in enumerate(zip(self._rows, texts, widths, strict=True)):
            state = "lit end" if id(row.route) in ends else "lit" if i in lit else "dark"
            parts.append(_box(i, row, lines, box, state))
        return "".join([*parts, "</svg>"])

    def _title(self) -> str:
        return f"Routes of an alert; it goes to {', '.join(self.receivers) or 'nobody'}"

    def _edge(self, i: int, row: _Row, lit: bool) -> str:
        x = (row.depth - 1) * _INDENT + _PAD + _INDENT / 2
        y0 = row.parent * _ROW + _PAD + _HEIGHT
        y1 = i * _ROW + _PAD + _HEIGHT / 2
        shown = ' class="lit"' if lit else ""
        return f'<path{shown} d="M{x:.0f} {y0:.0f} V{y1:.0f} H{x + _INDENT / 2:.0f}"/>'


def _texts(route: Route) -> tuple[str, str]:
    options = route.options
    matchers = show_all(route.matchers) if route.matchers else "all alerts"
    grouped = "all labels" if options.group_by is None else ", ".join(options.group_by) or "nothing"
    first = f"{matchers} → {options.receiver}" + (" (continues)" if route.continues else "")
    timings = (options.group_wait_ms, options.group_interval_ms, options.repeat_interval_ms)
    wait, interval, repeat = map(format_duration_ms, timings)
    second = f"by {grouped}; wait {wait}, interval {interval}, repeat {repeat}"
    for what, names in (("mute", options.mute), ("active", options.active)):
        if names:
            second += f"; {what}: {', '.join(names)}"
    return first, second


def _width(lines: Sequence[str]) -> float:
    return max(len(lines[0]) * _CHAR + 40, len(lines[1]) * _CHAR * 0.86) + 2 * _PAD


def _box(i: int, row: _Row, lines: Sequence[str], width: float, state: str) -> str:
    x, y = row.depth * _INDENT + _PAD, i * _ROW + _PAD
    return (
        f'<g class="{state}"><rect x="{x}" y="{y}" width="{width:.0f}" height="{_HEIGHT}" rx="6"/>'
        f'<text x="{x + _PAD}" y="{y + 18}">{escape(lines[0])}</text>'
        f'<text class="small" x="{x + _PAD}" y="{y + 35}">{escape(lines[1])}</text></g>'
    )
