"""Quantile from buckets: what six bounds leave of a distribution, and a native histogram beside."""

from __future__ import annotations

import math
from functools import lru_cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from promlab.lab.explain.world import ask, bucket_indices, engine, native_engine
from promlab.widgets.explainer import Explainer, State
from promlab.widgets.scene import Axis, Control, Handle, Mark, Scene

_LOW, _HIGH = -2.3, 1.2  # powers of ten of a second: 5 ms to 16 s
_SHAPES = ("one hump", "two humps", "a long tail", "a stall")
_QUANTILES = ("0.5", "0.9", "0.95", "0.99")
_N = 10_000
_CURVE = 60
_SCHEMA = 3  # each bucket of the native histogram is 9 % wider than the one before

Floats = npt.NDArray[np.float64]


def quantile() -> Explainer:
    """Drag the bounds of six buckets, and compare the estimate with the truth."""
    bounds = [0.005, 0.01, 0.1, 1.0, 5.0, 10.0]
    start = {f"b{i}": round(math.log10(bound), 2) for i, bound in enumerate(bounds, 1)}
    return Explainer(_scene, {**start, "shape": "a long tail", "q": "0.95"})


@lru_cache(maxsize=4)
def durations(shape: str) -> Floats:
    """10,000 durations in seconds, sorted; the same for everybody."""
    rng = np.random.default_rng(7)
    if shape == "one hump":
        found = rng.lognormal(math.log(0.12), 0.45, _N)
    elif shape == "two humps":
        fast, slow = rng.lognormal(math.log(0.03), 0.3, _N), rng.lognormal(math.log(1.2), 0.25, _N)
        found = np.where(rng.random(_N) < 0.8, fast, slow)
    elif shape == "a stall":  # 3 of 100 wait for a timeout, beyond the last bound
        fast, stalled = rng.lognormal(math.log(0.08), 0.5, _N), rng.uniform(12, 15, _N)
        found = np.where(rng.random(_N) < 0.97, fast, stalled)
    else:
        found = rng.lognormal(math.log(0.08), 1.0, _N)
    return np.sort(found)


def estimate(shape: str, bounds: list[float], q: str) -> float:
    """What histogram_quantile makes of buckets with these bounds."""
    counts = [int(np.searchsorted(durations(shape), bound, side="right")) for bound in bounds]
    series = [
        ({"__name__": "d_bucket", "le": le}, [0.0], [float(count)])
        for le, count in zip([*map(repr, bounds), "+Inf"], [*counts, _N], strict=True)
    ]
    source = engine(series)
    try:
        found = ask(source, f"histogram_quantile({q}, d_bucket)", 0)
    finally:
        source.close()
    return math.nan if found is None else found


@lru_cache(maxsize=16)
def native(shape: str, q: str) -> tuple[float, int]:
    """The same from a native histogram: its estimate, and how many buckets it needed."""
    source = native_engine("n", durations(shape), _SCHEMA)
    try:
        found = ask(source, f"histogram_quantile({q}, n)", 0)
        buckets = np.unique(bucket_indices(durations(shape), _SCHEMA))
    finally:
        source.close()
    return math.nan if found is None else found, len(buckets)


def _scene(state: State) -> Scene:
    shape, q = str(state["shape"]), str(state["q"])
    places = {name: float(state[name]) for name in sorted(state) if name.startswith("b")}
    bounds = sorted({10 ** round(at, 2) for at in places.values()})
    truth = float(np.quantile(durations(shape), float(q)))
    guess = estimate(shape, bounds, q)
    other, buckets = native(shape, q)
    off = (guess - truth) / truth
    counts = [float(np.searchsorted(durations(shape), b, side="right")) / _N for b in bounds]
    edges = [10**_LOW, *bounds]
    bars = [
        (math.log10(a), math.log10(b), share)
        for (a, b), share in zip(pairwise(edges), counts, strict=True)
    ]
    marks = [
        Mark("bars", "data", bars),
        Mark("line", "truth", _true_curve(shape)),
        Mark("line", "used", _straight(bounds, counts)),
        Mark("across", "faint", [(float(q),)], f"rank: {q} of all", dashed=True),
        Mark("upright", "truth", [(math.log10(truth),)], ""),
        Mark("upright", "used", [(max(_LOW, math.log10(max(guess, 1e-9))),)], "", dashed=True),
        Mark("upright", "other", [(math.log10(other),)], "", dashed=True),
    ]
    return Scene(
        title=f"histogram_quantile({q}, …) from {len(bounds)} buckets and +Inf",
        x=Axis(_LOW, _HIGH, "seconds", [(math.log10(s), f"{s:g}") for s in (0.01, 0.1, 1, 10)]),
        y=Axis(0, 1.05, "share", [(0, "0"), (0.5, "half"), (1, "all")]),
        marks=marks,
        handles=[
            Handle(name, f"bound {name[1:]}", at, _LOW, _HIGH, 0.05, f"{10**at:.3g} s")
            for name, at in places.items()
        ],
        controls=[
            Control("shape", "durations", shape, _SHAPES),
            Control("q", "quantile", q, _QUANTILES),
        ],
        rows=[
            *_rows(bounds, counts, float(q), guess, truth),
            ("native histogram", f"{other:.4g} s", f"{(other - truth) / truth:+.1%}, no bounds"),
            ("series of the one", f"{len(bounds) + 3}", "a bucket each, +Inf, _sum and _count"),
            ("series of the other", "1", f"with {buckets} buckets in it"),
        ],
        verdict=_verdict(off, beyond=counts[-1] < float(q)),
        legend=[
            ("truth", "true durations, and their quantile"),
            ("data", "buckets"),
            ("used", "straight lines between them, and the estimate"),
            ("other", "a native histogram's estimate"),
        ],
    )


def _true_curve(shape: str) -> list[tuple[float, float]]:
    at = np.linspace(_LOW, _HIGH, _CURVE)
    share = np.searchsorted(durations(shape), 10**at, side="right") / _N
    return list(zip(at.tolist(), share.tolist(), strict=True))


def _straight(bounds: list[float], counts: list[float]) -> list[tuple[float, float]]:
    """Straight lines from bound to bound; the axis is logarithmic, so they look bent."""
    at = 10 ** np.linspace(_LOW, math.log10(bounds[-1]), _CURVE)
    share = np.interp(at, [0, *bounds], [0, *counts])
    return list(zip(np.log10(at).tolist(), share.tolist(), strict=True))


def _rows(
    bounds: list[float], counts: list[float], q: float, guess: float, truth: float
) -> list[tuple[str, str, str]]:
    above = next((i for i, share in enumerate(counts) if share >= q), None)
    if above is None:
        where, why = "above the last bound", "the estimate stops at the last bound"
    else:
        low = bounds[above - 1] if above else 0.0
        where, why = f"{low:.3g} to {bounds[above]:.3g} s", "the estimate lies on its straight line"
    return [
        ("rank", f"{q * _N:,.0f}", f"of {_N:,} durations"),
        ("its bucket", where, why),
        ("estimate", f"{guess:.4g} s", "what the engine says"),
        ("truth", f"{truth:.4g} s", "from the durations themselves"),
    ]


def _verdict(off: float, *, beyond: bool) -> str:
    if abs(off) < 0.05:
        mark = "within 5 %"
    elif beyond:
        mark = "more than 5 % off: the estimate is the last bound, which nobody waited for"
    else:
        mark = "more than 5 % off: move a bound closer to the truth"
    return f"error {off:+.1%}: {mark}"
