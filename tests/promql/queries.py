"""Random data and random valid queries over it, from a seed."""

from __future__ import annotations

import math
import random
import re

from promlab.model.samples import STALE_NAN
from promlab.promqltest.memory import MemoryQuerier

MINUTES = 60
BOUNDS = ("0.1", "0.5", "1", "5", "+Inf")
RATES = ("rate", "increase", "delta", "irate", "idelta", "deriv", "changes", "resets")
OVER_TIME = tuple(
    f"{name}_over_time"
    for name in [
        "avg",
        "sum",
        "min",
        "max",
        "count",
        "stddev",
        "stdvar",
        "last",
        "present",
        "ts_of_max",
        "ts_of_min",
        "ts_of_last",
    ]
)
MATHS = (
    "abs",
    "ceil",
    "floor",
    "sgn",
    "ln",
    "log2",
    "log10",
    "sqrt",
    "atan",
    "tanh",
    "deg",
    "rad",
    "round",
    "timestamp",
    "sort",
    "sort_desc",
)
# Of huge values, libraries of mathematics know no two equal digits; of NaN, Go knows a date.
BOUNDED = ("exp", "sin", "cos", "tan", "sinh", "cosh")
CALENDAR = (
    "minute",
    "hour",
    "day_of_week",
    "day_of_month",
    "day_of_year",
    "days_in_month",
    "month",
    "year",
)
SELECTORS = (
    "requests_total",
    'requests_total{job="a"}',
    'requests_total{code!="500"}',
    'requests_total{code=~"2..|4.."}',
    "errors_total",
    'errors_total{job!~"b"}',
    "temperature",
    'temperature{room="r1"}',
    "single",
    "nothing",
    '{job="a"}',
    '{__name__=~"requests_total|errors_total"}',
)
RANGED = ("1m", "90s", "5m", "5m30s", "17m", "1h")
# What no grid of steps or samples goes with.
ODD_RANGES = ("1ms", "14s999ms", "15s", "15s1ms", "37s", "4m59s999ms", "7m13s", "1d")
ODD_OFFSETS = ("1ms", "-1ms", "14s999ms", "-14s999ms", "1h1m1s1ms", "-1h", "7m13s", "-3m7s")
ODD_RESOLUTIONS = ("7s", "14s999ms", "15s1ms", "13m", "1m0s1ms", "1h", "2d")
ODD_STEPS = (7_001, 14_999, 15_001, 60_001, 61_000, 299_999, 3_600_000, 7_777_777)
# Values whose least-squares lines are infinite, level, or neither by a last digit.
LINES = (
    (math.inf, 5.0, 5.0, 5.0),
    (math.inf, -math.inf, math.nan, 0.1, 7.0),
    (1e308, -1e308, 1.0),
    (0.1, 0.1, 0.1, 0.3),
    (5.0, 5.0, 5.0, 6.0),
    (0.1,),
    (math.inf,),
)
LABELS = ("job", "code", "instance", "room", "le")


def data_set(rng: random.Random, start_ms: int) -> MemoryQuerier:
    data = MemoryQuerier()
    for job in "ab":
        for instance in ("1", "2"):
            for code in ("200", "404", "500"):
                labels = {"job": job, "instance": instance, "code": code}
                data.add({"__name__": "requests_total", **labels}, counter(rng, start_ms))
                if code != "404":
                    data.add({"__name__": "errors_total", **labels}, counter(rng, start_ms))
            for le in BOUNDS:
                labels = {"__name__": "latency_bucket", "job": job, "instance": instance, "le": le}
                data.add(labels, counter(rng, start_ms, steady=BOUNDS.index(le) + 1))
    for room in ("r1", "r2", "r3"):
        data.add({"__name__": "temperature", "room": room, "job": "a"}, gauge(rng, start_ms))
    data.add({"__name__": "single"}, gauge(rng, start_ms))
    for i, values in enumerate(LINES):
        samples = [(start_ms + n * 15_000 + i, rng.choice(values)) for n in range(40)]
        data.add({"__name__": "line", "i": str(i)}, samples)
    return data


