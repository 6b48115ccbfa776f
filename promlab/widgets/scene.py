"""What an explainer shows: marks on two axes, handles to drag, controls, and numbers.

A scene is plain data in the units of its axes. The page draws it (static/explainer.js), and
`svg` draws the same picture for those who have no page.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from html import escape
from typing import Any

WIDTH, HEIGHT = 720, 300
LEFT, RIGHT, TOP, BOTTOM = 60, 16, 34, 44
FAR = 620  # labels of handles beyond stand on their left
TONES = {
    "data": "#1565c0",
    "used": "#d84315",
    "faint": "#757575",
    "truth": "#2e7d32",
    "bad": "#b71c1c",
    "other": "#6a1b9a",
    "ink": "#212121",
}

Point = tuple[float, float]


@dataclass(frozen=True)
class Axis:
    """From `low` to `high`, with ticks where there is a text."""

    low: float
    high: float
    label: str
    ticks: Sequence[tuple[float, str]]


@dataclass(frozen=True)
class Mark:
    """`kind` is line, points, bars (x0, x1, height), band (x0, x1), across (y), upright (x)."""

    kind: str
    tone: str
    points: Sequence[Sequence[float]]
    text: str = ""
    dashed: bool = False


@dataclass(frozen=True)
class Handle:
    """An upright line that is dragged, or moved by arrow keys, from `low` to `high`."""

    name: str
    label: str
    at: float
    low: float
    high: float
    step: float
    text: str


@dataclass(frozen=True)
class Control:
    """A choice beside the picture. `note` is what is said of the present value."""

    name: str
    label: str
    value: str
    options: Sequence[str]
    note: str = ""
    good: bool | None = None


@dataclass(frozen=True)
class Scene:
    """All that is seen. `rows` are (what, number, why); `verdict` is the sentence below.

    `listing` is text of a program or a server, shown as it is.
    """

    title: str
    x: Axis
    y: Axis
    marks: Sequence[Mark]
    handles: Sequence[Handle] = ()
    controls: Sequence[Control] = ()
    rows: Sequence[tuple[str, str, str]] = ()
    verdict: str = ""
    legend: Sequence[tuple[str, str]] = field(default_factory=tuple)  # tone, text
    listing: str = ""

    def plain(self) -> dict[str, Any]:
        """As JSON has it."""
        return {**asdict(self), "size": [WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM]}

    def text(self) -> str:
        """The numbers, for those who can't or won't look at the picture."""
        lines = [self.title]
        lines += [f"  {c.label}: {c.value}" for c in self.controls if c.value]
        lines += [f"  {h.label}: {h.text}" for h in self.handles]
        lines += [f"  {what:<34} {number:>12}  {why}".rstrip() for what, number, why in self.rows]
        return "\n".join([*lines, *filter(None, (self.verdict, self.listing))])


def svg(scene: Scene) -> str:
    """The scene as a picture, without its controls."""
    pen = _Pen(scene)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'width="{WIDTH}" height="{HEIGHT}" role="img" font-family="sans-serif" font-size="12">'
        f"<title>{escape(scene.title)}</title>"
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>'
    )
    parts = [head, *pen.axes(), *(pen.mark(mark) for mark in scene.marks)]
    parts += [pen.handle(handle, i % 2) for i, handle in enumerate(scene.handles)]
    x = LEFT
    for tone, words in scene.legend:
        parts.append(f'<rect x="{x}" y="6" width="10" height="10" fill="{TONES[tone]}"/>')
        parts.append(f'<text x="{x + 14}" y="15" fill="{TONES["ink"]}">{escape(words)}</text>')
        x += 24 + 6 * len(words)
    return "".join([*parts, "</svg>"])


class _Pen:
    def __init__(self, scene: Scene) -> None:
        self.scene = scene

    def x(self, at: float) -> float:
        axis = self.scene.x
        inside = WIDTH - LEFT - RIGHT
        return round(LEFT + (at - axis.low) / (axis.high - axis.low) * inside, 1)

    def y(self, at: float) -> float:
        axis = self.scene.y
        inside = HEIGHT - TOP - BOTTOM
        return round(HEIGHT - BOTTOM - (at - axis.low) / (axis.high - axis.low) * inside, 1)

    def axes(self) -> list[str]:
        ink, foot = TONES["ink"], HEIGHT - BOTTOM
        parts = [
            f'<path d="M{LEFT} {TOP}V{foot}H{WIDTH - RIGHT}" fill="none" '
            f'stroke="{TONES["faint"]}"/>'
        ]
        for at, words in self.scene.x.ticks:
            parts.append(
                f'<text x="{self.x(at)}" y="{foot + 16}" text-anchor="middle" fill="{ink}">'
                f"{escape(words)}</text>"
            )
        for at, words in self.scene.y.ticks:
            parts.append(
                f'<text x="{LEFT - 6}" y="{self.y(at) + 4}" text-anchor="end" fill="{ink}">'
                f"{escape(words)}</text>"
            )
        middle = (LEFT + WIDTH - RIGHT) / 2
        parts.append(
            f'<text x="{middle}" y="{HEIGHT - 8}" text-anchor="middle" fill="{ink}">'
            f"{escape(self.scene.x.label)}</text>"
        )
        return parts

    def mark(self, mark: Mark) -> str:
        colour = TONES[mark.tone]
        dash = ' stroke-dasharray="5 4"' if mark.dashed else ""
        words = escape(mark.text)
        if mark.kind == "line":
            path = " ".join(f"{self.x(x)},{self.y(y)}" for x, y in mark.points)
            return (
                f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>'
            )
        if mark.kind == "points":
            return "".join(
                f'<circle cx="{self.x(x)}" cy="{self.y(y)}" r="4" fill="{colour}"/>'
                for x, y in mark.points
            )
        if mark.kind == "bars":
            return "".join(
                self._box(x0, x1, self.y(top), colour, 0.45) for x0, x1, top in mark.points
            )
        if mark.kind == "band":
            return "".join(self._box(x0, x1, TOP, colour, 0.12) for x0, x1 in mark.points)
        if mark.kind == "across":
            y = self.y(mark.points[0][0])
            line = f'<path d="M{LEFT} {y}H{WIDTH - RIGHT}" stroke="{colour}"{dash}/>'
            return f'{line}<text x="{LEFT + 4}" y="{y - 4}" fill="{colour}">{words}</text>'
        x = self.x(mark.points[0][0])
        line = f'<path d="M{x} {TOP}V{HEIGHT - BOTTOM}" stroke="{colour}" stroke-width="2"{dash}/>'
        return f'{line}<text x="{x + 4}" y="{TOP + 12}" fill="{colour}">{words}</text>'

    def _box(self, x0: float, x1: float, top: float, colour: str, opacity: float) -> str:
        left, foot = self.x(x0), HEIGHT - BOTTOM
        return (
            f'<rect x="{left}" y="{top}" width="{max(0, round(self.x(x1) - left, 1))}" '
            f'height="{max(0, round(foot - top, 1))}" fill="{colour}" fill-opacity="{opacity}" '
            f'stroke="{colour}"/>'
        )

    def handle(self, handle: Handle, row: int) -> str:
        x, foot = self.x(handle.at), HEIGHT - BOTTOM
        return (
            f'<path d="M{x} {TOP}V{foot}" stroke="{TONES["ink"]}" stroke-dasharray="2 2"/>'
            f'<rect x="{x - 6}" y="{foot - 8}" width="12" height="16" rx="3" '
            f'fill="{TONES["ink"]}"/>'
            f'<text x="{x - 9 if x > FAR else x + 9}" y="{foot - 14 - 14 * row}" '
            f'text-anchor="{"end" if x > FAR else "start"}" fill="{TONES["ink"]}">'
            f"{escape(handle.label)}</text>"
        )
