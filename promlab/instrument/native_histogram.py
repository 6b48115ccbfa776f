"""A native histogram for prometheus_client: buckets that adapt to what is observed.

It counts in the library's classic buckets too, unless there are to be none: a scraper that does
not speak the protobuf format sees these, one that does sees the exponential buckets.
"""

from __future__ import annotations

import bisect
import math
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from prometheus_client import REGISTRY, CollectorRegistry, Histogram
from prometheus_client.core import Metric

from promlab.exporters.families import Exemplar, LabelKey, Native, label_key
from promlab.model.exponential_bounds import FRACTIONS

ZERO_THRESHOLD = 2.0**-128
_MIN_SCHEMA, _MAX_SCHEMA = -4, 8
_MAX_EXEMPLARS = 10


class MetricWithNatives(Metric):
    """A metric of the library's, with what it has no place for."""

    natives: Mapping[LabelKey, Native] = {}


class NativeHistogram(Histogram):
    """A `prometheus_client.Histogram` with exponential buckets.

    Neighbouring buckets grow by at most `bucket_factor`. When there are more than
    `max_buckets`, the resolution is halved. `classic_buckets` are what scrapers without native
    histograms get; by default only the count and the sum.
    """

    def __init__(
        self,
        name: str,
        documentation: str,
        labelnames: Iterable[str] = (),
        namespace: str = "",
        subsystem: str = "",
        unit: str = "",
        registry: CollectorRegistry | None = REGISTRY,
        _labelvalues: Sequence[str] | None = None,
        *,
        bucket_factor: float = 1.1,
        zero_threshold: float = ZERO_THRESHOLD,
        max_buckets: int = 160,
        classic_buckets: Sequence[float] = (math.inf,),
    ) -> None:
        if not bucket_factor > 1:
            raise ValueError(f"bucket_factor must be greater than 1, not {bucket_factor}")
        if max_buckets < 1:
            raise ValueError(f"max_buckets must be positive, not {max_buckets}")
        self._factor, self._zero, self._max = bucket_factor, float(zero_threshold), max_buckets
        super().__init__(
            name,
            documentation,
            labelnames,
            namespace,
            subsystem,
            unit,
            registry,
            _labelvalues,
            buckets=classic_buckets,
        )
        self._kwargs.pop("buckets")
        self._kwargs |= {
            "bucket_factor": bucket_factor,
            "zero_threshold": zero_threshold,
            "max_buckets": max_buckets,
            "classic_buckets": classic_buckets,
        }

    def _prepare_buckets(self, source_buckets: Sequence[float | str]) -> None:
        bounds = [float(bound) for bound in source_buckets]
        if bounds != sorted(bounds):
            raise ValueError("classic_buckets are not in sorted order")
        self._upper_bounds = bounds if bounds and bounds[-1] == math.inf else [*bounds, math.inf]

    def _metric_init(self) -> None:
        super()._metric_init()
        self._guard = threading.Lock()
        self._schema = schema_for(self._factor)
        self._count, self._total, self._zeros = 0, 0.0, 0
        self._positive: dict[int, int] = {}
        self._negative: dict[int, int] = {}
        self._exemplars: list[Exemplar] = []

    def observe(self, amount: float, exemplar: dict[str, str] | None = None) -> None:
        """Count one observation; `exemplar` are labels of an event, for instance a trace."""
        if math.isnan(amount):
            bucket = math.inf  # in no classic bucket but the last, as its count says
            super().observe(bucket, exemplar)
        else:
            super().observe(amount, exemplar)
        with self._guard:
            self._count += 1
            self._total += amount
            if math.isnan(amount):
                return
            if abs(amount) <= self._zero:
                self._zeros += 1
            else:
                side = self._positive if amount > 0 else self._negative
                index = bucket_index(abs(amount), self._schema)
                side[index] = side.get(index, 0) + 1
                while len(self._positive) + len(self._negative) > self._max:
                    if not self._halve():
                        break
            if exemplar:
                self._exemplars.append(Exemplar(dict(exemplar), amount, time.time()))
                del self._exemplars[:-_MAX_EXEMPLARS]

    def _halve(self) -> bool:
        if self._schema <= _MIN_SCHEMA:
            return False
        self._schema -= 1
        self._positive = _merged(self._positive)
        self._negative = _merged(self._negative)
        return True

    def native(self) -> Native:
        """The buckets as they are now, of a metric without labels or with all of them set."""
        with self._guard:
            return Native(
                self._count,
                self._total,
                self._schema,
                self._zero,
                self._zeros,
                dict(self._positive),
                dict(self._negative),
                tuple(self._exemplars),
            )

    def collect(self) -> Iterable[Metric]:
        """The classic view, with the native one beside it."""
        found = []
        for metric in super().collect():
            both = MetricWithNatives(metric.name, metric.documentation, metric.type, metric.unit)
            both.samples, both.natives = metric.samples, self.natives()
            found.append(both)
        return found

    def natives(self) -> Mapping[LabelKey, Native]:
        """The buckets of each label set."""
        if not self._labelnames or self._labelvalues:
            return {(): self.native()}
        with self._lock:
            children: dict[Sequence[str], Any] = dict(self._metrics)
        return {
            label_key(dict(zip(self._labelnames, values, strict=True))): child.native()
            for values, child in children.items()
        }


def schema_for(factor: float) -> int:
    """The coarsest schema whose buckets grow by no more than `factor`."""
    wanted = -math.floor(math.log2(math.log2(factor)))
    return min(max(wanted, _MIN_SCHEMA), _MAX_SCHEMA)


def bucket_index(magnitude: float, schema: int) -> int:
    """Index of the bucket that holds a positive number: at most 2^(index / 2^schema).

    Infinity is counted just beyond the largest number.
    """
    if math.isinf(magnitude):
        return bucket_index(1.7976931348623157e308, schema) + 1
    fraction, exponent = math.frexp(magnitude)
    if schema > 0:
        bounds = _bounds(schema)
        return bisect.bisect_left(bounds, fraction) + (exponent - 1) * len(bounds)
    # The number is 2^exponent at most, and exactly 2^(exponent - 1) for a fraction of a half.
    key = exponent - 1 if fraction == 0.5 else exponent
    return -(-key // (1 << -schema))


_known: dict[int, list[float]] = {}


def _bounds(schema: int) -> list[float]:
    """Lower halves of the bounds between 1/2 and 1: 2^(i / 2^schema - 1)."""
    bounds = _known.get(schema)
    if bounds is None:
        n = 1 << schema
        bounds = _known[schema] = list(FRACTIONS[:: len(FRACTIONS) // n])
    return bounds


def _merged(buckets: Mapping[int, int]) -> dict[int, int]:
    """Buckets at half the resolution: two neighbours become one."""
    merged: dict[int, int] = {}
    for index, count in buckets.items():
        joined = (index + 1) // 2
        merged[joined] = merged.get(joined, 0) + count
    return merged