def times(rng: random.Random, start_ms: int) -> list[int]:
    """Every 15 s with jitter and gaps."""
    phase = rng.randrange(15_000)
    exact = rng.random() < 0.5
    found = []
    for i in range(MINUTES * 4):
        jitter = 0 if exact else rng.randrange(-300, 300)
        if rng.random() > 0.03 and not 100 < i < 100 + rng.choice([0, 0, 30]):
            found.append(start_ms + (0 if exact else phase) + i * 15_000 + jitter)
    return sorted(set(found))


def counter(rng: random.Random, start_ms: int, steady: int = 0) -> list[tuple[int, float]]:
    value, samples = float(rng.randrange(1000)), []
    for t in times(rng, start_ms):
        value += steady * 10 + rng.choice([0, 0, 1, 3, 40]) + (0 if steady else rng.random())
        if not steady and rng.random() < 0.02:
            value = float(rng.randrange(5))
        samples.append((t, STALE_NAN if rng.random() < 0.01 else value))
    return samples


def gauge(rng: random.Random, start_ms: int) -> list[tuple[int, float]]:
    special = [math.nan, math.inf, -math.inf, 0.0, 1e18, STALE_NAN]
    return [
        (t, rng.choice(special) if rng.random() < 0.01 else round(rng.gauss(20, 30), 2))
        for t in times(rng, start_ms)
    ]


def steady(query: str) -> str:
    """Without offsets of what `@` fixes: `timestamp` looks for that where it has not read."""
    return re.sub(r"( @ [^ )\]]+\)?) offset -?\w+", r"\1", query)


