"""Choose the type: twelve things to measure, and what a wrong choice does to them."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from promlab.frames.source import Source
from promlab.lab.explain.world import ask, engine, ticks
from promlab.widgets.explainer import Explainer, State
from promlab.widgets.scene import Axis, Control, Mark, Scene

_TYPES = ("", "counter", "gauge", "histogram", "summary")
THINGS = {
    "t01": ("requests answered", "counter"),
    "t02": ("memory in use", "gauge"),
    "t03": ("how long answering takes, over all replicas", "histogram"),
    "t04": ("jobs waiting in a queue", "gauge"),
    "t05": ("errors", "counter"),
    "t06": ("temperature", "gauge"),
    "t07": ("bytes sent", "counter"),
    "t08": ("exact median of one single program, no bounds known", "summary"),
    "t09": ("share of uploads under 1 MB", "histogram"),
    "t10": ("when the last backup ended", "gauge"),
    "t11": ("CPU seconds used", "counter"),
    "t12": ("which version runs", "gauge"),
}
_WHY = {
    ("counter", "gauge"): "a gauge misses what happens between two scrapes",
    ("counter", "histogram"): "there is nothing to put into buckets: count",
    ("counter", "summary"): "there is nothing to take quantiles of: count",
    ("gauge", "counter"): "it also goes down: a counter may not",
    ("gauge", "histogram"): "one value at a time, that is all that is asked",
    ("gauge", "summary"): "one value at a time, that is all that is asked",
    ("histogram", "counter"): "a total says nothing of single ones",
    ("histogram", "gauge"): "a gauge knows the last one only",
    ("histogram", "summary"): "quantiles of replicas can't be added, nor shares be told",
    ("summary", "counter"): "a total has no median",
    ("summary", "gauge"): "a gauge knows the last one only",
    ("summary", "histogram"): "possible, but the bounds have to be known",
}
_END_S, _EVERY_S = 120, 15
_BUCKET = 'h_bucket{{replica="a", le="{}"}}'


def choose_type() -> Explainer:
    """Match twelve things with the four metric types."""
    return Explainer(_scene, dict.fromkeys(THINGS, ""))


def _scene(state: State) -> Scene:
    controls = [_control(name, str(state[name])) for name in THINGS]
    chosen = [control for control in controls if control.value]
    right = sum(control.good is True for control in controls)
    shown = chosen[-1].value if chosen else "gauge"
    for control in chosen:  # what is wrong is worth a picture first
        if control.good is False:
            shown = control.value
    picture = _durations if shown in ("histogram", "summary") else _events
    return picture(shown, controls, f"{right} of {len(THINGS)} are right")


def _control(name: str, value: str) -> Control:
    thing, right = THINGS[name]
    if not value:
        return Control(name, thing, value, _TYPES)
    note = "right" if value == right else _WHY[right, value]
    return Control(name, thing, value, _TYPES, note, value == right)


def _per_second() -> list[float]:
    """Events in each second: a few, and a burst between two scrapes."""
    return [3.0 + math.sin(s / 9) + (40.0 if 66 <= s < 72 else 0.0) for s in range(_END_S)]


@lru_cache(maxsize=1)
def _event_source() -> Source:
    each = _per_second()
    scrapes = list(range(0, _END_S + 1, _EVERY_S))
    total = np.concatenate([[0.0], np.cumsum(each)])
    return engine(
        [
            ({"__name__": "events_total"}, scrapes, total[scrapes]),
            ({"__name__": "events_now"}, scrapes, [each[min(s, _END_S - 1)] for s in scrapes]),
        ]
    )


def _events(kind: str, controls: list[Control], verdict: str) -> Scene:
    """A burst of events, as a counter's rate or a gauge shows it."""
    query = "rate(events_total[30s])" if kind == "counter" else "events_now"
    source, seen = _event_source(), []
    for s in range(0, _END_S + 1, _EVERY_S):
        value = ask(source, query, s)
        if value is not None:
            seen.append((float(s), value))
    each = _per_second()
    kept = "keeps the burst in its total" if kind == "counter" else "never saw the burst"
    counted = ask(source, "max_over_time(events_total[2m])", _END_S) or 0.0
    top = ask(source, "max_over_time(events_now[2m])", _END_S) or 0.0
    number = f"{counted:.0f} events" if kind == "counter" else f"at most {top:.0f} a second"
    return Scene(
        title=f"A burst between two scrapes, as a {kind}: it {kept}",
        x=Axis(0, _END_S, "seconds", ticks(0, _END_S, 15)),
        y=Axis(0, 50, "events a second", ticks(0, 50, 10)),
        marks=[
            Mark("line", "truth", [(float(s), v) for s, v in enumerate(each)]),
            Mark("line", "used", seen, dashed=True),
            Mark("points", "used", seen),
        ],
        controls=controls,
        rows=[
            ("truth", f"{sum(each):.0f} events", f"at most {max(each):.0f} a second"),
            (f"{kind} says", number, query),
        ],
        verdict=verdict,
        legend=[("truth", "events in each second"), ("used", "what the scrapes give")],
        listing=_event_listing(kind),
    )


