"""What annotations say, in Prometheus's words."""

from __future__ import annotations

COUNTER_SUFFIXES = ("_total", "_sum", "_count", "_bucket")
MONOTONICITY = (
    "input to histogram_quantile needed to be fixed for monotonicity (see "
    "https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile) "
    'for metric name "{name}"'
)
START_OVERLAP = (
    'sample has start time that overlaps with previous sample timestamp for metric "{name}"'
)
MIXED_RANGE = "encountered a mix of histograms and floats"
MIXED_AGGREGATION = "encountered a mix of histograms and floats for aggregation"
MIXED_BUCKETS = "vector contains a mix of histograms with exponential and custom buckets schemas"
MIXED_CLASSIC = "vector contains a mix of classic and native histograms"
IGNORED_IN_RANGE = "ignored histograms in a range containing both floats and histograms"
IGNORED_IN_AGGREGATION = "ignored histogram in {op} aggregation"
RECONCILED = "mismatched custom buckets were reconciled during {verb}"
CONFLICT = "conflicting counter resets during histogram {verb}"
NOT_COUNTER = 'this native histogram metric is not a counter: "{name}"'
NOT_GAUGE = 'this native histogram metric is not a gauge: "{name}"'
INCOMPATIBLE_TYPES = (
    'incompatible sample types encountered for binary operator "{op}": {left} {op} {right}'
)
INCOMPATIBLE_BUCKETS = "incompatible bucket layout encountered for binary operator {op}"
NAN_RESULT = "input to {function} has NaN observations, result is NaN"
NAN_SKEWED = "input to {function} has NaN observations, result is skewed higher"
NAN_EXCLUDED = "input to {function} has NaN observations, which are excluded from all fractions"


def for_metric(message: str, name: str) -> str:
    """A message about a metric, whose name may be empty."""
    if "{name}" in message:
        return message.format(name=name)
    return f'{message} for metric name "{name}"'
