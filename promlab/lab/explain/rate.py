"""Rate under the glass: the samples of a window, and the number assembled term by term."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np

from promlab.frames.source import Source
from promlab.lab.explain.world import ask, engine, ticks
from promlab.widgets.explainer import Explainer, State
from promlab.widgets.scene import Axis, Control, Handle, Mark, Scene

_END_S, _FIRST_S, _EVERY_S = 150, 4, 15
_SAMPLES: dict[str, list[float | None]] = {
    "three events": [0, 0, 0, 1, 1, 2, 2, 3, 3, 3],
    "steady": [120, 150, 180, 210, 240, 270, 300, 330, 360, 390],
    "a restart": [120, 150, 180, 210, 240, 12, 42, 72, 102, 132],
    "two scrapes missing": [20, 28, 37, 44, None, None, 69, 77, 86, 93],
    "young counter": [None, None, None, None, 2, 12, 22, 32, 42, 52],
}
_FUNCTIONS = ("increase", "rate")


@dataclass(frozen=True)
class Assembly:
    """How `rate` or `increase` comes about. Seconds and values; None where it can't be."""

    first: tuple[float, float]
    last: tuple[float, float]
    resets: float  # what was added for counter resets
    left_s: float  # gap from the window's start to the first sample, and what is used of it
    left_used_s: float
    left_why: str
    right_s: float
    right_used_s: float
    right_why: str
    average_s: float
    result: float

    @property
    def delta(self) -> float:
        """What the counter grew by between the first and the last sample."""
        return self.last[1] - self.first[1] + self.resets

    @property
    def factor(self) -> float:
        """What the growth is multiplied by, so that it stands for the whole window."""
        sampled = self.last[0] - self.first[0]
        return (sampled + self.left_used_s + self.right_used_s) / sampled


def assemble(
    times: list[float], values: list[float], start: float, end: float, function: str
) -> Assembly | None:
    """The terms, from the samples with start < t <= end. None with fewer than two."""
    inside = [(t, v) for t, v in zip(times, values, strict=True) if start < t <= end]
    if len(inside) < 2:
        return None
    resets = sum(a for (_, a), (_, b) in pairwise(inside) if b < a)
    (t0, v0), (t1, v1) = inside[0], inside[-1]
    delta, sampled = v1 - v0 + resets, t1 - t0
    average = sampled / (len(inside) - 1)
    left, left_why = _gap(t0 - start, average)
    if delta > 0 and v0 >= 0 and sampled * v0 / delta < left:
        left, left_why = sampled * v0 / delta, "before that it would be below zero"
    right, right_why = _gap(end - t1, average)
    result = delta * (sampled + left + right) / sampled
    if function == "rate":
        result /= end - start
    return Assembly(
        (t0, v0), (t1, v1), resets, t0 - start, left, left_why, end - t1, right, right_why,
        average, result,
    )  # fmt: skip


def _gap(gap: float, average: float) -> tuple[float, str]:
    if gap >= average * 1.1:
        return average / 2, "too wide: half an average distance"
    return gap, "all of it"


def rate() -> Explainer:
    """Drag the edges of a window over the samples of a counter."""
    return Explainer(
        _scene, {"start": 50.0, "end": 110.0, "what": "three events", "how": "increase"}
    )


def _samples(what: str) -> tuple[list[float], list[float]]:
    every = [(_FIRST_S + i * _EVERY_S, v) for i, v in enumerate(_SAMPLES[what]) if v is not None]
    return [float(t) for t, _ in every], [float(v) for _, v in every]


@lru_cache(maxsize=8)
def _source(what: str) -> Source:
    times, values = _samples(what)
    return engine([({"__name__": "c"}, times, values)])


def _scene(state: State) -> Scene:
    what, how = str(state["what"]), str(state["how"])
    start, end = float(state["start"]), float(state["end"])
    end = max(end, start + 5)
    times, values = _samples(what)
    found = ask(_source(what), f"{how}(c[{round((end - start) * 1000)}ms])", end)
    terms = assemble(times, values, start, end, how)
    inside = [(t, v) for t, v in zip(times, values, strict=True) if start < t <= end]
    outside = [(t, v) for t, v in zip(times, values, strict=True) if not start < t <= end]
    high = max(values) * 1.25
    marks = [
        Mark("band", "used", [(start, end)]),
        Mark("line", "faint", list(zip(times, values, strict=True)), dashed=True),
        Mark("points", "data", outside),
        Mark("points", "used", inside),
    ]
    if terms is not None and terms.resets == 0:
        marks.append(Mark("line", "used", _slope(terms, high)))
    return Scene(
        title=f"{how}(c[{end - start:g}s]) at second {end:g}",
        x=Axis(0, _END_S, "seconds", ticks(0, _END_S, 15)),
        y=Axis(0, high, "c", [(v, f"{v:g}") for v in (0, max(values))]),
        marks=marks,
        handles=[
            Handle("start", "start", start, 0, _END_S - 10, 1, f"second {start:g}"),
            Handle("end", "end", end, 10, _END_S, 1, f"second {end:g}"),
        ],
        controls=[
            Control("what", "samples", what, list(_SAMPLES)),
            Control("how", "function", how, _FUNCTIONS),
        ],
        rows=_rows(terms, len(inside), how, end - start),
        verdict=_verdict(how, found),
        legend=[("data", "samples"), ("used", "samples in the window, and the slope")],
    )


def _slope(terms: Assembly, high: float) -> list[tuple[float, float]]:
    (t0, v0), (t1, v1) = terms.first, terms.last
    slope = (v1 - v0) / (t1 - t0)
    ends = [
        (t0 - terms.left_used_s, v0 - slope * terms.left_used_s),
        (t1 + terms.right_used_s, v1 + slope * terms.right_used_s),
    ]
    return [(t, float(np.clip(v, 0, high))) for t, v in ends]


def _rows(terms: Assembly | None, n: int, how: str, length: float) -> list[tuple[str, str, str]]:
    rows = [("samples in the window", str(n), "the start itself does not belong to it")]
    if terms is None:
        return [*rows, ("needed", "2", "one sample has no slope")]
    rows += [
        ("last − first", f"{terms.last[1] - terms.first[1]:g}",
         f"{terms.last[1]:g} at {terms.last[0]:g} s, {terms.first[1]:g} at {terms.first[0]:g} s"),
        ("added for restarts", f"{terms.resets:g}", "what was reached before each fall"),
        ("average distance", f"{terms.average_s:.3g} s",
         f"a gap of {terms.average_s * 1.1:.3g} s or more is too wide"),
        ("gap at the start", f"{terms.left_used_s:.3g} s",
         f"of {terms.left_s:.3g} s: {terms.left_why}"),
        ("gap at the end", f"{terms.right_used_s:.3g} s",
         f"of {terms.right_s:.3g} s: {terms.right_why}"),
        ("factor", f"{terms.factor:.4g}", "sampled time and both gaps, by sampled time"),
    ]  # fmt: skip
    if how == "rate":
        return [*rows, (f"{terms.delta:g} × factor / {length:g} s", f"{terms.result:.5g}", "")]
    return [*rows, (f"{terms.delta:g} × factor", f"{terms.result:.5g}", "")]


def _verdict(how: str, found: float | None) -> str:
    return f"the engine says: {how} is {'nothing' if found is None else f'{found:.5g}'}"