def _event_listing(kind: str) -> str:
    """How a program would measure it, and what the last scrape got."""
    source = _event_source()
    if kind == "counter":
        code = 'events = Counter("events", "Events so far.")\nevents.inc()         # at each event'
        name, value = "events_total", ask(source, "events_total", _END_S)
    else:
        code = 'events = Gauge("events_now", "Events in this second.")\nevents.set(count)'
        name, value = "events_now", ask(source, "events_now", _END_S)
    return f"{code}\n\n# TYPE {name} {kind}\n{name} {value or 0:.4g}"


@lru_cache(maxsize=1)
def _replicas() -> tuple[Source, float]:
    """Two replicas, one slow and rarely used: histogram and summary of each, and the truth."""
    rng = np.random.default_rng(3)
    both = {"a": rng.lognormal(-2.5, 0.4, 9_940), "b": rng.lognormal(0.0, 0.4, 60)}
    bounds = (0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.5, 1.0, 1.5, 2.0, 4.0, math.inf)
    series = []
    for name, found in both.items():
        for bound in bounds:
            le = "+Inf" if math.isinf(bound) else f"{bound:g}"
            labels = {"__name__": "h_bucket", "replica": name, "le": le}
            series.append((labels, [0.0], [float((found <= bound).sum())]))
        exact = float(np.quantile(found, 0.99))
        series.append(({"__name__": "s", "replica": name, "quantile": "0.99"}, [0.0], [exact]))
    return engine(series), float(np.quantile(np.concatenate(list(both.values())), 0.99))


def _durations(kind: str, controls: list[Control], verdict: str) -> Scene:
    """The 99th percentile of two replicas together, by histogram and by summaries."""
    source, truth = _replicas()
    answers = {
        "truth": truth,
        "histogram": ask(source, "histogram_quantile(0.99, sum by (le) (h_bucket))", 0) or 0.0,
        "summaries, averaged": ask(source, "avg(s)", 0) or 0.0,
        "the worst summary": ask(source, "max(s)", 0) or 0.0,
    }
    tones = ("truth", "used", "bad", "bad")
    return Scene(
        title=f"Two replicas as {kind}: how slow are the slowest 1 % of all requests?",
        x=Axis(0, 4, "", [(i + 0.5, name) for i, name in enumerate(answers)]),
        y=Axis(0, max(answers.values()) * 1.2, "seconds", ticks(0, 2, 1)),
        marks=[
            Mark("bars", tone, [(i + 0.2, i + 0.8, value)])
            for i, (tone, value) in enumerate(zip(tones, answers.values(), strict=True))
        ],
        controls=controls,
        rows=[(name, f"{value:.3g} s", "") for name, value in answers.items()],
        verdict=verdict,
        listing=_duration_listing(kind),
    )


def _duration_listing(kind: str) -> str:
    """How replica a would measure it, and what a scrape gets."""
    source, _ = _replicas()
    if kind == "histogram":
        code = (
            'seconds = Histogram("seconds", "How long.", buckets=[0.05, 0.1, 0.5])\n'
            "seconds.observe(took)    # at the end of each request"
        )
        bounds = ("0.05", "0.1", "0.5", "+Inf")
        lines = [
            f'seconds_bucket{{le="{le}"}} ' + f"{ask(source, _BUCKET.format(le), 0) or 0:.0f}"
            for le in bounds
        ]
    else:
        code = (
            'seconds = Summary("seconds", "How long.")  # the program works quantiles out:\n'
            "seconds.observe(took)    # in Go or Java; Python's library gives sum and count only"
        )
        found = ask(source, 's{replica="a"}', 0) or 0.0
        lines = [f'seconds{{quantile="0.99"}} {found:.4g}']
    count = ask(source, _BUCKET.format("+Inf"), 0) or 0.0
    lines += [f"seconds_count {count:.0f}"]
    return "\n".join([f"{code}\n", f"# TYPE seconds {kind}", *lines])
