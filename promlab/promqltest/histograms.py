"""Native histograms in plain Python: the notation of the scripts, and a twin for arithmetic."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from promlab.errors import ScriptError
from promlab.model.exponential_bounds import exponential_bound
from promlab.model.histograms import (
    CUSTOM_SCHEMA,
    GAUGE,
    NOT_RESET,
    RESET,
    UNKNOWN,
    Buckets,
    HistogramTable,
)

HINTS = {"unknown": UNKNOWN, "reset": RESET, "not_reset": NOT_RESET, "gauge": GAUGE}


@dataclass
class Plain:
    """One histogram; buckets by index. `hint` is None where the notation gives none."""

    schema: int = 0
    count: float = 0.0
    sum: float = 0.0
    zero_count: float = 0.0
    zero_threshold: float = 0.0
    positive: dict[int, float] = field(default_factory=dict)
    negative: dict[int, float] = field(default_factory=dict)
    bounds: tuple[float, ...] = ()
    hint: int | None = None

    def bound(self, index: int) -> float:
        """Upper bound of a positive bucket."""
        if self.schema == CUSTOM_SCHEMA:
            return self.bounds[index] if index < len(self.bounds) else math.inf
        return exponential_bound(self.schema, index)

    def straddled(self, threshold: float) -> float:
        """The zero threshold that a threshold has to become to cut no filled bucket."""
        while True:
            wider = [
                self.bound(i)
                for side in (self.positive, self.negative)
                for i, c in side.items()
                if c and self.bound(i - 1) < threshold < self.bound(i)
            ]
            if not wider:
                return threshold
            threshold = max(wider)

    def widened(self, threshold: float) -> Plain:
        """The same with everything up to the threshold in the zero bucket."""
        if threshold == self.zero_threshold:
            return self
        zero, sides = self.zero_count, []
        for side in (self.positive, self.negative):
            zero += sum(c for i, c in side.items() if self.bound(i) <= threshold)
            sides.append({i: c for i, c in side.items() if self.bound(i) > threshold})
        return replace(
            self,
            zero_count=zero,
            zero_threshold=threshold,
            positive=sides[0],
            negative=sides[1],
        )

    def coarser(self, schema: int) -> Plain:
        """The same in buckets of a smaller schema."""
        width = 2 ** (self.schema - schema)
        sides = []
        for side in (self.positive, self.negative):
            made: dict[int, float] = {}
            for i, c in side.items():
                made[-(-i // width)] = made.get(-(-i // width), 0.0) + c
            sides.append(made)
        return replace(self, schema=schema, positive=sides[0], negative=sides[1])

    def with_bounds(self, bounds: tuple[float, ...]) -> Plain:
        """The same in fewer custom buckets."""
        made: dict[int, float] = {}
        for i, c in self.positive.items():
            j = sum(b < self.bound(i) for b in bounds)
            made[j] = made.get(j, 0.0) + c
        return replace(self, bounds=bounds, positive=made)

    def reconciled(self, other: Plain) -> tuple[Plain, Plain]:
        """Both with the same buckets."""
        if self.schema == CUSTOM_SCHEMA:
            shared = tuple(sorted({*self.bounds} & {*other.bounds}))
            return self.with_bounds(shared), other.with_bounds(shared)
        threshold = max(self.zero_threshold, other.zero_threshold)
        if self.zero_threshold != other.zero_threshold:
            while (t := other.straddled(self.straddled(threshold))) != threshold:
                threshold = t
        schema = min(self.schema, other.schema)
        a, b = self.widened(threshold), other.widened(threshold)
        return a.coarser(schema), b.coarser(schema)

    def plus(self, other: Plain, sign: float = 1.0) -> Plain:
        """Sum, or difference."""
        a, b = self.reconciled(other)
        sides = []
        for x, y in ((a.positive, b.positive), (a.negative, b.negative)):
            sides.append({i: x.get(i, 0.0) + sign * y.get(i, 0.0) for i in {*x, *y}})
        return replace(
            a,
            count=a.count + sign * b.count,
            sum=a.sum + sign * b.sum,
            zero_count=a.zero_count + sign * b.zero_count,
            positive=sides[0],
            negative=sides[1],
        )

    def resets(self, before: Plain) -> bool:
        """Whether a counter was reset between that histogram and this one."""
        custom = self.schema == CUSTOM_SCHEMA
        if self.count < before.count or custom != (before.schema == CUSTOM_SCHEMA):
            return True
        if not custom:
            if self.schema > before.schema or self.zero_threshold < before.zero_threshold:
                return True
            if before.straddled(self.zero_threshold) != self.zero_threshold:
                return True
        fall = self.plus(before, -1.0)
        fallen = [fall.zero_count, *fall.positive.values(), *fall.negative.values()]
        return any(c < 0 for c in fallen)


_FIELD = re.compile(r"(\w+):(\[[^\[\]]+\]|[^\s\[\]]+)(?:\s+|$)")
_LISTS = ("buckets", "n_buckets", "custom_values")
_SINGLE = ("schema", "offset", "n_offset", "count", "sum", "z_bucket", "z_bucket_w")


def parse_histogram(text: str) -> Plain:
    """`{{schema:1 sum:5 ...}}`. Raises ScriptError."""
    try:
        fields = _fields(text.strip()[2:-2].strip())
        hint = fields.get("counter_reset_hint")
        return Plain(
            int(fields.get("schema", 0)),
            float(fields.get("count", 0)),
            float(fields.get("sum", 0)),
            float(fields.get("z_bucket", 0)),
            float(fields.get("z_bucket_w", 0)),
            _buckets(fields, "buckets", "offset"),
            _buckets(fields, "n_buckets", "n_offset"),
            tuple(_numbers(fields, "custom_values")),
            None if hint is None else HINTS[hint],
        )
    except (ValueError, KeyError) as error:
        reason = f"no counter reset hint: {error}" if isinstance(error, KeyError) else error
        raise ScriptError(f"not a histogram: {text}: {reason}") from None


def _fields(text: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    while text:
        found = _FIELD.match(text)
        if found is None:
            raise ValueError(f"write name:value or name:[values] instead of {text!r}")
        name, value = found.groups()
        if name not in (*_SINGLE, *_LISTS, "counter_reset_hint"):
            raise ValueError(f"bad histogram descriptor found: {name!r}")
        if name in fields:
            raise ValueError(f"duplicate key {name!r} in histogram")
        if (name in _LISTS) != value.startswith("["):
            kind = "a list in brackets" if name in _LISTS else "one value"
            raise ValueError(f"{name} takes {kind}, not {value}")
        fields[name] = value
        text = text[found.end() :]
    return fields


def _buckets(fields: dict[str, str], name: str, offset: str) -> dict[int, float]:
    first = int(fields.get(offset, 0))
    return {first + i: c for i, c in enumerate(_numbers(fields, name)) if c}


def _numbers(fields: dict[str, str], name: str) -> list[float]:
    return [float(x) for x in fields.get(name, "[]")[1:-1].split()]


def table_of(histograms: Sequence[Plain]) -> HistogramTable:
    """The columns of these histograms."""
    codes: dict[tuple[float, ...], int] = {}

    def column(values: list[float]) -> np.ndarray:
        return np.array(values, np.float64)

    def buckets(sides: list[dict[int, float]]) -> Buckets:
        pairs = [sorted(side.items()) for side in sides]
        return Buckets(
            np.cumsum([0, *map(len, pairs)]).astype(np.int64),
            np.array([i for side in pairs for i, _ in side], np.int32),
            np.array([c for side in pairs for _, c in side], np.float64),
        )

    custom = [
        codes.setdefault(h.bounds, len(codes)) if h.schema == CUSTOM_SCHEMA else -1
        for h in histograms
    ]
    return HistogramTable(
        np.array([h.schema for h in histograms], np.int8),
        column([h.zero_threshold for h in histograms]),
        column([h.zero_count for h in histograms]),
        column([h.count for h in histograms]),
        column([h.sum for h in histograms]),
        np.array([h.hint or UNKNOWN for h in histograms], np.int8),
        buckets([h.positive for h in histograms]),
        buckets([h.negative for h in histograms]),
        np.array(custom, np.int32),
        tuple(codes),
    )


def plain_row(table: HistogramTable, row: int) -> Plain:
    """One histogram of a table, without its empty buckets."""

    def side(buckets: Buckets) -> dict[int, float]:
        a, b = int(buckets.offsets[row]), int(buckets.offsets[row + 1])
        pairs = zip(buckets.indices[a:b].tolist(), buckets.counts[a:b].tolist(), strict=True)
        return {i: c for i, c in pairs if c != 0}

    custom = int(table.custom[row])
    return Plain(
        int(table.schema[row]),
        float(table.count[row]),
        float(table.sum[row]),
        float(table.zero_count[row]),
        float(table.zero_threshold[row]),
        side(table.positive),
        side(table.negative),
        table.bounds[custom] if custom >= 0 else (),
        int(table.hint[row]),
    )


def hinted_series(histograms: list[Plain | None]) -> list[Plain | None]:
    """Histograms as a database gives them back: what is no reset says so, unless it was a
    gauge; the beginning of anything says nothing. None is another sample between them."""
    made: list[Plain | None] = []
    before: Plain | None = None
    for one in histograms:
        if one is None or one.hint in (GAUGE, RESET):
            made.append(one)
        else:
            goes_on = before is not None and before.hint != GAUGE
            fresh = before is None or not goes_on or one.resets(before)
            same = (
                before is not None
                and one.schema == before.schema
                and (one.zero_threshold == before.zero_threshold and one.bounds == before.bounds)
            )
            made.append(replace(one, hint=UNKNOWN if fresh or not same else NOT_RESET))
        before = one
    return made
