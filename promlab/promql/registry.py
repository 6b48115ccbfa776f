"""The one place that knows every function, aggregation and keyword of PromQL.

The checker takes argument types from here, the printer, completion and documentation their
texts; the engine attaches implementations by name. Nothing here evaluates anything.
"""

from __future__ import annotations

from promlab.promql.registry_series import OVER_TIME, RATES
from promlab.promql.registry_spec import (
    AggregationSpec,
    Argument,
    FunctionSpec,
    KeywordSpec,
)
from promlab.promql.registry_values import HISTOGRAM, LABEL, MATH, TIME
from promlab.promql.valuetype import ValueType

__all__ = [
    "AGGREGATIONS",
    "EXPERIMENTAL_FUNCTIONS",
    "FAMILIES",
    "FUNCTIONS",
    "KEYWORDS",
    "AggregationSpec",
    "Argument",
    "FunctionSpec",
    "KeywordSpec",
]

EXPERIMENTAL_FUNCTIONS = "promql-experimental-functions"  # name of the feature

FAMILIES = {
    "rate": "Rates and trends",
    "over_time": "Values over time",
    "math": "Mathematics",
    "time": "Time",
    "label": "Labels",
    "shape": "Order and shape",
    "histogram": "Histograms",
}

FUNCTIONS: dict[str, FunctionSpec] = {
    spec.name: spec for spec in (*RATES, *OVER_TIME, *MATH, *TIME, *LABEL, *HISTOGRAM)
}

_K = Argument("k", ValueType.SCALAR)

AGGREGATIONS: dict[str, AggregationSpec] = {
    spec.name: spec
    for spec in (
        AggregationSpec("sum", "Sum of the values of each group."),
        AggregationSpec("avg", "Average of the values of each group."),
        AggregationSpec("min", "Smallest value of each group."),
        AggregationSpec("max", "Largest value of each group."),
        AggregationSpec("count", "Number of series in each group."),
        AggregationSpec("group", "1 for each group."),
        AggregationSpec("stddev", "Standard deviation (population) of each group."),
        AggregationSpec("stdvar", "Variance (population) of each group."),
        AggregationSpec(
            "topk",
            "The k series with the largest values of each group.",
            "Keeps all labels; `by` and `without` only make the groups.",
            _K,
        ),
        AggregationSpec(
            "bottomk",
            "The k series with the smallest values of each group.",
            "Keeps all labels; `by` and `without` only make the groups.",
            _K,
        ),
        AggregationSpec(
            "limitk",
            "Some k series of each group, always the same ones.",
            "Keeps all labels. For a look at a few of many series.",
            _K,
            experimental=True,
        ),
        AggregationSpec(
            "limit_ratio",
            "About this share of the series of each group, always the same ones.",
            "A ratio of -0.9 gives exactly those that 0.1 leaves out.",
            Argument("ratio", ValueType.SCALAR),
            experimental=True,
        ),
        AggregationSpec(
            "quantile",
            "The φ-quantile (0 ≤ φ ≤ 1) of the values of each group.",
            "For histograms use `histogram_quantile`.",
            Argument("φ", ValueType.SCALAR),
        ),
        AggregationSpec(
            "count_values",
            "Number of series with each value, the value as a new label.",
            '`count_values("version", build_version)` counts what runs which version.',
            Argument("label", ValueType.STRING),
        ),
    )
}

KEYWORDS: dict[str, KeywordSpec] = {
    spec.name: spec
    for spec in (
        KeywordSpec(
            "by",
            "Groups for an aggregation: series with equal values of these labels.",
            "sum by (job) (rate(http_requests_total[5m]))",
        ),
        KeywordSpec(
            "without",
            "Groups for an aggregation: series that are equal but for these labels.",
            "sum without (instance) (rate(http_requests_total[5m]))",
        ),
        KeywordSpec(
            "on",
            "Labels that must be equal for series of the two sides to match.",
            "errors / on (job, instance) requests",
        ),
        KeywordSpec(
            "ignoring",
            "Labels that may differ for series of the two sides to match.",
            "errors / ignoring (code) requests",
        ),
        KeywordSpec(
            "group_left",
            "Many series on the left may match one on the right.",
            "up * on (instance) group_left (nodename) node_uname_info",
            "The labels in parentheses are taken over from the right side.",
        ),
        KeywordSpec(
            "group_right",
            "Many series on the right may match one on the left.",
            "node_uname_info * on (instance) group_right (nodename) up",
            "The labels in parentheses are taken over from the left side.",
        ),
        KeywordSpec(
            "bool",
            "A comparison gives 1 or 0 instead of keeping or dropping series.",
            "up == bool 0",
        ),
        KeywordSpec(
            "fill",
            "The value for series that are missing on either side.",
            "errors / fill(0) requests",
        ),
        KeywordSpec(
            "fill_left",
            "The value for series that are missing on the left side.",
            "errors / fill_left(0) requests",
        ),
        KeywordSpec(
            "fill_right",
            "The value for series that are missing on the right side.",
            "errors + fill_right(0) warnings",
        ),
        KeywordSpec(
            "offset",
            "Looks so far into the past; a negative offset into the future.",
            "rate(http_requests_total[5m] offset 1d)",
            "Stands directly after the selector or its range.",
        ),
        KeywordSpec(
            "@",
            "Fixes the moment: seconds since 1970, `start()` or `end()`.",
            "topk(5, rate(http_requests_total[1h] @ end()))",
        ),
        KeywordSpec(
            "anchored",
            "The range begins with the last sample at or before its left edge; no extrapolation.",
            "increase(http_requests_total[5m] anchored)",
        ),
        KeywordSpec(
            "smoothed",
            "Values at the edges of the range are interpolated between neighbouring samples.",
            "rate(http_requests_total[5m] smoothed)",
        ),
        KeywordSpec("and", "Series of the left side that the right side has too.", "a and b"),
        KeywordSpec("or", "All series of the left side, and those only the right has.", "a or b"),
        KeywordSpec("unless", "Series of the left side that the right side lacks.", "a unless b"),
        KeywordSpec("atan2", "Angle of two values in radians.", "y atan2 x"),
    )
}
