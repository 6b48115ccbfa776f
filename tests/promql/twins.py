"""Range functions in plain Python, one window at a time, as their definitions read."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Callable

Samples = list[tuple[int, float]]  # (t_ms, value) in one window
Twin = Callable[[Samples, int, int], float | None]  # samples, right edge, range -> value


def extrapolated(samples: Samples, right: int, range_ms: int, *, counter: bool, rate: bool):
    if len(samples) < 2:
        return None
    (first_t, first), (last_t, last) = samples[0], samples[-1]
    result = last - first
    if counter:
        for (_, a), (_, b) in itertools.pairwise(samples):
            if b < a:
                result += a
    to_start = (first_t - (right - range_ms)) / 1000
    to_end = (right - last_t) / 1000
    sampled = (last_t - first_t) / 1000
    mean = sampled / (len(samples) - 1)
    if to_start >= mean * 1.1:
        to_start = mean / 2
    if counter and result > 0 and first >= 0:
        to_start = min(to_start, sampled * (first / result))
    if to_end >= mean * 1.1:
        to_end = mean / 2
    factor = (sampled + to_start + to_end) / sampled
    if rate:
        factor /= range_ms / 1000
    return result * factor


def last_two(samples: Samples, rate: bool) -> float | None:
    if len(samples) < 2:
        return None
    (t0, before), (t1, last) = samples[-2:]
    difference = last if rate and last < before else last - before
    return difference / ((t1 - t0) / 1000) if rate else difference


def regression(samples: Samples, at: int) -> tuple[float, float] | None:
    """Slope a second and value at the moment `at`."""
    if len(samples) < 2:
        return None
    xs = [(t - at) / 1000 for t, _ in samples]
    ys = [y for _, y in samples]
    mx, my = math.fsum(xs) / len(xs), math.fsum(ys) / len(ys)
    slope = math.fsum((x - mx) * (y - my) for x, y in zip(xs, ys, strict=True)) / math.fsum(
        (x - mx) ** 2 for x in xs
    )
    return slope, my - slope * mx


def quantile(q: float, values: list[float]) -> float:
    if q < 0 or q > 1:
        return math.copysign(math.inf, q)
    values = sorted(values, key=lambda x: (not math.isnan(x), x))
    rank = q * (len(values) - 1)
    low = math.floor(rank)
    high = min(len(values) - 1, low + 1)
    weight = rank - low
    return values[low] * (1 - weight) + values[high] * weight


def _values(samples: Samples) -> list[float]:
    return [value for _, value in samples]


def _best(samples: Samples, sign: int) -> tuple[int, float]:
    numbers = [(sign * x, t) for t, x in samples if not math.isnan(x)]
    if not numbers:
        return samples[-1]
    best = max(numbers)
    return best[1], sign * best[0]


def _pairs(samples: Samples) -> list[tuple[float, float]]:
    values = _values(samples)
    return list(itertools.pairwise(values))


def _some(f: Callable[[Samples], float]) -> Twin:
    return lambda samples, right, range_ms: f(samples) if samples else None


TWINS: dict[str, Twin] = {
    "rate": lambda s, e, r: extrapolated(s, e, r, counter=True, rate=True),
    "increase": lambda s, e, r: extrapolated(s, e, r, counter=True, rate=False),
    "delta": lambda s, e, r: extrapolated(s, e, r, counter=False, rate=False),
    "irate": lambda s, e, r: last_two(s, True),
    "idelta": lambda s, e, r: last_two(s, False),
    "deriv": lambda s, e, r: (regression(s, e) or (None,))[0],
    "changes": _some(
        lambda s: sum(a != b and not (math.isnan(a) and math.isnan(b)) for a, b in _pairs(s))
    ),
    "resets": _some(lambda s: sum(b < a for a, b in _pairs(s))),
    "sum_over_time": _some(lambda s: math.fsum(_values(s))),
    "avg_over_time": _some(lambda s: math.fsum(_values(s)) / len(s)),
    "max_over_time": _some(lambda s: _best(s, 1)[1]),
    "min_over_time": _some(lambda s: _best(s, -1)[1]),
    "ts_of_max_over_time": _some(lambda s: _best(s, 1)[0] / 1000),
    "ts_of_min_over_time": _some(lambda s: _best(s, -1)[0] / 1000),
    "count_over_time": _some(len),
    "present_over_time": _some(lambda s: 1.0),
    "last_over_time": _some(lambda s: s[-1][1]),
    "first_over_time": _some(lambda s: s[0][1]),
    "ts_of_last_over_time": _some(lambda s: s[-1][0] / 1000),
    "ts_of_first_over_time": _some(lambda s: s[0][0] / 1000),
    "stddev_over_time": _some(lambda s: statistics.pstdev(_values(s))),
    "stdvar_over_time": _some(lambda s: statistics.pvariance(_values(s))),
    "mad_over_time": _some(
        lambda s: quantile(0.5, [abs(x - quantile(0.5, _values(s))) for x in _values(s)])
    ),
}