class Queries:
    """Makes one query after another."""

    def __init__(self, rng: random.Random, start_ms: int, *, odd: bool = False) -> None:
        self.rng, self.start_ms = rng, start_ms
        self.ranges = ODD_RANGES if odd else RANGED
        self.offsets = ODD_OFFSETS if odd else ("30s", "2m", "-90s", "11m")
        self.resolutions = ODD_RESOLUTIONS if odd else ("", "30s", "1m", "47s")
        self.odd = odd

    def query(self) -> str:
        return self.vector(3) if self.rng.random() < 0.95 else self.scalar(2)

    def pick(self, *choices: str) -> str:
        return self.rng.choice(choices)

    def moved(self) -> str:
        chance = self.rng.random()
        if chance < (0.4 if self.odd else 0.75):
            return ""
        if chance < (0.7 if self.odd else 0.88):
            return " offset " + self.pick(*self.offsets)
        at = str(self.start_ms // 1000 + self.rng.randrange(MINUTES * 60))
        if self.odd:
            at = self.pick(f"{at}.001", f"{at}.9995", "0", "-1.5", "start()", "end()")
            return f" @ {at}{self.pick('', ' offset ' + self.pick(*self.offsets))}"
        return " @ " + self.pick(at, "start()", "end()", f"{at} offset 1m")

    def selector(self) -> str:
        return self.pick(*SELECTORS) + self.moved()

    def matrix(self, depth: int) -> str:
        if depth > 0 and self.rng.random() < 0.25:
            step = self.pick(*self.resolutions)
            return f"({self.vector(depth - 1)})[{self.pick(*self.ranges)}:{step}]{self.moved()}"
        return f"{self.pick(*SELECTORS)}[{self.pick(*self.ranges)}]{self.moved()}"

    def scalar(self, depth: int) -> str:
        if depth > 0 and self.rng.random() < 0.3:
            return self.pick(
                f"scalar({self.vector(depth - 1)})",
                "time()",
                f"({self.scalar(depth - 1)} {self.pick(*'+-*/%^')} {self.scalar(depth - 1)})",
            )
        return self.pick("0", "1", "2", "0.5", "-3", "1e9", "NaN", "Inf", "20")

    def labels(self) -> str:
        return ", ".join(self.rng.sample(LABELS, self.rng.randrange(4)))

    def grouping(self) -> str:
        return self.pick("", f" by ({self.labels()})", f" without ({self.labels()})")

    def vector(self, depth: int) -> str:
        if depth <= 0:
            return self.selector()
        below = depth - 1
        chance = self.rng.random()
        if chance < 0.1:
            return self.selector()
        if chance < 0.25:
            return f"{self.pick(*RATES)}({self.matrix(below)})"
        if chance < 0.4:
            return self.over_time(below)
        if chance < 0.6:
            return self.aggregation(below)
        if chance < 0.8:
            return self.binary(below)
        return self.call(below)

    def over_time(self, depth: int) -> str:
        matrix = self.matrix(depth)
        return self.pick(
            f"{self.pick(*OVER_TIME)}({matrix})",
            f"{self.pick(*OVER_TIME)}({matrix})",
            f"{self.pick(*OVER_TIME)}({matrix})",
            f"quantile_over_time({self.pick('0.3', '0.99', '-1', '2')}, {matrix})",
            f"predict_linear({matrix}, {self.scalar(0)})",
            f"double_exponential_smoothing({matrix}, 0.3, 0.6)",
            f"absent_over_time({matrix})",
        )

    def aggregation(self, depth: int) -> str:
        vector = self.vector(depth)
        op = self.pick(*["sum", "avg", "min", "max", "count", "group", "stddev", "stdvar"])
        by = self.grouping()
        return self.pick(
            f"{op}{by} ({vector})",
            f"{op}{by} ({vector})",
            f"{op}{by} ({vector})",
            f"quantile{by} ({self.pick('0.1', '0.5', '0.95', '7')}, {vector})",
            f"count_values{by} ('v', round(clamp({vector}, -1e6, 1e6), 0.01))",
            f"sum({self.pick('topk', 'bottomk')}{by} (3, {vector}))",
            f"count(limitk{by} (2, {vector}))",
        )

    def binary(self, depth: int) -> str:
        arithmetic = self.pick("+", "-", "*", "/", "atan2")
        comparison = self.pick("==", "!=", "<", "<=", ">", ">=")
        maybe = self.pick("", " bool")
        a, b = self.vector(depth), self.vector(depth)
        on = self.pick("", f" on ({self.labels()})", f" ignoring ({self.labels()})")
        side = self.pick("group_left", "group_left (room)", "group_right", "group_right (code)")
        key = self.pick("on (job)", "on (job, instance)", "ignoring (code)")
        return self.pick(
            f"({a} {arithmetic} {self.scalar(1)})",
            f"({self.scalar(1)} {arithmetic} {a})",
            f"(round({a}, 0.01) {self.pick('^ 2', '% 7', '^ -1', '% -0.5')})",
            f"({a} {comparison}{maybe} {self.scalar(1)})",
            f"({self.scalar(1)} {comparison}{maybe} {a})",
            f"({a} {arithmetic}{on} {b})",
            f"(requests_total {self.pick(*'+-*/')} errors_total)",
            f"(rate(errors_total[5m]) {arithmetic} ignoring (code) group_left "
            "sum without (code) (rate(requests_total[5m])))",
            f"({a} {comparison}{maybe}{on} {b})",
            f"({a} {arithmetic} {key} {side} {b})",
            f"({a} {self.pick('and', 'or', 'unless')}{on} {b})",
            f"({a} {self.pick('and', 'or', 'unless')}{on} {b})",
            f"(-{a})",
        )

    def call(self, depth: int) -> str:
        vector = self.vector(depth)
        label = self.pick(*LABELS)
        maths = self.pick(*MATHS)
        return self.pick(
            f"{maths}({steady(vector) if maths == 'timestamp' else vector})",
            f"{maths}({steady(vector) if maths == 'timestamp' else vector})",
            f"{self.pick(*BOUNDED)}(clamp({vector}, -99, 99))",
            f"{self.pick(*CALENDAR)}(abs({vector}) < 1e12)",
            f"clamp({vector}, {self.scalar(0)}, {self.scalar(0)})",
            f"clamp_{self.pick('min', 'max')}({vector}, {self.scalar(0)})",
            f"absent({vector})",
            f"vector({self.scalar(1)})",
            f"round({vector}, {self.pick('5', '0.1')})",
            f'label_replace({vector}, "{self.pick("new", label)}", "x-$1", "{label}", "(.).*")',
            f'label_join({vector}, "new", "-", "job", "{label}")',
            f"histogram_quantile({self.pick('0.5', '0.9', '0.01', '2')}, rate(latency_bucket[5m]))",
            "histogram_quantile(0.9, sum by (le, job) (increase(latency_bucket[10m])))",
            f"histogram_fraction(5, {self.pick('9', '5.5')}, rate(latency_bucket[5m]))",
            f"histogram_quantile(0.5, {vector})",
        )
