"""Vanishing series: a target dies, and the question is until when one still sees it.

An exporter that sends timestamps of its own is asked, too: Prometheus writes no marker for its
series, and counts the lookback from what the exporter says, not from when it was scraped.
"""

from __future__ import annotations

import math
from functools import lru_cache
from itertools import pairwise

import numpy as np

from promlab.client.results import RangeVector
from promlab.frames.source import Source
from promlab.lab.explain.world import START_S, ask, engine, ticks, with_marker
from promlab.widgets.explainer import Explainer, State
from promlab.widgets.scene import Axis, Control, Handle, Mark, Scene

_END_S, _EVERY_S, _LOOKBACK_S, _STEP_S = 720, 15, 300, 5
_OWN_EVERY_S = 60  # how often an exporter that tells the time looks at what it measures
_ENDINGS = (
    "the scrape fails: stale marker",
    "the server sees nothing: no marker",
    "the exporter sends its own timestamps: no marker",
)
# Guesses of what is seen so long after the newest sample, to be made before looking.
_GUESSES = {
    "guess1": ("after 30 s", 30),
    "guess2": ("after 4m59s", 299),
    "guess3": ("after 5m", 300),
}
_EXPECTED = ("", "a value", "nothing")


def vanishing() -> Explainer:
    """Choose when a target dies, and from when one looks; guess first what there is to see."""
    start = {"death": 200.0, "at": 230.0, "ending": _ENDINGS[0]}
    return Explainer(_scene, {**start, **dict.fromkeys(_GUESSES, "")})


def _samples(death: float, ending: str) -> tuple[list[float], list[float]]:
    times = [float(t) for t in range(0, _END_S + 1, _EVERY_S) if t <= death]
    if ending == _ENDINGS[2]:  # scrapes in between bring the same sample again
        times = sorted({t // _OWN_EVERY_S * _OWN_EVERY_S for t in times})
    return times, [50 + 6 * math.sin(t / 60) + 2 * math.sin(t / 17) for t in times]


@lru_cache(maxsize=64)
def _source(death: float, ending: str) -> Source:
    times, values = _samples(death, ending)
    if ending == _ENDINGS[0]:
        return engine([({"__name__": "m"}, [*times, times[-1] + _EVERY_S], with_marker(values))])
    return engine([({"__name__": "m"}, times, values)])


@lru_cache(maxsize=64)
def _graph(death: float, ending: str) -> list[list[tuple[float, float]]]:
    """What a graph shows: stretches without a gap."""
    source = _source(death, ending)
    found = source.query_range("m", START_S, START_S + _END_S, _STEP_S)
    if not isinstance(found, RangeVector) or not len(found):
        return []
    times, values = found.batch.series(0)
    points = [
        ((t / 1000) - START_S, v) for t, v in zip(times.tolist(), values.tolist(), strict=True)
    ]
    breaks = [i for i, (a, b) in enumerate(pairwise(points), 1) if b[0] - a[0] > _STEP_S]
    return [list(map(tuple, piece)) for piece in np.split(np.array(points), breaks)]


def _scene(state: State) -> Scene:
    death, at, ending = float(state["death"]), float(state["at"]), str(state["ending"])
    times, values = _samples(death, ending)
    value = ask(_source(death, ending), "m", at)
    marker_s = times[-1] + _EVERY_S if ending == _ENDINGS[0] else None
    before = [t for t in times if t <= at]
    marks = [Mark("band", "faint", [(max(0.0, at - _LOOKBACK_S), at)])]
    marks += [Mark("line", "data", piece) for piece in _graph(death, ending)]
    marks += [
        Mark("points", "data", list(zip(times, values, strict=True))),
        Mark("upright", "bad", [(death,)], "", dashed=True),
    ]
    if marker_s is not None and marker_s <= _END_S:
        marks.append(Mark("upright", "used", [(marker_s,)], ""))
    if value is not None:
        marks.append(Mark("across", "truth", [(value,)], f"answer {value:.4g}", dashed=True))
    return Scene(
        title=f"m at second {at:g}",
        x=Axis(0, _END_S, "seconds", ticks(0, _END_S, 60)),
        y=Axis(35, 65, "m", [(40, "40"), (50, "50"), (60, "60")]),
        marks=marks,
        handles=[
            Handle("death", "death", death, 30, 360, 1, f"second {death:g}"),
            Handle("at", "evaluated here", at, 0, _END_S, 1, f"second {at:g}"),
        ],
        controls=[
            Control("ending", "how it ends", ending, _ENDINGS),
            *(_guess(state, name, times[-1], ending) for name in _GUESSES),
        ],
        rows=_rows(at, before, marker_s, ending),
        verdict=_verdict(value, at, before, marker_s),
        legend=[
            ("data", "samples, and what a graph shows"),
            ("faint", "lookback: 5 minutes"),
            ("used", "stale marker"),
        ],
    )


def _guess(state: State, name: str, newest: float, ending: str) -> Control:
    """What somebody expects to see, held against what the engine says."""
    label, later = _GUESSES[name]
    value = str(state[name])
    if not value:
        return Control(name, label, value, _EXPECTED)
    found = ask(_source(float(state["death"]), ending), "m", newest + later)
    there = "nothing" if found is None else "a value"
    note = "right" if value == there else f"the engine says: {there}"
    return Control(name, label, value, _EXPECTED, note, value == there)


def _rows(
    at: float, before: list[float], marker_s: float | None, ending: str
) -> list[tuple[str, str, str]]:
    when = "by the exporter's own clock" if ending == _ENDINGS[2] else ""
    age = f"{at - before[-1]:g} s" if before else "none"
    marked = "none"
    if marker_s is not None:
        marked = f"{marker_s:g} s" + ("" if marker_s <= at else " (later)")
    return [
        ("newest sample", f"{before[-1]:g} s" if before else "none", when),
        ("its age", age, "must be less than 300 s"),
        ("stale marker", marked, "a marker ends the series at once"),
    ]


def _verdict(value: float | None, at: float, before: list[float], marker_s: float | None) -> str:
    if value is not None:
        return f"the engine says: {value:.4g}"
    if marker_s is not None and marker_s <= at:
        return "the engine says: nothing, the marker ended the series"
    if not before:
        return "the engine says: nothing, there is no sample yet"
    return "the engine says: nothing, the newest sample is too old"
